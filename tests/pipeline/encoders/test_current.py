"""The record of promoted encoders, and how `site.yaml` meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import load_site
from pipeline.encoders.current import Encoders, Record, Used
from pipeline.errors import CamtrailError

FIRST, SECOND = "a" * 32, "b" * 32


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text("site: yard\nencoder: {path: e.onnx}\ncameras: {gate: {source: gate.mp4}}\n")
    return path


def record(site: Path) -> Record:
    configured = site.with_name("e.onnx")
    promoted = Used(file=Path(f"{SECOND}.onnx"), fingerprint=SECOND, since=1.0, gain=0.1)
    return Record(instead_of=configured, used=(Used(file=configured, fingerprint=FIRST), promoted))


def test_without_a_record_the_configuration_counts(site: Path) -> None:
    encoders = Encoders(site.parent / "data")
    assert encoders.read() is None
    assert encoders.stamp() == 0
    assert load_site(site).encoder.path == site.with_name("e.onnx")


def test_what_was_promoted_stands_above_the_configuration(site: Path) -> None:
    encoders = Encoders(site.parent / "data")
    encoders.write(record(site))
    assert encoders.read() == record(site)
    assert encoders.stamp() > 0
    assert load_site(site).encoder.path == site.parent / "data" / "encoders" / f"{SECOND}.onnx"


def test_another_path_in_the_configuration_is_meant(site: Path) -> None:
    Encoders(site.parent / "data").write(record(site))
    site.write_text(site.read_text().replace("e.onnx", "other.onnx"))
    assert load_site(site).encoder.path == site.with_name("other.onnx")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1, "used": []}'])
def test_a_damaged_record_is_named(site: Path, text: str) -> None:
    encoders = Encoders(site.parent / "data")
    encoders.write(record(site))
    (encoders.folder / "current.json").write_text(text)
    with pytest.raises(CamtrailError, match=r"current\.json: is damaged; restore it, or delete"):
        load_site(site)
