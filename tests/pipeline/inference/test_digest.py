from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipeline import config
from pipeline.config import load_site
from pipeline.errors import CamtrailError
from pipeline.inference.detector import Detector
from pipeline.inference.digest import verify
from pipeline.inference.encoder import EncoderRuntime

# "abc", the first example of FIPS 180-2, appendix B
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_right_file_passes_and_another_is_named_with_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "abc.pt"
    path.write_bytes(b"abc")
    for wanted in (ABC, ABC.upper(), None):
        verify(path, wanted, "detector")
    path.write_bytes(b"abcd")
    with pytest.raises(CamtrailError, match=r"abc\.pt: not the file that detector\.sha256 means"):
        verify(path, ABC, "detector")
    with pytest.raises(CamtrailError, match=r"away\.pt: cannot be read: No such file"):
        verify(tmp_path / "away.pt", ABC, "detector")


def test_of_openvino_the_weights_count_too(tmp_path: Path) -> None:
    path = tmp_path / "e.xml"
    path.write_bytes(b"c")
    path.with_suffix(".bin").write_bytes(b"ab")
    path.with_suffix(".yaml").write_bytes(b"not part of it")
    verify(path, ABC, "encoder")
    path.with_suffix(".bin").write_bytes(b"ad")
    with pytest.raises(CamtrailError, match=r"not the file that encoder\.sha256 means"):
        verify(path, ABC, "encoder")
    path.with_suffix(".bin").unlink()
    with pytest.raises(CamtrailError, match=r"e\.bin: cannot be read: No such file"):
        verify(path, ABC, "encoder")


def test_networks_of_another_file_are_not_loaded(weights: Path, encoder_file: Path) -> None:
    own = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert Detector(config.Detector(weights=str(weights), device="cpu", sha256=own))
    with pytest.raises(CamtrailError, match=r"not the file that detector\.sha256 means"):
        Detector(config.Detector(weights=str(weights), device="cpu", sha256=ABC))
    own = hashlib.sha256(encoder_file.read_bytes()).hexdigest()
    assert EncoderRuntime(config.Encoder(path=encoder_file, device="cpu", sha256=own), 1)
    with pytest.raises(CamtrailError, match=r"not the file that encoder\.sha256 means"):
        EncoderRuntime(config.Encoder(path=encoder_file, device="cpu", sha256=ABC), 1)


def test_what_is_no_digest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    for text in ("abc", ABC[:-1] + "g"):
        path.write_text(
            f"site: yard\ndetector: {{sha256: {text}}}\ncameras: {{gate: {{source: gate.mp4}}}}\n"
        )
        with pytest.raises(CamtrailError, match=r"detector\.sha256: expected 64 hexadecimal"):
            load_site(path)
