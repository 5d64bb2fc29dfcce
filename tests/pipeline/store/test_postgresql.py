"""What can go wrong between us and a server: it is away, full, killed, or forgets to answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy.exc import OperationalError

from pipeline.errors import CamtrailError
from pipeline.store import Outcome, Store
from pipeline.store.connection import TROUBLE, StoreAwayError, has_store
from pipeline.store.versions import NoStoreError
from tests.pipeline.store.test_store import ADA, START, batch, update, verdict
from tests.postgresql import Server

FIRST = batch(update(1), outcome=Outcome(START, verdicts=[verdict(1, 1)]))
SECOND = batch(update(1, 2), update(2), outcome=Outcome(START, verdicts=[verdict(2, 2)]))


def exactly_once(store: Store) -> bool:
    """Whether both batches are in the store, with one decision on each tracklet."""
    counts = store.counts()
    decisions = [len(store.decisions(r.update.key)) for r in SECOND.updates]
    return (counts.updates, counts.identities, decisions) == (3, 2, [1, 1])


def test_a_server_that_is_away_says_so_and_no_secret(postgresql: Server) -> None:
    wrong = postgresql.url().replace(":" + str(postgresql.port), ":1")
    with pytest.raises(StoreAwayError, match=r"127\.0\.0\.1:1/camtrail: connection failed") as told:
        Store.open(wrong)
    assert postgresql.password not in str(told.value)
    wrong = postgresql.url().replace("camtrail:", "camtrail:not-")
    with pytest.raises(StoreAwayError, match="password authentication failed") as told:
        Store.open(wrong)
    assert postgresql.password not in str(told.value)
    assert "not-" not in str(told.value)
    with pytest.raises(StoreAwayError, match='database "none" does not exist'):
        Store.open(postgresql.url("none"))


def test_before_anything_is_stored(postgresql: Server) -> None:
    url = postgresql.empty()
    assert not has_store(url)
    with pytest.raises(NoStoreError, match="nothing is stored yet"):
        Store.open(url, read_only=True)
    Store.open(url).close()
    assert has_store(url)
    other = postgresql.empty()
    with postgresql.connect() as connection:
        name = other.rpartition("%3D")[2]
        connection.execute(f"CREATE TABLE {name}.recipes (name text)")  # type: ignore[call-overload]
    with pytest.raises(CamtrailError, match="not of camtrail"):
        Store.open(other)


def test_a_full_disk(postgresql: Server) -> None:
    rng = np.random.default_rng(0)
    large = rng.standard_normal((600, 3000)).astype(np.float32)
    many = [update(track, embedding=large[track]) for track in range(1, 600)]
    with Store.open(postgresql.empty()) as store:
        store.commit(batch(update(1)))
        with store._engine.connect() as connection:
            number = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        postgresql.limit_files(int(str(number)), "2097152")  # those of the log have half of that
        with pytest.raises(TROUBLE, match="could not extend file"):
            store.commit(batch(*many))
        assert store.counts().updates == 1
        postgresql.limit_files(int(str(number)), "unlimited")
        store.commit(batch(*many))
        assert store.counts().updates == 599


def test_the_server_is_killed_within_a_transaction(postgresql: Server) -> None:
    with Store.open(postgresql.empty()) as store:
        store.commit(FIRST)
        broken = replace(SECOND, outcome=Killing(START, verdicts=SECOND.outcome.verdicts))
        broken.outcome.server = postgresql
        with pytest.raises(TROUBLE):
            store.commit(broken)
        with pytest.raises(TROUBLE):
            store.commit(SECOND)
        postgresql.start()
        assert store.counts().updates == 1
        store.commit(SECOND)
        assert exactly_once(store)


class Killing(Outcome):
    """Its server is gone when this is written, after the updates."""

    server: Server

    @property
    def calibration(self) -> str:  # type: ignore[override]
        self.server.kill()
        return ""

    @calibration.setter
    def calibration(self, _: str) -> None: ...


class Forgetful:
    """Stands before a server; of the next transaction's end it passes no answer on."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.passes_commits = True
        self.swallows = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                upstream = socket.create_connection(("127.0.0.1", self._server.port))
                cut = threading.Event()
                for source, target, outwards in (
                    (client, upstream, True),
                    (upstream, client, False),
                ):
                    arguments = source, target, outwards, cut
                    threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def _pump(
        self, source: socket.socket, target: socket.socket, outwards: bool, cut: threading.Event
    ) -> None:
        with contextlib.suppress(OSError), source, target:
            while data := source.recv(65536):
                if self.swallows.is_set() and outwards and b"COMMIT" in data:
                    self.swallows.clear()
                    cut.set()
                    if not self.passes_commits:
                        break
                elif cut.is_set() and not outwards:
                    break  # the server has done it
                target.sendall(data)
            for end in (source, target):  # wakes the other direction
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def forgetful(postgresql: Server) -> Iterator[Forgetful]:
    proxy = Forgetful(postgresql)
    yield proxy
    proxy.close()


@pytest.mark.parametrize("done", [True, False])
def test_the_answer_to_a_commit_is_lost(
    postgresql: Server, forgetful: Forgetful, done: bool
) -> None:
    url = postgresql.empty().replace(f":{postgresql.port}/", f":{forgetful.port}/")
    forgetful.passes_commits = done
    with Store.open(url) as store:
        store.commit(FIRST)
        forgetful.swallows.set()
        if done:
            store.commit(SECOND)
        else:
            with pytest.raises(OperationalError):
                store.commit(SECOND)
            assert store.counts().updates == 1
            store.commit(SECOND)
        assert not forgetful.swallows.is_set()
        assert exactly_once(store)


def test_nothing_of_the_forgotten_is_in_the_files_of_the_tables(postgresql: Server) -> None:
    with Store.open(postgresql.empty()) as store:
        rng = np.random.default_rng(1)
        vectors = rng.standard_normal((2, 64)).astype(np.float32)
        updates = [update(track, embedding=vectors[track - 1]) for track in (1, 2)]
        verdicts = [verdict(1, 1), verdict(2, 2)]
        store.commit(batch(*updates, outcome=Outcome(START, verdicts=verdicts)))
        store.rename(1, "Ada Lovelace", ADA)
        sought = [vectors[0].astype("<f2").tobytes(), b"Ada Lovelace"]
        stays = [vectors[1].astype("<f2").tobytes()]
        assert in_tables(postgresql, sought) == sought
        keys, overwritten = store.forget(1, ADA)
        assert (len(keys), overwritten) == (1, True)
        assert in_tables(postgresql, [*sought, *stays]) == stays


def in_tables(server: Server, sought: list[bytes]) -> list[bytes]:
    with server.connect() as connection:
        connection.execute("CHECKPOINT")
    files = [path.read_bytes() for path in (server.data / "base").rglob("*") if path.is_file()]
    return [part for part in sought if any(part in data for data in files)]


def test_commits_are_durable_where_the_server_would_not(postgresql: Server) -> None:
    with Store.open(postgresql.empty() + "%20-csynchronous_commit%3Doff") as store:
        with store._engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        store.commit(FIRST)
    url = postgresql.empty() + "%20-csynchronous_commit%3Dremote_apply"
    with Store.open(url) as store, store._engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "remote_apply"


def test_text_that_no_database_takes_is_refused(url: str) -> None:
    with Store.open(url) as store:
        store.commit(FIRST)
        for text in ("Ada\0", "\ud800"):
            with pytest.raises(CamtrailError, match="a name has"):
                store.rename(1, text, ADA)
            with pytest.raises(CamtrailError, match="a reason has"):
                store.watch(1, text, ADA)
        assert store.history(10) == []
