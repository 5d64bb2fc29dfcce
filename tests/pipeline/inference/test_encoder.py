from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline import config
from pipeline.errors import CamtrailError
from pipeline.inference.encoder import EncoderRuntime
from reid_models import load_encoder


def test_crops_go_in_as_bgr_and_are_embedded_as_rgb(encoder_file: Path) -> None:
    rng = np.random.default_rng(1)
    crops = [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in [(90, 40), (64, 32), (200, 80)]]
    runtime = EncoderRuntime(config.Encoder(path=encoder_file, batch=2), threads=1)
    found = runtime.embed(crops)
    plain = load_encoder(encoder_file)
    wanted = plain.embed([np.ascontiguousarray(crop[:, :, ::-1]) for crop in crops])
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert np.abs(found - plain.embed(crops)).max() > 1e-3  # so colours do matter
    assert (runtime.fingerprint, runtime.dimension) == (plain.fingerprint, 32)
    assert runtime.embed([]).shape == (0, 32)


def test_a_missing_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match=r"away\.safetensors"):
        EncoderRuntime(config.Encoder(path=tmp_path / "away.safetensors"), threads=1)
