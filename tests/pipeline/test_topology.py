"""`camtrail topology` on a site whose people go from a to b in twelve seconds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.config import Site, load_site
from pipeline.errors import CamtrailError
from pipeline.matcher.topology import Topology
from pipeline.store import Batch, Outcome, Store
from pipeline.topology import show_topology
from tests.pipeline.matcher.synthetic import engine
from tests.pipeline.matcher.test_observation import commuters

YAML = """
site: village
cameras: {a: {source: a.mp4}, b: {source: b.mp4}, c: {source: c.mp4}}
topology: {overlap: [[b, c]], transit: [{from: a, to: b, seconds: [5, 30]}]}
"""


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("village")
    (folder / "site.yaml").write_text(YAML)
    site = load_site(folder / "site.yaml")
    site.data_dir.mkdir()
    with Store.open(site.store_url) as store:
        store.commit(engine().take(commuters()))
    return site


def test_it_tells_what_was_learned_beside_what_is_declared(
    village: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    show_topology(village, None, as_json=True)
    told = json.loads(capsys.readouterr().out)
    ways = {(way["from"], way["to"]): way for way in told["ways"]}
    assert ways["a", "b"]["median"] == pytest.approx(12, abs=2)
    assert ways["a", "b"]["declared"] == [5, 30]
    assert ways["a", "c"]["declared"] is None
    assert ways["a", "b"]["seen"] > ways["a", "c"]["seen"] > 0
    (pair,) = (p for p in told["overlap"] if p["cameras"] == ["b", "c"])
    assert pair["declared"]
    assert not pair["found"]
    assert {door["camera"] for door in told["doors"]} == {"a", "b", "c"}


def test_it_prints_tables(village: Site, capsys: pytest.CaptureFixture[str]) -> None:
    show_topology(village, None, as_json=False)
    printed = capsys.readouterr().out
    assert re.search(r"a +b +\d+ +\d+% +1\d\.\d s \(\d+ to \d+ s\) +5 to 30 s", printed)
    assert re.search(r"b, c +declared", printed)


def test_it_tells_of_clocks_that_differ_and_of_cameras_that_were_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.yaml").write_text(YAML)
    site = load_site(tmp_path / "site.yaml")
    learned = Topology(site.topology)
    learned.clocks.tolerance = 5.0
    for n in range(12):
        learned.clocks.learn_way("a", "c", 7.0 + 0.1 * (n % 4))
        learned.clocks.learn_way("c", "a", 1.0 + 0.1 * (n % 4))
    learned.clocks.settle()
    learned.placement.moved["b"] = 1_767_600_000.0
    site.data_dir.mkdir()
    with Store.open(site.store_url) as store:
        store.commit(Batch((), (), Outcome(topology=learned.state)))
    show_topology(site, None, as_json=True)
    told = json.loads(capsys.readouterr().out)
    (pair,) = told["clocks"]
    assert pair["cameras"] == ["a", "c"]
    assert (pair["ahead"], pair["corrected"]) == (pytest.approx(3.0), 3.0)
    assert pair["differs"]
    assert told["moved"] == [{"camera": "b", "noticed": 1_767_600_000.0}]
    show_topology(site, None, as_json=False)
    printed = capsys.readouterr().out
    assert re.search(r"a, c +\+3\.0 s \(± 0\.\d\) +\+3\.00 s", printed)
    assert "b was moved or turned" in printed


def test_the_page_shows_every_camera_and_way(village: Site, tmp_path: Path) -> None:
    show_topology(village, tmp_path / "ground.html", as_json=True)
    page = (tmp_path / "ground.html").read_text()
    assert page.count("<circle") == 3
    assert "a to b" in page
    assert "http" not in page  # it loads nothing
    assert [f.name for f in tmp_path.iterdir()] == ["ground.html"]


def test_a_page_that_cannot_be_written_is_said(village: Site, tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match="the page cannot be written"):
        show_topology(village, tmp_path / "no folder" / "ground.html", as_json=True)


def test_of_an_empty_site_it_says_that_nothing_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.yaml").write_text("site: x\ncameras: {a: {source: a.mp4}}\n")
    site = load_site(tmp_path / "site.yaml")
    site.data_dir.mkdir()
    Store.open(site.store_url).close()
    show_topology(site, None, as_json=False)
    assert "no ways were declared or learned yet" in capsys.readouterr().out
