"""Engines of TensorRT, as far as that goes where none can run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from reid_models import EncoderError, load_encoder
from tests.reid_models.test_onnx import SAID


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    path = tmp_path / "e.engine"
    path.write_bytes(b"an engine")
    with pytest.raises(EncoderError, match=r"needs its description in e\.yaml"):
        load_encoder(path)
    path.with_suffix(".yaml").write_text(yaml.safe_dump(SAID))
    with pytest.raises(EncoderError, match="needs an NVIDIA GPU; there is none here"):
        load_encoder(path)


def test_without_the_package_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "e.engine"
    path.write_bytes(b"an engine")
    path.with_suffix(".yaml").write_text(yaml.safe_dump(SAID))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EncoderError, match="needs the Python package tensorrt"):
        load_encoder(path)
