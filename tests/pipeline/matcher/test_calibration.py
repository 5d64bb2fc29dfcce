"""Thresholds that are learned must follow the encoder, not the other way round."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.matcher.calibration import Calibration
from pipeline.matcher.presence import Visit
from pipeline.matcher.tracklets import Tracklet
from pipeline.records import FloatArray, TrackletKey

DIMENSION = 256


def unit(vector: FloatArray) -> FloatArray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class Encoder:
    """Gives embeddings of which those of two people have a chosen similarity."""

    def __init__(self, others: float, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.common = unit(self.rng.normal(size=DIMENSION))
        self.others = others

    def person(self) -> FloatArray:
        own = unit(self.rng.normal(size=DIMENSION))
        return unit(np.sqrt(self.others) * self.common + np.sqrt(1 - self.others) * own)

    def crop(self, person: FloatArray) -> FloatArray:
        return unit(person + 0.2 * unit(self.rng.normal(size=DIMENSION)))


def tracklet(first: FloatArray, rest: FloatArray, weight: float = 3.0) -> Tracklet:
    whole = Tracklet(Visit(TrackletKey("a", "r", 1), 0.0, 9.0))
    whole.embedding = unit(weight * first + 2 * weight * rest)
    whole.quality = 3 * weight
    whole.beginning = first, weight
    return whole


def learned(others: float) -> Calibration:
    encoder = Encoder(others, seed=3)
    calibration = Calibration(patience=4.0)
    for _ in range(100):
        person = encoder.person()
        seen = tracklet(encoder.crop(person), encoder.crop(person))
        calibration.learn(seen, [encoder.crop(encoder.person())])
    return calibration


@pytest.mark.parametrize("others", [0.1, 0.5, 0.8])
def test_the_line_comes_between_the_two_kinds(others: float) -> None:
    encoder, thresholds = Encoder(others, seed=4), learned(others).thresholds
    assert thresholds.new < thresholds.accept
    for _ in range(50):
        one, two = encoder.person(), encoder.person()
        assert encoder.crop(one) @ encoder.crop(one) > thresholds.middle
        assert encoder.crop(one) @ encoder.crop(two) < thresholds.middle


def test_it_goes_on_from_its_state() -> None:
    calibration = learned(0.5)
    again = Calibration(4.0, calibration.state)
    assert again.thresholds == calibration.thresholds
    assert again.thresholds != Calibration(4.0).thresholds


def test_too_little_of_a_tracklet_says_nothing() -> None:
    encoder = Encoder(0.5, seed=5)
    short = tracklet(encoder.person(), encoder.person())
    short.quality = short.beginning[1] if short.beginning else 0.0
    calibration = Calibration(4.0)
    before = calibration.state
    calibration.learn(short, [])
    assert calibration.state == before
