"""What the doctor says of privacy and of the key of the crops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Site
from pipeline.doctor.check import Status, guarded
from pipeline.doctor.playback import recording
from pipeline.doctor.privacy import encryption, privacy
from pipeline.keyring import Keyring
from pipeline.rekey import new_key

STREAM = "rtsp://127.0.0.1:9/none"


def site_of(folder: Path, **sections: Any) -> Site:
    cameras = {"gate": {"source": STREAM}}
    return Site.model_validate(
        {"site": "yard", "data_dir": folder / "data", "cameras": cameras, **sections}
    )


@pytest.mark.parametrize(
    ("sections", "status", "said"),
    [
        ({}, Status.OK, "nobody is hidden"),
        ({"privacy": {"blur": "faces"}}, Status.OK, "live, crops, clips; nobody sees them"),
        (
            {"privacy": {"blur": "faces", "clear_for": "operator"}},
            Status.OK,
            "from operator on one sees them",
        ),
        ({"privacy": {"blur": "persons"}}, Status.WARN, "no encoder is trained"),
        ({"privacy": {"blur": "persons", "in": ["live"]}}, Status.OK, "hidden in live"),
        (
            {"privacy": {"blur": "faces"}, "recording": {"enabled": True}},
            Status.WARN,
            "recordings hold what the cameras send",
        ),
        (
            {"privacy": {"blur": "faces"}, "recording": {"enabled": True, "clear": False}},
            Status.OK,
            "nobody sees them",
        ),
    ],
)
def test_what_is_hidden_and_what_is_not(
    tmp_path: Path, sections: dict[str, Any], status: Status, said: str
) -> None:
    (check,) = privacy(site_of(tmp_path, **sections))
    assert (check.status, said in check.detail) == (status, True), check


def test_without_clear_recordings_no_stream_is_recorded(tmp_path: Path) -> None:
    hidden = {"privacy": {"blur": "faces"}}
    off = site_of(tmp_path, recording={"enabled": True, "clear": False}, **hidden)
    assert off.recorded == []
    (check,) = recording(off)
    assert "people would be seen clearly" in check.detail
    assert site_of(tmp_path, recording={"enabled": True, "clear": False}).recorded == ["gate"]
    assert site_of(tmp_path, recording={"enabled": True}, **hidden).recorded == ["gate"]


def test_the_key_of_the_crops(tmp_path: Path) -> None:
    (check,) = encryption(site_of(tmp_path))
    assert (check.status, check.detail) == (Status.OK, "crops are not encrypted")
    file = tmp_path / "crops.key"
    site = site_of(tmp_path, encryption={"key_file": file})
    (check,) = guarded("encryption", lambda: encryption(site))
    assert (check.status, "cannot be read" in check.detail) == (Status.FAIL, True)
    new_key(file)
    keyring = Keyring.of(site.encryption)
    (check,) = encryption(site)
    assert (check.status, keyring.names[0] in check.detail) == (Status.OK, True)
    for number, picture in enumerate((b"\xff\xd8", keyring.seal(b"\xff\xd8", "n"))):
        path = site.crops_dir / "2026-01-05" / "gate" / f"R-1-{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    (check,) = encryption(site)
    assert (check.status, "of 2 crops that were looked at, 1 are not" in check.detail) == (
        Status.WARN,
        True,
    )
    assert "rekey" in check.advice
    file.chmod(0o644)
    (check,) = encryption(site)
    assert (check.status, "others can read" in check.detail) == (Status.WARN, True)
