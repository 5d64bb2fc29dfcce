"""The map: what the API says of it, and what a browser shows."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from pipeline.config import Site, load_site
from pipeline.viewer import pictures
from pipeline.viewer.app import create_app
from tests.pipeline import stored_site
from tests.pipeline.viewer.conftest import API

POSITIONS = {"gate": [40, 30], "lobby": [260, 150]}


def settings(folder: Path, **more: object) -> Site:
    """A filled site with positions."""
    if not (folder / "data").exists():
        stored_site.fill(stored_site.create(folder), folder)
    path = folder / "site.yaml"
    values = json.loads(path.read_text()) | more
    for camera, position in POSITIONS.items():
        values["cameras"][camera]["position"] = position
    path.write_text(json.dumps(values))
    return load_site(path)


def picture(path: Path, width: int = 300, height: int = 200) -> Path:
    ramp = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None]
    Image.fromarray(np.tile(ramp, (height, 1, 3))).save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    picture(folder / "plan.png")
    settings(folder, floor_plan="plan.png")
    return folder


def asked(site: Site, path: str = "") -> object:
    with TestClient(create_app(site), "http://localhost") as client:
        return client.get(f"{API}/plan{path}")


def test_the_plan_has_positions_and_picture(folder: Path) -> None:
    answer = asked(load_site(folder / "site.yaml")).json()
    placed = {c["camera"]: [c["x"], c["y"]] for c in answer["cameras"]}
    assert placed == POSITIONS
    assert answer["floor_plan"] == {"url": f"{API}/plan/picture", "width": 300, "height": 200}
    assert answer["problem"] == ""


def test_the_picture_is_encoded_anew(folder: Path) -> None:
    with (folder / "plan.png").open("ab") as file:
        file.write(b"<script>something hidden behind the picture</script>")
    answer = asked(load_site(folder / "site.yaml"), "/picture")
    assert answer.headers["content-type"] == "image/png"
    assert b"script" not in answer.content
    shown = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert shown.shape == (200, 300, 3)
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert shown[0, -1].tolist() == [255, 255, 255]


def test_a_large_plan_is_sent_smaller_and_keeps_its_measures(tmp_path: Path) -> None:
    picture(tmp_path / "plan.png", 4800, 100)
    site = settings(tmp_path, floor_plan="plan.png")
    assert asked(site).json()["floor_plan"]["width"] == 4800
    assert Image.open(io.BytesIO(asked(site, "/picture").content)).size == (2400, 50)


def test_a_plan_that_is_replaced_is_read_again(tmp_path: Path) -> None:
    plan = picture(tmp_path / "plan.png")
    site = settings(tmp_path, floor_plan="plan.png")
    assert asked(site).json()["floor_plan"]["width"] == 300
    picture(plan, 150)
    os.utime(plan, (1, 1))
    assert asked(site).json()["floor_plan"]["width"] == 150


def test_without_a_plan_there_is_no_picture(tmp_path: Path) -> None:
    site = settings(tmp_path)
    assert asked(site).json()["floor_plan"] is None
    answer = asked(site, "/picture")
    assert answer.status_code == 404
    assert "no floor_plan" in answer.json()["detail"]


def test_a_plan_that_cannot_be_used_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    picture(tmp_path / "huge.png", 7000, 6000)
    (tmp_path / "heavy.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(pictures.MAX_BYTES))
    for name, said in (
        ("text.png", "text.png: this is no picture"),
        ("drawing.svg", "drawing.svg: this is no picture"),
        ("huge.png", "7000 x 6000 pixels"),
        ("heavy.png", "16 MiB; at most 16"),
        ("missing.png", "missing.png: No such file"),
    ):
        answer = asked(settings(tmp_path, floor_plan=name)).json()
        assert answer["floor_plan"] is None
        assert said in answer["problem"]
        assert len(answer["cameras"]) == 2  # the map itself goes on


def test_positions_must_be_two_numbers(tmp_path: Path) -> None:
    from pipeline.errors import CamtrailError

    for wrong in ("[1]", "[1, 2, 3]", "here", "[.nan, 1]"):
        (tmp_path / "site.yaml").write_text(
            f"site: s\ncameras: {{gate: {{source: g.mp4, position: {wrong}}}}}\n"
        )
        with pytest.raises(CamtrailError, match=r"cameras\.gate\.position"):
            load_site(tmp_path / "site.yaml")
