"""What each step of the matcher gains, on recordings with truth.

``python -m tests.benchmarks.steps FOLDER... [--undeclared] [--only TEXT] [--json]``

A folder holds ``site.yaml``, ``rec`` and ``CAMERA.gt.txt``, as `tests.benchmarks.sketch` and
`tests.benchmarks.recording` make them. Each row adds one step to the one above. ``--undeclared``
leaves out the ways that site.yaml declares (but not the views that overlap). ``--only`` runs the
steps that have TEXT in their name.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgpack
import numpy as np

from pipeline.bus import decode
from pipeline.config import Site, load_site
from pipeline.config import Topology as Declared
from pipeline.evaluate.evaluation import Evaluation
from pipeline.matcher.engine import Engine
from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.records import Envelope
from tests.benchmarks import answered
from tests.benchmarks.recording import assess, identities, in_step, wholes


class _Grounded(Engine):
    """Compares all cameras alike."""

    def _whiten(self, *, due: bool) -> None:
        super()._whiten(due=due)
        self.gallery.whitening.shifts[:] = 0.0


class _Repairing(_Grounded):
    """Groups anew, but learns nothing of the ground."""

    def _observe(self, before: float) -> None:
        pass


class _Looking(_Repairing):
    """Sees how many look alike, but never looks back."""

    def _repair(self) -> None:
        pass


class _Whitening(_Looking):
    """Compares without what people have in common."""

    def _settle(self) -> None:
        super()._settle()
        self._likeness.lookalikes = None


class _Raising(_Whitening):
    """Raises the thresholds where people look alike or are many, and compares them as they come."""

    def _whiten(self, *, due: bool) -> None:
        pass


class _Bare(_Raising):
    """Decides by the thresholds that the encoder's file recommends."""

    def _learn(self, begun: Sequence[Tracklet], grown: Sequence[Tracklet]) -> None:
        pass


@dataclass(frozen=True)
class Step:
    """A row of the table."""

    name: str
    engine: type[Engine]
    declared: bool  # whether what site.yaml says of ways is used
    answered: bool = False  # whether a person answers some of what is uncertain


@dataclass(frozen=True)
class Recorded:
    """A site and all that its cameras said."""

    site: Site
    folder: Path
    messages: list[Envelope]

    @staticmethod
    def of(folder: Path) -> Recorded:
        messages = [decode(m) for m in msgpack.unpackb((folder / "rec").read_bytes())]
        return Recorded(load_site(folder / "site.yaml"), folder, in_step(messages))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--undeclared", action="store_true")
    parser.add_argument("--only", default="", metavar="TEXT")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    steps = [s for s in steps_of(declared=not options.undeclared) if options.only in s.name]
    found: dict[str, list[Evaluation]] = {step.name: [] for step in steps}
    for folder in options.folders:
        recorded = Recorded.of(folder)
        print(f"{folder}: {len(recorded.messages)} messages", file=sys.stderr, flush=True)
        for step in steps:
            result = replay(recorded, step)
            found[step.name].append(result)
            print(row(step.name, [result]), file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps({name: [e.summary() for e in own] for name, own in found.items()}))
        return
    print(f"{'mean of ' + str(len(options.folders)):24}{HEADER}")
    for name, own in found.items():
        print(row(name, own))


def steps_of(*, declared: bool) -> list[Step]:
    """Each adds one to the one before."""
    return [
        Step("similarity alone", _Bare, declared=False),
        *([Step("+ declared ways", _Bare, declared=True)] if declared else []),
        Step("+ raised thresholds", _Raising, declared),
        Step("+ whitening", _Whitening, declared),
        Step("+ look-alikes", _Looking, declared),
        Step("+ repair", _Repairing, declared),
        Step("+ learned ground", _Grounded, declared),
        Step("+ cameras", Engine, declared),
        Step("+ a tenth answered", Engine, declared, answered=True),
    ]


def replay(recorded: Recorded, step: Step) -> Evaluation:
    """The evaluation of what the engine of a step makes of a recording."""
    site = recorded.site
    declared = site.topology if step.declared else Declared(overlap=site.topology.overlap)
    engine = engine_of(site, Topology(declared), step.engine)
    tracklets = wholes(recorded.messages)
    if not step.answered:
        who = identities(engine, recorded.messages)
        return assess(site, recorded.folder, tracklets, who)
    persons = assess(site, recorded.folder, tracklets, {}).person_of_tracklet
    who, cases, answers = answered.identities(engine, recorded.messages, persons)
    print(f"{answers} of {cases} cases answered", file=sys.stderr, flush=True)
    return assess(site, recorded.folder, tracklets, who)


def engine_of(site: Site, topology: Topology, kind: type[Engine] = Engine) -> Engine:
    """One that decides on a recording of the site."""
    cameras = list(site.cameras)
    return kind(site.matcher, thresholds_of(site), cameras, topology, wait_for_all=True)


def thresholds_of(site: Site) -> Thresholds | None:
    """As the matcher has them."""
    return Thresholds.of(site.matcher, *_recommended(site.encoder.path))


@cache
def _recommended(encoder: Path) -> tuple[float | None, float | None]:
    from reid_models import load_encoder  # takes torch, and seconds

    found = load_encoder(encoder, device="cpu", threads=1).description.thresholds
    return (found.accept, found.new) if found else (None, None)


HEADER = f"{'IDF1':>7}{'HOTA':>7}{'merged':>8}{'split':>7}{'seconds':>9}"


def row(name: str, results: Sequence[Evaluation]) -> str:
    """Means over the sites; ``merged`` as a share of the identities, ``split`` a person."""
    idf1 = _mean(e.overall.idf1 for e in results)
    hota = _mean(e.overall.hota for e in results)
    merged = _mean(e.false_merge_rate for e in results)
    split = _mean(e.fragmentation / max(len(set(e.person_of.values())), 1) for e in results)
    delay = _mean(e.time_to_identity.median for e in results)
    return f"{name:24}{idf1:7.3f}{hota:7.3f}{merged:8.1%}{split:7.2f}{delay:9.2f}"


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


if __name__ == "__main__":
    main()
