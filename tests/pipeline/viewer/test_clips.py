"""What the API gives to play of a visit."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from fastapi.testclient import TestClient

from pipeline.config import Site, load_site
from pipeline.store import Said, Store
from pipeline.viewer.app import create_app
from tests.pipeline import stored_site
from tests.pipeline.viewer.conftest import API

START = 1_767_600_000.0  # 2026-01-05T08:00:00Z


def site_of(folder: Path, recording: bool = True) -> Site:
    """A site whose store holds the truth. Identity 3 has one visit: pictures 31 to 80 of gate."""
    site = stored_site.create(folder)
    stored_site.fill(site, folder)
    settings = json.loads((folder / "site.yaml").read_text())
    settings["recording"] = {"enabled": recording, "before": 1, "after": 2}
    (folder / "site.yaml").write_text(json.dumps(settings))
    return load_site(folder / "site.yaml")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    site = site_of(tmp_path_factory.mktemp("site"))
    with TestClient(create_app(site), "http://localhost") as client:
        yield client


def visit(client: TestClient, identity: int = 3) -> int:
    return int(client.get(f"{API}/identities/{identity}/visits").json()["visits"][0]["tracklet"])


def footage(client: TestClient) -> dict:
    answer = client.get(f"{API}/visits/{visit(client)}/footage")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_footage_is_around_the_visit(client: TestClient) -> None:
    found = footage(client)
    assert found["camera"] == "gate"
    assert (found["start"], found["end"]) == pytest.approx((START + 2, START + 9.9))
    (piece,) = found["pieces"]
    assert START <= piece["start"] <= START + 2  # at a key frame
    assert piece["end"] == pytest.approx(START + 9.9)


def test_a_clip_is_a_video_that_is_kept_nowhere(client: TestClient) -> None:
    answer = client.get(footage(client)["pieces"][0]["clip"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "no-store"
    with av.open(io.BytesIO(answer.content)) as container:
        first, *_, last = (float(frame.time) for frame in container.decode(video=0))
    begin = footage(client)["pieces"][0]["start"]
    assert first == 0
    assert begin + last == pytest.approx(START + 9.8, abs=0.21)  # later ones serve those before


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=100-", 100, None), ("bytes=-50", -50, None)],
)
def test_a_part_of_a_clip(client: TestClient, asked: str, first: int, last: int | None) -> None:
    url = footage(client)["pieces"][0]["clip"]
    whole = client.get(url).content
    part = client.get(url, headers={"Range": asked})
    assert part.status_code == 206
    assert part.content == whole[first : None if last is None else last + 1]
    begin = first % len(whole)
    end = begin + len(part.content) - 1
    assert part.headers["content-range"] == f"bytes {begin}-{end}/{len(whole)}"


@pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=5-2", "bytes=-", "bytes=a-b"])
def test_bytes_that_there_are_not(client: TestClient, asked: str) -> None:
    url = footage(client)["pieces"][0]["clip"]
    answer = client.get(url, headers={"Range": asked})
    assert answer.status_code == 416
    assert "the clip has" in answer.json()["detail"]


def test_the_path_has_the_boxes_of_the_interval(client: TestClient) -> None:
    at = f"{API}/visits/{visit(client)}/path"
    points = client.get(at, params={"start": START + 4, "end": START + 5}).json()["points"]
    assert [round(point[0] - START, 1) for point in points] == [4 + n / 10 for n in range(11)]
    # person 3 in picture 41: see `stored_site`
    assert points[0][1:] == pytest.approx([20 + 120, 10 + 4.1, 20 + 120 + 30, 10 + 4.1 + 70])
    assert client.get(at, params={"start": 0, "end": 1e9}).status_code == 422


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("999999/footage", 404, "there is no visit 999999"),
        ("999999/path?start=1&end=2", 404, "there is no visit 999999"),
        ("0/footage", 422, ""),
        ("../../etc/passwd", 404, ""),
        ("VISIT/clip?start=1&end=2", 404, "not recorded any more"),
        ("VISIT/clip?start=nan&end=2", 422, ""),
        (f"VISIT/clip?start={START}&end={START + 99}", 404, "not recorded any more"),
    ],
)
def test_what_there_is_not(client: TestClient, path: str, status: int, said: str) -> None:
    answer = client.get(f"{API}/visits/{path.replace('VISIT', str(visit(client)))}")
    assert answer.status_code == status
    assert said in str(answer.json()["detail"])


def test_it_is_written_down_who_played_whom(client: TestClient) -> None:
    footage(client)
    lines = client.get(f"{API}/audit").json()["lines"]
    assert [3] in [line["identities"] for line in lines if line["action"] == "played recordings"]


def test_without_recording_nothing_is_played(tmp_path: Path) -> None:
    with TestClient(create_app(site_of(tmp_path, False)), "http://localhost") as client:
        answer = client.get(f"{API}/visits/{visit(client)}/footage")
        assert answer.status_code == 404
        assert "recording is off" in answer.json()["detail"]


def test_nothing_is_played_of_who_was_forgotten(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    with TestClient(create_app(site), "http://localhost") as client:
        number, url = visit(client), footage(client)["pieces"][0]["clip"]
        with Store.open(site.store_url, crops=site.crops_dir) as store:
            store.forget(3, Said("ada", 0, 0))
        for address in (url, f"{API}/visits/{number}/footage"):
            answer = client.get(address)
            assert answer.status_code == 404
            assert f"there is no visit {number}" in answer.json()["detail"]
