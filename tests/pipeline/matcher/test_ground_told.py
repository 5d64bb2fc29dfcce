"""What the matcher says of clocks and cameras, once each."""

from __future__ import annotations

import pytest

from pipeline.config import Topology as Declared
from pipeline.matcher.ground import Ground
from pipeline.matcher.topology import Topology
from tests.pipeline.matcher.test_clocks import ways


def test_each_change_is_logged_once_and_stays_in_the_health(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "pipeline.matcher.ground.log.warning",
        lambda text, camera, **_: said.append((text.split(";")[0].split(":")[0], camera)),
    )
    topology = Topology(Declared())
    topology.clocks.tolerance = 3.0
    ground = Ground(topology)
    assert ground.tell() == {"clocks": "", "clocks_beyond": "", "moved": ""}
    for pair, ahead in (("ab", 2.0), ("ac", 0.0), ("ad", 8.0), ("bc", -2.0), ("cd", 8.0)):
        ways(topology.clocks, pair, ahead, count=24)
    topology.clocks.settle()
    topology.placement.moved["c"] = 12.0
    health = ground.tell()
    assert health["clocks"].startswith("b +")
    assert health["clocks_beyond"].startswith("d +")
    assert health["moved"] == "c 12"
    assert said == [
        ("a camera's clock is put right", "b"),
        ("a camera's clock differs by more than matcher.clock_tolerance", "d"),
        ("a camera was moved, or turned", "c"),
    ]
    assert ground.tell() == health
    assert len(said) == 3
