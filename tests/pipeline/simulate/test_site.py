from __future__ import annotations

import hashlib
import itertools
import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import yaml

from pipeline.config import load_site
from pipeline.errors import CamtrailError
from pipeline.simulate import SiteOptions, simulate_site
from pipeline.simulate.stage import VISIBLE
from tests.pipeline.simulate.conftest import OPTIONS
from tests.pipeline.simulate.truth import Row, read_frames, read_truth

NAMES = ["gate", "lobby", "hall", "stairs"]
TINY = SiteOptions(seed=4, cameras=2, people=4, seconds=4, fps=5, width=320, height=180)


def truths(site: Path) -> dict[str, list[Row]]:
    return {name: read_truth(site.parent / f"{name}.gt.txt") for name in NAMES}


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_writes_a_video_and_a_truth_for_each_camera(site: Path) -> None:
    expected = {f"{n}.{end}" for n in NAMES for end in ("mp4", "gt.txt")}
    assert {p.name for p in site.parent.iterdir()} == expected | {"site.yaml", "site.json"}


@pytest.mark.parametrize("name", NAMES)
def test_videos_are_h264_at_a_surveillance_bitrate(site: Path, name: str) -> None:
    with av.open(str(site.parent / f"{name}.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.width, stream.height) == (640, 360)
        times = [float(frame.pts * stream.time_base) for frame in container.decode(stream)]
        packets = container.size
    np.testing.assert_allclose(times, np.arange(150) / 5, atol=1e-6)
    assert packets * 8 / OPTIONS.seconds < 750_000


def test_boxes_lie_in_the_frame_and_count_from_one(site: Path) -> None:
    for rows in truths(site).values():
        assert rows
        assert min(r.frame for r in rows) >= 1
        assert max(r.frame for r in rows) <= OPTIONS.frames
        for r in rows:
            assert r.x >= 0
            assert r.y >= 0
            assert r.x + r.w <= 640
            assert r.y + r.h <= 360
            assert 0 < r.visibility <= 1
        assert len({(r.frame, r.person) for r in rows}) == len(rows)


def change_outside_boxes(frames: np.ndarray, rows: list[Row], shift: int) -> tuple[float, float]:
    """Of all that differs from the empty scene, the share outside the boxes moved right by
    `shift` pixels; and the median share of a box that differs. `frames` are grey, every third."""
    empty = np.median(frames, axis=0)
    outside = total = 0
    filled = []
    for number, frame in enumerate(frames):
        moved = np.abs(frame - empty) > 30
        free = np.ones_like(moved)
        for r in (r for r in rows if r.frame == number * 3 + 1):
            x, y, w, h = int(r.x) + shift, int(r.y), int(r.w + 1), int(r.h + 1)
            # A margin for the shadow at the feet and the lens.
            free[max(0, y - 4) : y + h + 14, max(0, x - 14) : x + w + 14] = False
            if r.visibility > 0.9 and x + w <= frame.shape[1]:
                filled.append(moved[y : y + h, x : x + w].mean())
        total += np.count_nonzero(moved)
        outside += np.count_nonzero(moved & free)
    return outside / total, float(np.median(filled))


@pytest.mark.parametrize("name", NAMES)
def test_what_moves_in_the_picture_is_where_the_truth_says(site: Path, name: str) -> None:
    rows = read_truth(site.parent / f"{name}.gt.txt")
    read = read_frames(site.parent / f"{name}.mp4")
    assert len(read) == OPTIONS.frames
    frames = np.stack([cv2.cvtColor(f, cv2.COLOR_BGR2GRAY) for f in read[::3]]).astype(np.float32)
    outside, filled = change_outside_boxes(frames, rows, shift=0)
    assert outside < 0.10
    assert filled > 0.15
    outside, filled_elsewhere = change_outside_boxes(frames, rows, shift=60)
    assert outside > 0.5  # the check can fail
    assert filled_elsewhere < filled / 2


def test_identities_are_shared_and_nobody_is_in_two_places(site: Path) -> None:
    seen: dict[tuple[int, int], set[str]] = defaultdict(set)
    cameras: dict[int, set[str]] = defaultdict(set)
    for name, rows in truths(site).items():
        for r in rows:
            seen[r.frame, r.person].add(name)
            cameras[r.person].add(name)
    together = [names for names in seen.values() if len(names) > 1]
    assert together, "the facing cameras never saw the same person at once"
    assert all(names == {"gate", "lobby"} for names in together)
    assert sum(len(names - {"lobby"}) > 1 for names in cameras.values()) >= 4


def test_declared_windows_hold_for_every_walk_between_cameras(site: Path) -> None:
    topology = yaml.safe_load(site.read_text())["topology"]
    windows = {(t["from"], t["to"]): t["seconds"] for t in topology["transit"]}
    assert set(windows) == {
        (a, b) for a, b in itertools.permutations(NAMES, 2) if {a, b} != {"gate", "lobby"}
    }
    assert topology["overlap"] == [["gate", "lobby"]]
    visits = json.loads((site.parent / "site.json").read_text())["visits"]
    steps = 0
    for person in {v["person"] for v in visits}:
        own = sorted((v for v in visits if v["person"] == person), key=lambda v: v["enter"])
        for before, after in itertools.pairwise(own):
            pair = (before["camera"], after["camera"])
            if pair in windows:
                low, high = windows[pair]
                assert low <= after["enter"] - before["leave"] <= high, (person, pair)
                steps += 1
    assert steps >= 4


def test_visits_tell_what_the_truth_files_tell(site: Path) -> None:
    record = json.loads((site.parent / "site.json").read_text())
    rows = {
        name: [row for row in found if row.visibility >= VISIBLE]  # those that count
        for name, found in truths(site).items()
    }
    covered = 0
    for visit in record["visits"]:
        frames = [r.frame for r in rows[visit["camera"]] if r.person == visit["person"]]
        times = [(f - 1) / OPTIONS.fps for f in frames]
        assert visit["enter"] in times
        assert visit["leave"] in times
        covered += sum(visit["enter"] <= t <= visit["leave"] for t in times)
    assert covered == sum(len(r) for r in rows.values())
    assert record["options"]["seed"] == 31
    assert [p["number"] for p in record["people"]] == list(range(1, 9))


def test_the_configuration_loads(site: Path) -> None:
    settings = load_site(site)
    assert list(settings.cameras) == NAMES
    start = datetime.fromisoformat(yaml.safe_load(site.read_text())["cameras"]["gate"]["start"])
    assert start == datetime(2026, 1, 5, 8, tzinfo=UTC)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        simulate_site(tmp_path / folder, TINY)
    other = SiteOptions(seed=5, cameras=2, people=4, seconds=4, fps=5, width=320, height=180)
    simulate_site(tmp_path / "c", other)
    first, second, third = (digests(tmp_path / f) for f in "abc")
    assert first == second
    assert len(first) == 6
    assert all(first[name] != third[name] for name in first if name.endswith("mp4"))


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    simulate_site(tmp_path / "new" / "folder", TINY, lambda *c: calls.append(c))
    assert calls[-1] == (40, 40)
    assert [c[0] for c in calls] == sorted(c[0] for c in calls)


def test_a_former_simulation_is_replaced_with_its_data(tmp_path: Path) -> None:
    simulate_site(tmp_path, TINY)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "store.db").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    one = SiteOptions(seed=4, cameras=1, people=1, seconds=1, fps=5, width=320, height=180)
    simulate_site(tmp_path, one)
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"gate.mp4", "gate.gt.txt", "site.yaml", "site.json", "notes.txt"}


def test_an_interrupted_simulation_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_site(tmp_path, TINY, interrupt)
    assert list(tmp_path.iterdir()) == []
    assert simulate_site(tmp_path, TINY).is_file()


@pytest.mark.parametrize("record", [None, "{}", "not json", '{"simulation": {"files": 3}}'])
def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, record: str | None) -> None:
    (tmp_path / "gate.mp4").write_bytes(b"my own video")
    if record is not None:
        (tmp_path / "site.json").write_text(record)
    before = digests(tmp_path)
    with pytest.raises(CamtrailError, match="choose another folder"):
        simulate_site(tmp_path, TINY)
    assert digests(tmp_path) == before


def test_a_forged_record_deletes_nothing_outside_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.json").write_text('{"simulation": {"files": ["../outside.txt"]}}')
    simulate_site(folder, TINY)
    assert outside.read_text() == "mine"


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(CamtrailError, match="taken is not a folder"):
        simulate_site(tmp_path / "taken", TINY)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cameras": 0}, "cameras must be between 1 and 16, not 0"),
        ({"cameras": 17}, "cameras"),
        ({"people": 0}, "people must be between 1 and 200"),
        ({"people": 201}, "people"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"fps": 0.5}, "fps must be between 1 and 60"),
        ({"fps": 61}, "fps"),
        ({"seed": -1}, "seed"),
        ({"width": 321}, "width must be even"),
        ({"height": 20}, "height"),
        ({"cameras": 1, "overlap": True}, "at least 2 cameras"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, float], message: str) -> None:
    with pytest.raises(CamtrailError, match=message):
        SiteOptions(**{"seed": 1, **options})  # type: ignore[arg-type]
