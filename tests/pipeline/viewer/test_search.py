"""Search by picture, with the real detector and encoder on simulated videos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from pipeline.camera.track import iou
from pipeline.config import Site
from pipeline.evaluate import read_truth
from pipeline.records import Image
from pipeline.viewer.app import create_app
from pipeline.viewer.pictures import MAX_BYTES
from tests.pipeline.viewer import filmed

URL = "/api/v1/search/picture"


@dataclass(frozen=True)
class Filmed:
    site: Site
    folder: Path
    client: TestClient
    known: set[int]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filmed]:
    folder = tmp_path_factory.mktemp("film")
    site = filmed.create(folder)
    with TestClient(create_app(site), "http://localhost") as client:
        people = client.get("/api/v1/identities").json()["identities"]
        yield Filmed(site, folder, client, {p["identity"] for p in people})


def ask(film: Filmed, image: Image, **values: Any) -> Any:
    body = cv2.imencode(".png", image)[1].tobytes()
    answer = film.client.post(URL, params=values, content=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def later_frames(film: Filmed) -> Iterator[tuple[Image, dict[int, np.ndarray]]]:
    """Frames of the second half, with the truth's boxes of the people known from the first."""
    for camera, truth in read_truth(film.folder, film.site.cameras).items():
        for number, image in filmed.frames(film.site, camera):
            if number < 75 or number % 8:
                continue
            here = truth.people.frames == number
            boxes = dict(
                zip(truth.people.ids[here].tolist(), truth.people.boxes[here], strict=True)
            )
            tall = {p: b for p, b in boxes.items() if b[3] - b[1] >= filmed.LEAST_HEIGHT}
            yield image, {p: b for p, b in tall.items() if p in film.known}


def test_finds_people_in_frames_that_it_has_not_seen(film: Filmed) -> None:
    first, asked = 0, 0
    several = False
    for image, people in later_frames(film):
        answer = ask(film, image)
        boxes = [person["box"] for person in answer["persons"]]
        several |= len(boxes) > 1
        assert (answer["chosen"] is None) == (len(boxes) != 1)
        for index, box in enumerate(boxes):
            alike = [p for p, truth in people.items() if iou(box, truth) > 0.7]
            if len(alike) == 1:
                found = ask(film, image, person=index)
                assert found["chosen"] == index
                asked += 1
                first += found["matches"][0]["identity"]["identity"] == alike[0]
                similar = [match["similarity"] for match in found["matches"]]
                assert similar == sorted(similar, reverse=True)
                line = found["threshold"]
                assert [m["alike"] for m in found["matches"]] == [s >= line for s in similar]
    assert several
    assert asked >= 8
    assert first / asked >= 0.9


def test_asks_who_is_meant_where_there_are_several(film: Filmed) -> None:
    image = next(i for i, p in later_frames(film) if len(ask(film, i)["persons"]) > 1)
    answer = ask(film, image)
    assert answer["chosen"] is None
    assert answer["matches"] == []
    assert "Who is meant?" in answer["message"]
    lefts = [person["box"][0] for person in answer["persons"]]
    assert lefts == sorted(lefts)


def test_a_cut_out_person_may_be_taken_whole(film: Filmed) -> None:
    person = film.client.get("/api/v1/identities?limit=1").json()["identities"][0]
    crop = film.client.get(person["crop"]).content
    answer = film.client.post(URL, params={"whole": True}, content=crop).json()
    assert answer["persons"][0]["box"] == [0, 0, answer["width"], answer["height"]]
    assert answer["matches"][0]["identity"] == person
    assert answer["matches"][0]["alike"] is True


def test_says_that_nobody_is_on_it(film: Filmed) -> None:
    answer = ask(film, np.full((200, 300, 3), 120, np.uint8))
    assert answer["persons"] == []
    assert answer["matches"] == []
    assert "no person" in answer["message"]


def test_says_that_nobody_is_alike(film: Filmed) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 80, 3), np.uint8)
    answer = ask(film, noise, whole=True)
    assert not any(match["alike"] for match in answer["matches"])
    assert "Nobody is alike enough" in answer["message"]


def test_refuses_a_person_who_is_not_there(film: Filmed) -> None:
    body = cv2.imencode(".png", np.full((50, 50, 3), 90, np.uint8))[1].tobytes()
    answer = film.client.post(URL, params={"person": 3}, content=body)
    assert answer.status_code == 404
    assert "there are 0 persons" in answer.json()["detail"]


def test_refuses_what_is_no_picture(film: Filmed) -> None:
    answer = film.client.post(URL, content=b"hello")
    assert answer.status_code == 415
    assert "no picture" in answer.json()["detail"]


def test_refuses_too_many_bytes_as_they_come(film: Filmed) -> None:
    sent = 0

    def parts() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 2**20
            yield bytes(2**20)

    answer = film.client.post(URL, content=parts())
    assert answer.status_code == 413
    assert f"at most {MAX_BYTES // 2**20} MiB" in answer.json()["detail"]


def test_embeddings_of_another_encoder_are_not_compared(tmp_path: Path, film: Filmed) -> None:
    from tests.pipeline import stored_site

    site = stored_site.create(tmp_path)
    stored_site.fill(site, tmp_path)  # by another encoder, which has the fingerprint fff...
    crop = film.client.get("/api/v1/identities?limit=1").json()["identities"][0]["crop"]
    with TestClient(create_app(site), "http://localhost") as client:
        body = film.client.get(crop).content
        answer = client.post(URL, params={"whole": True}, content=body)
    assert answer.status_code == 503
    assert "not the encoder" in answer.json()["detail"]
