from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline.bus import Keys, encode
from pipeline.bus.keys import BEGINNING, format_position, parse_position
from pipeline.bus.runs import new_run
from pipeline.bus.spool import Group, Spool
from pipeline.bus.wire import is_progress
from pipeline.errors import CamtrailError
from pipeline.records import Envelope, Position
from tests.endurance.disk import Disk
from tests.full_disk import no_file_beyond
from tests.pipeline.bus.samples import progress

PROGRESS = encode(Envelope(1, progress("R")))
BIG = 10**9


def group(run: str, first: int, count: int, size: int = 100, with_progress: bool = True) -> Group:
    messages = [bytes([1, ord("u")]) + bytes([i]) * size for i in range(count)]
    return Group(run, first, tuple(messages + [PROGRESS] * with_progress))


def positions(spool: Spool, after: Position = BEGINNING) -> list[Position]:
    return [
        Position(g.run, g.first + i)
        for g in spool.groups(after)
        for i in range(len(g.messages))
        if Position(g.run, g.first + i) > after
    ]


def committed_of(group: Group, committed: Position) -> list[bytes]:
    """Its messages that are committed."""
    places = [Position(group.run, group.first + i) for i in range(len(group.messages))]
    pairs = zip(places, group.messages, strict=True)
    return [message for place, message in pairs if place <= committed]


class SpoolMachine(RuleBasedStateMachine):
    """The spool against a list of what was put."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="camtrail-test-"))
        self.max_bytes = 40_000
        self.spool = Spool(self.folder, self.max_bytes)
        self.runs = 1
        self.number = 0
        self.put: list[tuple[Position, bytes]] = []  # everything, in order
        self.committed = BEGINNING
        self.dropped_before = 0  # by spools that were closed

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)

    @property
    def run(self) -> str:
        return f"R{self.runs:05d}"

    @rule(
        count=st.integers(1, 8),
        size=st.sampled_from([0, 50, 700]),
        with_progress=st.booleans(),
    )
    def append(self, count: int, size: int, with_progress: bool) -> None:
        added = group(self.run, self.number + 1, count, size, with_progress)
        self.spool.append(added)
        for message in added.messages:
            self.number += 1
            self.put.append((Position(self.run, self.number), message))

    @precondition(lambda self: self.put)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        position = data.draw(st.sampled_from([p for p, _ in self.put]))
        if position > self.committed:
            self.committed = position
        self.spool.commit(self.committed)

    @rule()
    def wipe(self) -> None:
        assert self.spool.wipe()
        kept = [m for g in self.spool.groups(BEGINNING) for m in committed_of(g, self.committed)]
        assert all(message == b"" or is_progress(message) for message in kept)

    @rule(torn=st.binary(max_size=60))
    def reopen(self, torn: bytes) -> None:
        """A crash: the next run finds the former's messages, less what was not written whole."""
        self.dropped_before += self.spool.dropped
        self.spool.close()
        segments = sorted(self.folder.glob("*.seg"))
        if segments and torn:
            whole = group(self.run, self.number + 1, 3).pack()
            with segments[-1].open("ab") as file:
                file.write((torn + whole)[: len(whole) - 1] if len(torn) % 2 else whole[:-1])
        self.spool = Spool(self.folder, self.max_bytes)
        self.spool.commit(self.committed)
        self.runs += 1
        self.number = 0

    @rule(limit=st.sampled_from([1, 10, 300]))
    def full_disk(self, limit: int) -> None:
        """Groups put while the disk is full are there all the same, and written later."""
        with no_file_beyond(limit):
            self.append(3, 300, True)
            self.append(2, 300, False)
            assert self.spool.error
        self.spool.flush()
        assert self.spool.error == ""

    @invariant()
    def holds_what_is_not_committed(self) -> None:
        held = positions(self.spool, self.committed)
        expected = [p for p, _ in self.put if p > self.committed]
        dropped = self.spool.dropped + self.dropped_before
        # Nothing is missing but what was dropped and counted; order is kept, nothing is twice.
        missing = set(expected) - set(held)
        assert held == [p for p in expected if p not in missing]
        assert len(missing) <= dropped
        if self.committed == BEGINNING:
            assert len(missing) == dropped
        if dropped == 0:
            assert held == expected
        assert self.spool.count(self.committed) == len(held)

    @invariant()
    def knows_the_last_progress(self) -> None:
        last = [m for _, m in self.put if is_progress(m)]
        assert self.spool.last_progress() == (last[-1] if last else None)
        if self.put:
            assert self.spool.last_position() == self.put[-1][0]

    @invariant()
    def is_bounded(self) -> None:
        one_segment = self.max_bytes // 8 + 8 * 800
        assert self.spool.size <= self.max_bytes + 2 * one_segment
        on_disk = sum(path.stat().st_size for path in self.folder.glob("*.seg"))
        assert on_disk <= self.spool.size


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(max_examples=60, stateful_step_count=30)


def test_every_cut_of_the_file_leaves_whole_groups_only(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a", BIG)
    for first in (1, 4, 7):
        spool.append(group("R", first, 2, 10))
    spool.close()
    (segment,) = (tmp_path / "a").glob("*.seg")
    whole = segment.read_bytes()
    third = len(whole) // 3
    for cut in range(len(whole)):
        segment.write_bytes(whole[:cut])
        spool = Spool(tmp_path / "a", BIG)
        assert len(positions(spool)) == 3 * (cut // third)
        spool.close()
        assert not segment.exists() or segment.stat().st_size == cut // third * third
        segment.write_bytes(whole)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, BIG)
    spool.append(group("R", 1, 2))
    spool.append(group("R", 4, 2))
    spool.close()
    (segment,) = tmp_path.glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[-5] ^= 1
    segment.write_bytes(data)
    assert [p.number for p in positions(Spool(tmp_path, BIG))] == [1, 2, 3]


def test_a_full_spool_drops_the_oldest_and_counts_them(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 80_000)
    for first in range(1, 2001, 10):
        spool.append(group("R", first, 9))
    held = positions(spool)
    assert held[-1].number == 2000
    assert [p.number for p in held] == list(range(2001 - len(held), 2001))
    assert spool.dropped == 2000 - len(held) > 1000
    assert spool.size <= 80_000


def test_a_full_disk_loses_nothing_and_is_told(tmp_path: Path) -> None:
    spool = Spool(tmp_path, BIG)
    spool.append(group("R", 1, 4))
    (segment,) = tmp_path.glob("*.seg")
    whole = segment.read_bytes()
    with no_file_beyond(len(whole) + 20):  # the next is written in part
        spool.append(group("R", 6, 4))
        assert str(tmp_path) in spool.error
        assert segment.read_bytes() == whole
        assert [p.number for p in positions(spool)] == [*range(1, 11)]  # sent all the same
    spool.append(group("R", 11, 4))
    assert spool.error == ""
    spool.close()
    assert [p.number for p in positions(Spool(tmp_path, BIG))] == [*range(1, 16)]


def test_a_disk_that_becomes_read_only_loses_nothing_and_is_told(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk", 4)
    try:
        if not disk.turns:
            pytest.skip("it takes root and /dev/fuse")
        spool = Spool(tmp_path / "disk" / "spool", 240_000)
        for first in range(1, 1001, 10):
            spool.append(group("R", first, 9))
        held = len(list(spool.folder.glob("*.seg")))
        assert held > 2
        with disk.read_only():
            for first in range(1001, 1101, 10):
                spool.append(group("R", first, 9))
            assert spool.error == f"{spool.folder}: Read-only file system"
            spool.commit(Position("R", 900))  # which cannot be deleted now
            assert len(list(spool.folder.glob("*.seg"))) == held
            assert not spool.wipe()
            assert [p.number for p in positions(spool, Position("R", 900))] == [*range(901, 1101)]
        spool.commit(Position("R", 900))
        spool.append(group("R", 1101, 9))
        assert spool.error == ""
        assert len(list(spool.folder.glob("*.seg"))) < held
        spool.close()
        kept = Spool(spool.folder, 240_000)
        assert [p.number for p in positions(kept, Position("R", 900))] == [*range(901, 1111)]
        assert kept.dropped == 0
        kept.close()
    finally:
        disk.close()


def test_what_waits_in_memory_is_bounded(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 80_000)
    with no_file_beyond(1):
        for first in range(1, 2001, 10):
            spool.append(group("R", first, 9))
        assert spool.size <= 40_000
        held = [p.number for p in positions(spool)]
        assert held == [*range(2001 - len(held), 2001)]
        assert spool.dropped == 2000 - len(held)


def test_the_last_progress_stays_though_all_around_it_is_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 80_000)
    spool.append(group("R", 1, 1))
    for first in range(3, 3003, 10):
        spool.append(group("R", first, 10, with_progress=False))
    assert spool.dropped > 1000
    assert spool.last_progress() == PROGRESS
    spool.commit(Position("R", 3002))
    spool.close()
    assert Spool(tmp_path, 80_000).last_progress() == PROGRESS


def test_what_is_committed_is_not_counted_as_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 80_000)
    for first in range(1, 2001, 10):
        spool.append(group("R", first, 9))
        spool.commit(Position("R", first + 9))
    assert spool.dropped == 0
    assert positions(spool, Position("R", 2000)) == []
    assert spool.size < 30_000


def test_two_processes_cannot_share_a_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.bus.spool.LOCK_SECONDS", 0.1)
    spool = Spool(tmp_path, BIG)
    with pytest.raises(CamtrailError, match="another worker"):
        Spool(tmp_path, BIG)
    spool.close()
    Spool(tmp_path, BIG).close()


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CamtrailError, match="file/spool"):
        Spool(tmp_path / "file" / "spool", BIG)


def test_runs_are_ordered_even_if_the_clock_goes_back() -> None:
    future = "7ZZZZZZZZZZZZZZZZZZZZZZZZ0"
    assert new_run(future) > future
    first = new_run("")
    assert new_run(first) > first


def test_positions_as_text_and_keys_on_one_slot() -> None:
    assert parse_position(format_position(Position("R", 12)).encode()) == Position("R", 12)
    with pytest.raises(ValueError, match="invalid"):
        parse_position("R")
    keys = Keys("yard")
    for key in (keys.tracklets, keys.committed, keys.lease, keys.health("gate")):
        assert key.startswith("camtrail:{yard}:")


def test_what_is_wiped_is_on_the_disk_no_more_and_the_rest_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path, BIG)
    secrets = [f"person-{number:04d}".encode() for number in range(1, 41)]
    for first in range(1, 41, 4):
        messages = tuple(bytes([1, ord("u")]) + secret for secret in secrets[first - 1 : first + 3])
        spool.append(Group("R", first, messages))
    spool.append(Group("R", 41, (PROGRESS,)))
    spool.commit(Position("R", 18))
    assert spool.wipe()
    spool.append(Group("R", 42, (b"\x01uafter",)))
    (tmp_path / "0000000009.partial").write_bytes(secrets[0])  # as a crash would leave it
    spool.close()
    spool = Spool(tmp_path, BIG)
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert [secret in on_disk for secret in secrets] == [False] * 18 + [True] * 22
    groups = list(spool.groups(Position("R", 18)))
    sent = [message for group in groups for message in group.messages if message]
    assert sent[:-2] == [b"\x01u" + secret for secret in secrets[18:]]
    assert sent[-2:] == [PROGRESS, b"\x01uafter"]
    assert spool.last_progress() == PROGRESS
    assert spool.last_position() == Position("R", 42)


def test_a_full_disk_wipes_nothing_and_loses_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, BIG)
    spool.append(group("R", 1, 4))
    spool.commit(Position("R", 3))
    before = [path.read_bytes() for path in tmp_path.glob("*.seg")]
    with no_file_beyond(1):
        assert not spool.wipe()
    assert [path.read_bytes() for path in tmp_path.glob("*.seg")] == before
    assert spool.wipe()
    spool.append(group("R", 6, 1))
    assert [p.number for p in positions(spool)] == list(range(1, 8))
