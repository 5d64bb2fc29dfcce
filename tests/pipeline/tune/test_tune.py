"""`camtrail tune`: what it gains is said of sites that had no part in the choice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import load_site
from pipeline.errors import CamtrailError
from pipeline.evaluate.command import evaluate_site
from pipeline.replay.command import run_replay
from pipeline.replay.file import EncoderSaid, write_recording
from pipeline.tune import Setting, candidates, tune
from pipeline.tune.command import run
from pipeline.tune.search import Judge, Score, choose
from tests.pipeline.matcher.synthetic import scripts
from tests.pipeline.replay.sites import header, in_step, recorded, write_truth

TOO_STRICT = {"accept": 0.88, "new": 0.87}


def sites(folder: Path, seeds: tuple[int, ...], **matcher: object) -> list[tuple[Path, Path]]:
    """Recordings of synthetic sites, each with the folder of its truth."""
    folder.mkdir(exist_ok=True)
    found = []
    for seed in seeds:
        file = folder / f"site{seed}.camtrail"
        own = recorded(file, seed, **matcher)
        found.append((file, write_truth(folder / f"truth{seed}", own)))
    return found


def test_what_is_held_out_has_no_part_in_the_choice() -> None:
    """By hand: on the first two sites the first setting is best, on the third the second."""
    one, two = Setting(0.6, 0.5, 4.0), Setting(0.7, 0.5, 4.0)
    idf1 = [[0.5, 0.9, 0.1], [0.5, 0.8, 0.2], [0.5, 0.3, 1.0]]
    table = [[Score(value, n) for n, value in enumerate(row)] for row in idf1]
    result = choose(["a", "b", "c"], [None, one, two], table)
    # Without a: (0.5, 0.55, 0.6) -> two; without b: (0.5, 0.6, 0.55) -> one; without c -> one.
    assert [held.setting for held in result.held] == [two, one, one]
    assert [held.idf1 for held in result.held] == [0.1, 0.8, 0.3]
    assert [held.false_merges for held in result.held] == [2, 1, 1]
    assert result.gain == pytest.approx((-0.4 + 0.3 - 0.2) / 3)
    assert result.error == pytest.approx(np.std([-0.4, 0.3, -0.2], ddof=1) / np.sqrt(3))
    assert result.setting == one  # (0.5, 0.667, 0.433) on all
    assert not result.pays


def test_what_the_sites_have_stays_where_nothing_is_better() -> None:
    table = [[Score(0.9, 0), Score(0.9, 0)], [Score(0.9, 0), Score(0.9, 0)]]
    result = choose(["a", "b"], [None, Setting(0.6, 0.5, 4.0)], table)
    assert result.setting is None
    assert (result.gain, result.pays) == (0.0, False)


def test_candidates_are_valid_and_the_same_each_time() -> None:
    found = candidates(0.6, 50)
    assert found == candidates(0.6, 50)
    assert len(set(found)) == 50
    assert sum(setting.learns for setting in found) == 37
    assert {(s.accept is None, s.new is None) for s in found[:4]} == {
        (high, low) for high in (True, False) for low in (True, False)
    }
    for setting in found:
        assert 0 <= setting.patience <= 10
        if setting.accept is not None and setting.new is not None:
            assert -1 < setting.new <= setting.accept < 1
            assert abs((setting.accept + setting.new) / 2 - 0.6) <= 0.1501


def test_a_setting_of_patience_alone_goes_on_learning(tmp_path: Path) -> None:
    ((file, truth),) = sites(tmp_path, (4,))
    ((strict, _),) = sites(tmp_path / "strict", (4,), **TOO_STRICT)
    patient = Setting(None, None, header().matcher.patience)
    assert Judge(strict, truth).score(patient) == Judge(file, truth).score(None)


def test_bad_thresholds_are_found_and_better_ones_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = sites(tmp_path, (2, 3, 4), **TOO_STRICT)
    run([f for f, _ in found], [t for _, t in found], trials=8, jobs=1, as_json=True)
    result = json.loads(capsys.readouterr().out)
    assert result["pays"]
    assert result["gain"] > 0.05
    assert result["setting"]["accept"] is None or result["setting"]["accept"] < 0.88


def test_what_is_found_is_told_with_the_lines_for_the_site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = sites(tmp_path, (2, 3), **TOO_STRICT)
    run([f for f, _ in found], [t for _, t in found], trials=2, jobs=1, as_json=False)
    told = capsys.readouterr().out
    best = tune(found, trials=2).setting
    assert best is not None
    assert "site3" in told
    assert f"matcher: {{{line(best)}}}" in told
    assert ("goes on learning" in told) == best.learns


def line(setting: Setting) -> str:
    given = {"accept": setting.accept, "new": setting.new, "patience": setting.patience}
    return ", ".join(f"{name}: {value}" for name, value in given.items() if value is not None)


def test_two_processes_find_the_same_as_one(tmp_path: Path) -> None:
    found = sites(tmp_path, (2, 3))
    assert tune(found, trials=3, jobs=2) == tune(found, trials=3)


def test_the_judge_scores_as_evaluate_does(tmp_path: Path) -> None:
    ((file, truth),) = sites(tmp_path, (4,), **TOO_STRICT)
    run_replay(file, None, tmp_path / "out", as_json=True)
    expected = evaluate_site(load_site(tmp_path / "out" / "site.yaml"), truth)
    score = Judge(file, truth).score(None)
    assert score == Score(expected.overall.idf1, expected.false_merges)


def test_one_site_says_nothing_of_others(tmp_path: Path) -> None:
    found = sites(tmp_path, (2,))
    for given in (found, found * 2):
        with pytest.raises(CamtrailError, match="recordings of at least two sites"):
            tune(given, trials=2)


def test_a_recording_given_twice(tmp_path: Path) -> None:
    one, two = sites(tmp_path, (2, 3))
    with pytest.raises(CamtrailError, match="given twice"):
        tune([one, two, one], trials=2)


def test_recordings_of_two_encoders(tmp_path: Path) -> None:
    one, two = sites(tmp_path, (2, 3))
    said = header().model_copy(update={"encoder": EncoderSaid(fingerprint="other")})
    write_recording(two[0], said, in_step(scripts(3)))
    with pytest.raises(CamtrailError, match="come from different encoders"):
        tune([one, two], trials=2)


def test_not_one_truth_for_each(tmp_path: Path) -> None:
    found = sites(tmp_path, (2, 3))
    with pytest.raises(CamtrailError, match="2 recordings and 1 times --truth"):
        run([f for f, _ in found], [found[0][1]], trials=2, jobs=1, as_json=False)


def test_a_truth_that_is_missing(tmp_path: Path) -> None:
    one, two = sites(tmp_path, (2, 3))
    with pytest.raises(CamtrailError, match="no such folder"):
        tune([one, (two[0], tmp_path / "nowhere")], trials=1)
