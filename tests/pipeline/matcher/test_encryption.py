"""With a key no picture is readable in any file: spools, Redis' file, crops; and all works."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from pipeline.bus import EmbeddedServer
from pipeline.config import Encryption, Site
from pipeline.errors import CamtrailError
from pipeline.keyring import Keyring, is_sealed, name_of
from pipeline.matcher.service import run_matcher
from pipeline.viewer.app import create_app
from tests.pipeline.matcher.test_forgetting import Worker, found, needles, stored
from tests.pipeline.matcher.test_service import running, until

KEY = bytes(range(32))


def keyed(site: Site, *keys: bytes) -> Site:
    text = "\n".join(key.hex() for key in keys)
    return site.model_copy(update={"encryption": Encryption(key=SecretStr(text))})  # type: ignore[call-arg]


def pictures(worker: Worker) -> dict[str, bytes]:
    return {name_of(u): u.thumbnail for u in worker.updates if u.thumbnail is not None}


def test_no_picture_is_readable_on_the_disk(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str]
) -> None:
    site = keyed(site, KEY)
    with ExitStack() as stack:
        workers = [Worker(site, index, encoder[1], stack) for index in range(3)]
        with running(run_matcher, site):
            for worker in workers:
                worker.put()
            until(lambda: len(stored(site)) > 3)
    sought = {part for w in workers for u in w.updates for part in needles(u)}
    embeddings = {
        u.embedding.astype("<f2").tobytes()
        for w in workers
        for u in w.updates
        if u.embedding is not None
    }
    # Embeddings are in the store as they are: what is sought would be found.
    assert found(site, {data[:12] for data in embeddings}) >= {"camtrail.sqlite"}
    jpegs = {part for part in sought if not any(part in data for data in embeddings)}
    assert len(jpegs) > 100
    assert found(site, jpegs) == set()
    files = sorted(site.crops_dir.rglob("*.jpg"))
    assert files
    assert all(is_sealed(path.read_bytes()) for path in files)
    sent = {name: picture for worker in workers for name, picture in pictures(worker).items()}
    keyring = Keyring.of(site.encryption)
    assert all(keyring.read(path) == sent[name_of(path)] for path in files)


def test_crops_of_before_and_of_a_worker_without_the_key_are_encrypted_when_they_are_stored(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str]
) -> None:
    with ExitStack() as stack:
        worker = Worker(site, 0, encoder[1], stack)
        with running(run_matcher, keyed(site, KEY)):
            worker.put()
            until(lambda: len(stored(site)) > 0)
    assert all(is_sealed(path.read_bytes()) for path in site.crops_dir.rglob("*.jpg"))
    with TestClient(create_app(keyed(site, KEY)), "http://localhost") as client:
        shown = {client.get(url) for url in crops_of(client)}
        assert {answer.status_code for answer in shown} == {200}
        assert {answer.content for answer in shown} <= set(pictures(worker).values())
    for other, said in ((site, "names no key"), (keyed(site, bytes(32)), "add it to them")):
        with TestClient(create_app(other), "http://localhost") as client:
            answers = [client.get(url) for url in crops_of(client)]
            assert {answer.status_code for answer in answers} == {503}
            assert all(said in answer.json()["detail"] for answer in answers)


def crops_of(client: TestClient) -> list[str]:
    people = client.get("/api/v1/identities").json()["identities"]
    return [person["crop"] for person in people if person["crop"]]


def test_without_its_key_file_nothing_begins(site: Site, tmp_path: Path) -> None:
    encryption = Encryption(key_file=tmp_path / "none.key")  # type: ignore[call-arg]
    missing = site.model_copy(update={"encryption": encryption})
    with ExitStack() as stack, pytest.raises(CamtrailError, match="the key of the crops cannot be"):
        Worker(missing, 0, "f" * 32, stack)
    with pytest.raises(CamtrailError, match="the key of the crops cannot be"):
        create_app(missing)
