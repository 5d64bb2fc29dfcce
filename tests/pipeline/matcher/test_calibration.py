"""Thresholds that are learned must follow the encoder, not the other way round."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from pipeline.matcher.calibration import CROWD, ENOUGH, FEW, MANY, Calibration, centred
from pipeline.matcher.scoring import Thresholds
from pipeline.records import FloatArray

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

    def two_people(self) -> float:
        return float(self.crop(self.person()) @ self.crop(self.person()))


def learned(others: float) -> Calibration:
    encoder = Encoder(others, seed=3)
    calibration = Calibration(patience=4.0)
    for _ in range(300):
        calibration.learn(encoder.two_people())
    return calibration


@pytest.mark.parametrize("others", [0.1, 0.5, 0.8])
def test_the_thresholds_come_between_the_two_kinds(others: float) -> None:
    encoder, thresholds = Encoder(others, seed=4), learned(others).thresholds
    assert thresholds.new < thresholds.accept
    alike = []
    for _ in range(300):
        one, two = encoder.person(), encoder.person()
        assert encoder.crop(one) @ encoder.crop(one) > thresholds.accept
        alike.append(encoder.crop(one) @ encoder.crop(two))
    assert np.mean(np.array(alike) > thresholds.new) == pytest.approx(0.10, abs=0.06)
    assert np.mean(np.array(alike) > thresholds.accept) == pytest.approx(0.02, abs=0.03)


def test_without_any_pair_it_expects_what_is_usual() -> None:
    thresholds = Calibration(4.0).thresholds
    assert 0.6 < thresholds.new < thresholds.accept < 0.85


RECOMMENDED = Thresholds(accept=0.6, new=0.4, patience=4.0)


@pytest.mark.parametrize("others", [0.1, 0.6, 0.7])
def test_what_is_recommended_is_raised_where_people_look_more_alike(others: float) -> None:
    """And never lowered."""
    found = Calibration(4.0, learned(others).state, RECOMMENDED).thresholds
    free = learned(others).thresholds
    assert found.new == pytest.approx(max(0.4, free.new), abs=0.05)
    assert found.accept == max(0.6, free.accept)
    assert (found.accept == 0.6) is (others == 0.1)


def test_what_is_recommended_is_not_left_far_behind() -> None:
    narrow = Thresholds(accept=0.45, new=0.40, patience=4.0)
    found = Calibration(4.0, learned(0.8).state, narrow).thresholds
    assert (found.accept, found.new) == (pytest.approx(0.55), pytest.approx(0.50))


def test_what_is_recommended_rises_with_the_people_to_be_confused() -> None:
    calibration = Calibration(4.0, recommended=RECOMMENDED)
    found = [calibration.among(people) for people in (0, FEW, 40, MANY, 10_000)]
    assert found[0] == found[1] == RECOMMENDED
    assert found[2].accept == pytest.approx(0.6 + 0.2 * CROWD * math.log(40 / FEW))
    assert found[2].new == pytest.approx(0.4 + 0.2 * CROWD * math.log(40 / FEW))
    assert found[1].accept < found[2].accept < found[3].accept == found[4].accept < 0.72


@pytest.mark.parametrize("mean", [0.0, 0.3, 0.6])
def test_what_is_recommended_follows_when_the_common_mean_is_taken_off(mean: float) -> None:
    """For others' similarities that are normal, 1 in 10,000 above accept and 1 in 100 above new."""
    deviation = 0.08
    accept, new = (NormalDist(mean, deviation).inv_cdf(1 - share) for share in (1e-4, 1e-2))
    found = centred(Thresholds(accept, new, 4.0))
    free = NormalDist(0.0, deviation / (1 - mean))
    assert found.accept == pytest.approx(free.inv_cdf(1 - 1e-4), abs=1e-6)
    assert found.new == pytest.approx(free.inv_cdf(1 - 1e-2), abs=1e-6)


def test_thresholds_that_leave_others_below_zero_stay() -> None:
    assert centred(Thresholds(0.65, 0.2, 4.0)) == Thresholds(0.65, 0.2, 4.0)


def test_it_begins_anew_with_what_is_recommended_then() -> None:
    calibration = Calibration(4.0, learned(0.7).state, RECOMMENDED)
    assert calibration.thresholds.accept > RECOMMENDED.accept
    other = Thresholds(0.3, 0.2, 4.0)
    calibration.begin_anew(other)
    assert calibration.thresholds == other


def test_learned_thresholds_know_the_people_already() -> None:
    calibration = learned(0.5)
    assert calibration.among(150) == calibration.thresholds


def test_few_pairs_raise_nothing() -> None:
    encoder, calibration = Encoder(0.9, seed=3), Calibration(4.0, recommended=RECOMMENDED)
    for _ in range(ENOUGH - 1):
        calibration.learn(float(encoder.person() @ encoder.person()))
    assert calibration.thresholds == RECOMMENDED
    calibration.learn(float(encoder.person() @ encoder.person()))
    assert calibration.thresholds.accept > RECOMMENDED.accept


def test_it_goes_on_from_its_state() -> None:
    calibration = learned(0.5)
    again = Calibration(4.0, calibration.state)
    assert again.thresholds == calibration.thresholds
    assert again.thresholds != Calibration(4.0).thresholds


def test_the_old_fades() -> None:
    """After another encoder's worth of pairs, the thresholds are those of the new pairs."""
    calibration, encoder = learned(0.8), Encoder(0.1, seed=9)
    for _ in range(12_000):
        calibration.learn(float(encoder.person() @ encoder.person()))
    assert calibration.thresholds.accept == pytest.approx(learned(0.1).thresholds.accept, abs=0.1)


def test_a_few_who_look_alike_do_not_change_what_two_people_are_like() -> None:
    """A third of the pairs are of people in one uniform."""
    rng, calibration = np.random.default_rng(1), Calibration(4.0)
    for n in range(3000):
        calibration.learn(float(rng.normal(0.6 if n % 3 == 0 else 0.1, 0.08)))
    found = calibration.others
    assert found.mean == pytest.approx(0.1, abs=0.08)
    assert found.stdev == pytest.approx(0.08, abs=0.04)


def test_of_recommended_thresholds_the_others_are_those_of_the_file() -> None:
    found = Calibration(4.0, learned(0.8).state, RECOMMENDED).others
    assert 1 - found.cdf(RECOMMENDED.accept) == pytest.approx(1e-4, rel=1e-3)
    assert 1 - found.cdf(RECOMMENDED.new) == pytest.approx(1e-2, rel=1e-3)
