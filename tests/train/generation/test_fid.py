"""Fréchet distances against scipy's matrix root, torchmetrics and normal distributions' own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchmetrics.image.fid import FrechetInceptionDistance

from tests.train.generation.colours import colour_encoder, plain
from train.errors import TrainError
from train.generation import fid
from train.generation.fid import encoder_fid, encoder_fid_name, frechet_distance, inception_fid

_RNG = np.random.default_rng(3)
NOISE = _RNG.integers(0, 256, (20, 24, 12, 3)).astype(np.uint8)


def by_scipy(first: np.ndarray, second: np.ndarray) -> float:
    difference = first.mean(axis=0) - second.mean(axis=0)
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    return float(difference @ difference + np.trace(one + two - 2 * sqrtm(one @ two).real))


@pytest.mark.parametrize(("rows", "columns"), [(60, 5), (300, 40), (9, 12)])
def test_agrees_with_the_matrix_root_of_scipy(rows: int, columns: int) -> None:
    mixing = _RNG.standard_normal((columns, columns))
    first = _RNG.standard_normal((rows, columns)) @ mixing
    second = 0.3 + _RNG.standard_normal((rows + 7, columns))
    expected = by_scipy(first, second)
    # scipy's root of a singular product (fewer rows than columns) is only that exact
    tolerance = 1e-9 if rows > columns else 1e-4
    assert frechet_distance(first, second) == pytest.approx(expected, rel=tolerance)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=tolerance)


def test_of_two_normal_distributions_on_an_axis() -> None:
    first, second = np.array([[1.0], [3.0]]), np.array([[4.0], [10.0]])
    # means 2 and 7, standard deviations sqrt(2) and sqrt(18): 5^2 + (sqrt(18) - sqrt(2))^2
    assert frechet_distance(first, second) == pytest.approx(25 + 8, abs=1e-9)


def test_is_zero_between_a_set_and_itself() -> None:
    features = _RNG.standard_normal((30, 8)).astype(np.float32)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-6)


def test_agrees_with_torchmetrics() -> None:
    first, second = _RNG.standard_normal((50, 6)), 1 + 2 * _RNG.standard_normal((40, 6))
    features = torch.nn.Identity()
    features.num_features = 6
    metric = FrechetInceptionDistance(features)
    metric.update(torch.from_numpy(first), real=True)
    metric.update(torch.from_numpy(second), real=False)
    assert frechet_distance(first, second) == pytest.approx(float(metric.compute()), rel=1e-4)


def test_in_the_space_of_an_encoder() -> None:
    encoder = colour_encoder()
    real, generated = list(NOISE), [plain(200, level, 10) for level in range(20)]
    expected = by_scipy(encoder.embed(real), encoder.embed(generated))
    assert encoder_fid(encoder, real, generated) == pytest.approx(expected, rel=1e-4)
    assert encoder_fid_name(encoder) == "Fréchet distance in the space of encoder 01234567"


def test_one_image_has_no_distribution() -> None:
    with pytest.raises(TrainError, match="two images on either side, not 1"):
        frechet_distance(np.zeros((1, 4)), np.zeros((5, 4)))
    with pytest.raises(TrainError, match="two images on either side, not 0"):
        inception_fid(list(NOISE), [])


class _Random(FeatureExtractorInceptionV3):
    """The real network, with random weights in the place of those that it would load."""

    def load_state_dict(self, *_: object, **__: object) -> None:  # type: ignore[override]
        return


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save({}, file)
    torch.manual_seed(0)
    network = _Random("random", ["64"], str(file))
    torch.save(network.state_dict(), file)
    return file


def test_inception_weights_by_path(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its first 64 features, of which the root is quick."""
    small = partial(FrechetInceptionDistance, 64)
    monkeypatch.setattr(fid, "FrechetInceptionDistance", small)
    real, generated = [*NOISE[:4], plain(1, 2, 3), plain(4, 5, 6)], list(NOISE[4:9] // 2)
    network = small(feature_extractor_weights_path=str(weights)).inception
    one, two = (
        torch.cat([network(torch.from_numpy(i).permute(2, 0, 1)[None]) for i in images]).numpy()
        for images in (real, generated)
    )
    assert inception_fid(real, generated, weights) == pytest.approx(
        frechet_distance(one, two), rel=1e-3
    )


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('it ran')",))


def test_files_that_hold_no_weights(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    for content in ({"weights": _Evil()}, {"conv": torch.zeros(3)}):
        torch.save(content, file)
        with pytest.raises(TrainError, match="not weights of FID's Inception network"):
            inception_fid(list(NOISE), list(NOISE), file)
    with pytest.raises(TrainError, match="not weights of FID's Inception network"):
        inception_fid(list(NOISE), list(NOISE), tmp_path / "absent.pth")


def test_without_a_network_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fid, "_URL", "http://127.0.0.1:9/weights-6726825d.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(TrainError, match="or measure in the embedding space of an encoder"):
        inception_fid(list(NOISE), list(NOISE))
