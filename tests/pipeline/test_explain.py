"""`camtrail explain`: what decisions were made of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Site, load_site
from pipeline.errors import CamtrailError
from pipeline.people import explain
from pipeline.records import TrackletKey
from pipeline.store import Store
from tests.pipeline.matcher.synthetic import (
    Script,
    Walk,
    at_cosine,
    engine,
    people,
    run_id,
)
from tests.pipeline.matcher.test_observation import commuters

YAML = "site: village\ncameras: {a: {source: a.mp4}, b: {source: b.mp4}, c: {source: c.mp4}}\n"


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("village")
    (folder / "site.yaml").write_text(YAML)
    site = load_site(folder / "site.yaml")
    site.data_dir.mkdir()
    with Store.open(site.store_url) as store:
        store.commit(engine(transit=[("a", "b", (2, 30))]).take(commuters()))
    return site


def key(camera: str, track: int) -> TrackletKey:
    return TrackletKey(camera, run_id(camera), track)


def told(
    site: Site, of: TrackletKey, capsys: pytest.CaptureFixture[str]
) -> list[dict[str, object]]:
    explain(site, of, as_json=True)
    decisions: list[dict[str, object]] = json.loads(capsys.readouterr().out)["decisions"]
    return decisions


def test_the_first_one_is_new_and_surely_so(
    village: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    (first,) = told(village, key("a", 1), capsys)
    assert (first["decision"], first["rule"], first["terms"]) == ("new", "unlike everybody", {})
    assert first["confidence"] > 0.85  # type: ignore[operator]


def test_a_match_is_told_in_its_parts(village: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (match,) = told(village, key("b", 20), capsys)
    terms: dict[str, float] = match["terms"]  # type: ignore[assignment]
    assert match["decision"] == "matched"
    assert terms["similarity"] > 0.6
    assert terms["transit"] > 0  # within the declared time
    assert 0.8 < match["confidence"] < 1  # type: ignore[operator]


def test_of_somebody_new_it_is_told_how_near_the_nearest_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.yaml").write_text(YAML)
    site = load_site(tmp_path / "site.yaml")
    site.data_dir.mkdir()
    rng = np.random.default_rng(3)
    (ada,) = people(1, rng)
    walks = [
        Walk(0, "a", 1, 5, ada, noise=0.0),
        Walk(1, "a", 12, 16, at_cosine(ada, 0.53, rng), noise=0.0),
    ]
    with Store.open(site.store_url) as store:
        store.commit(engine(("a",)).take(Script("a", walks, 40).envelopes()))
    (second,) = told(site, key("a", 2), capsys)
    assert (second["decision"], second["rule"]) == ("new", "not alike enough in the end")
    assert second["terms"] == {"similarity": pytest.approx(0.53, abs=0.001)}
    explain(site, key("a", 2), as_json=False)
    assert "the nearest" in " ".join(capsys.readouterr().out.split())


def test_it_prints_a_table(village: Site, capsys: pytest.CaptureFixture[str]) -> None:
    explain(village, key("b", 20), as_json=False)
    printed = capsys.readouterr().out
    assert "similarity" in printed
    assert "%" in printed


def test_an_unknown_tracklet_is_said(village: Site) -> None:
    with pytest.raises(CamtrailError, match="no such tracklet"):
        explain(village, key("a", 9999), as_json=False)


def test_who_was_decided_on_before_confidence_was_kept(tmp_path: Path) -> None:
    """The events of an older store have none."""
    (tmp_path / "site.yaml").write_text(YAML)
    site = load_site(tmp_path / "site.yaml")
    site.data_dir.mkdir()
    batch = engine().take(commuters()[:60])
    for n, verdict in enumerate(batch.outcome.verdicts):
        reason = {k: v for k, v in verdict.reason.items() if k != "confidence"}
        batch.outcome.verdicts[n] = type(verdict)(
            verdict.key, verdict.time, verdict.assignment, verdict.former, reason
        )
    with Store.open(site.store_url) as store:
        store.commit(batch)
    explain(site, key("a", 1), as_json=False)
