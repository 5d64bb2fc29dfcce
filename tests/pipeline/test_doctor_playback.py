"""What `camtrail doctor` says of recordings and the map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.config import Site, load_site
from pipeline.doctor import playback
from pipeline.doctor.check import Check, Status
from pipeline.errors import CamtrailError

CAMERAS = "gate: {source: 'rtsp://h/1'}, hall: {source: hall.mp4}, desk: {source: '0'}"


def site_of(folder: Path, extra: str, cameras: str = CAMERAS) -> Site:
    path = folder / "site.yaml"
    path.write_text(f"site: s\ncameras: {{{cameras}}}\n{extra}")
    return load_site(path)


def recording(site: Site) -> Check:
    (check,) = list(playback.recording(site))
    return check


def test_recording_is_off(tmp_path: Path) -> None:
    assert recording(site_of(tmp_path, "")).detail == "off"


def test_what_is_recorded_and_what_not(tmp_path: Path) -> None:
    check = recording(site_of(tmp_path, "recording: {enabled: true, max_gigabytes: 0.001}\n"))
    assert check.status == Status.OK
    assert check.detail == (
        "recorded: gate; played from their files: hall; not recorded, since they are devices: desk"
    )


def test_a_disk_that_is_too_small(tmp_path: Path) -> None:
    check = recording(site_of(tmp_path, "recording: {enabled: true, max_gigabytes: 1000000}\n"))
    assert check.status == Status.WARN
    assert "up to 1000000 GB" in check.detail


@pytest.mark.parametrize(
    ("position", "status", "said"),
    [
        ("position: [10, 20]", Status.OK, "60 x 40 pixels"),
        ("position: [10, 41]", Status.WARN, "beside it: gate"),
        ("fps: 5", Status.WARN, "it is not shown"),
    ],
)
def test_a_floor_plan(tmp_path: Path, position: str, status: Status, said: str) -> None:
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "plan.png")
    site = site_of(tmp_path, "floor_plan: plan.png\n", f"gate: {{source: gate.mp4, {position}}}")
    (check,) = list(playback.floor_plan(site))
    assert check.status == status
    assert said in check.detail


def test_no_floor_plan_and_one_that_is_missing(tmp_path: Path) -> None:
    assert list(playback.floor_plan(site_of(tmp_path, ""))) == []
    with pytest.raises(CamtrailError, match=r"plan\.png: No such file"):
        list(playback.floor_plan(site_of(tmp_path, "floor_plan: plan.png\n")))
