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
