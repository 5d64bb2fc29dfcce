"""How often decisions are right, by how sure the matcher was: a reliability diagram.

``python -m tests.benchmarks.confidence FOLDER... [--html FILE]``

A folder is one of `tests.benchmarks.steps`. A match, or a move by repair, is right where most
tracklets that the identity had by then are of the same person, a new identity where no identity
was. The expected calibration error is over ten bins of as many decisions each.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.matcher.topology import Topology
from pipeline.records import TrackletKey
from pipeline.store import CONFIDENCE, Verdict
from tests.benchmarks.recording import assess, wholes
from tests.benchmarks.steps import Recorded, engine_of

BINS = 10
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """Decisions that were about as sure: their number, mean confidence, and share of right ones."""

    count: int
    sure: float
    right: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--html", type=Path, help="draw the diagram into this page")
    options = parser.parse_args()
    pairs = [pair for folder in options.folders for pair in judged(Recorded.of(folder))]
    bins = binned(np.array([p for p, _ in pairs]), np.array([float(ok) for _, ok in pairs]))
    for part in bins:
        print(f"{part.count:6} decisions, sure {part.sure:.3f}, right {part.right:.3f}")
    print(f"expected calibration error {error(bins):.3f} over {len(pairs)} decisions")
    if options.html:
        options.html.write_text(diagram(bins))


def judged(recorded: Recorded) -> list[tuple[float, bool]]:
    """The confidence of each decision, and whether it was right."""
    site, messages = recorded.site, recorded.messages
    persons = assess(site, recorded.folder, wholes(messages), {}).person_of_tracklet
    engine, found = engine_of(site, Topology(site.topology)), []
    people: defaultdict[int, Counter[int]] = defaultdict(Counter)
    holder: dict[TrackletKey, int] = {}
    for message in messages:
        for verdict in engine.take([message]).outcome.verdicts:
            person = persons.get(verdict.key)
            if person is None:  # nobody is there
                continue
            if CONFIDENCE in verdict.reason:
                right = _right(verdict, person, people)
                found.append((float(verdict.reason[CONFIDENCE]), right))
            if (former := holder.pop(verdict.key, None)) is not None:
                people[former][person] -= 1
            if verdict.assignment is not None:
                holder[verdict.key] = verdict.assignment.identity
                people[verdict.assignment.identity][person] += 1
    return found


def _right(verdict: Verdict, person: int, people: dict[int, Counter[int]]) -> bool:
    known = {
        identity: counts.most_common(1)[0][0]
        for identity, counts in people.items()
        if counts.total() > 0
    }
    assert verdict.assignment is not None
    identity = verdict.assignment.identity
    return known[identity] == person if identity in known else person not in known.values()


def binned(sure: Floats, right: Floats) -> list[Bin]:
    """As many decisions in each, the least sure first."""
    order = np.argsort(sure, kind="stable")
    parts = (part for part in np.array_split(order, BINS) if len(part))
    return [Bin(len(p), float(sure[p].mean()), float(right[p].mean())) for p in parts]


def error(bins: list[Bin]) -> float:
    """The expected calibration error."""
    total = sum(part.count for part in bins)
    return sum(part.count * abs(part.sure - part.right) for part in bins) / total


def diagram(bins: list[Bin]) -> str:
    """A page with one picture: how often it was right against how sure it was."""
    dots = "".join(
        f'<circle cx="{400 * b.sure:.0f}" cy="{400 - 400 * b.right:.0f}" r="6" fill="#3b82c4">'
        f"<title>{b.count}: sure {b.sure:.2f}, right {b.right:.2f}</title></circle>"
        for b in bins
    )
    return (
        '<!doctype html><meta charset="utf-8"><title>Reliability</title>'
        f"<p>Expected calibration error {error(bins):.3f}; across: how sure, up: how often right."
        '<p><svg viewBox="-10 -10 420 420" width="420"><rect width="400" height="400" fill="none"'
        ' stroke="#888"/><path d="M0 400 L400 0" stroke="#888" stroke-dasharray="4"/>'
        f"{dots}</svg>\n"
    )


if __name__ == "__main__":
    main()
