"""How alike one person is to himself: in two halves of a tracklet, and in two visits.

``python -m tests.benchmarks.cameras FOLDER...``

A folder is one of `tests.benchmarks.steps`. Similarities are of whitened embeddings. The last row
is in deviations of the similarity of two people, as `pipeline.matcher.sameness` has them, and says
how well a camera's halves tell how alike its visits are to visits elsewhere (correlation).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.matcher.whitening import Whitening
from pipeline.records import FloatArray, TrackletUpdate
from tests.benchmarks.recording import assess, identities, wholes
from tests.benchmarks.steps import Recorded, engine_of

FEWEST = 5  # tracklets, and twenty pairs of visits, for a camera to count in the correlation

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """Mean similarities of a site: of halves, of one person elsewhere and in the same camera again,
    and of two people, with the deviation of the last; and of each camera with enough of them those
    of halves and of visits elsewhere.
    """

    halves: float
    elsewhere: float
    again: float
    others: float
    deviation: float
    cameras: list[tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    sites = []
    print(f"{'':24}{'halves':>8}{'again':>8}{'elsewhere':>11}{'others':>8}{'deviation':>11}")
    for folder in parser.parse_args().folders:
        site = compare(Recorded.of(folder))
        sites.append(site)
        print(
            f"{folder.name:24}{site.halves:8.3f}{site.again:8.3f}{site.elsewhere:11.3f}"
            f"{site.others:8.3f}{site.deviation:11.3f}"
        )
    rows = np.array([(s.halves, s.again, s.elsewhere, s.others, s.deviation) for s in sites])
    halves, again, elsewhere, others, deviation = np.nanmean(rows, axis=0)
    known = np.array([camera for site in sites for camera in site.cameras])
    correlation = np.corrcoef(known.T)[0, 1] if len(known) > 2 else np.nan
    print(
        f"again above elsewhere {(again - elsewhere) / deviation:.2f}, halves above elsewhere "
        f"{(halves - elsewhere) / deviation:.2f}, elsewhere above others "
        f"{(elsewhere - others) / deviation:.2f}; correlation {correlation:.2f} "
        f"over {len(known)} cameras"
    )


def compare(recorded: Recorded) -> Found:
    """By the whitening that the matcher has at the end of the recording, and the truth."""
    site, messages = recorded.site, recorded.messages
    engine = engine_of(site, Topology(site.topology))
    who = identities(engine, messages)
    whitening = engine.gallery.whitening
    tracklets = wholes(messages)
    persons = assess(site, recorded.folder, tracklets, who).person_of_tracklet
    seen = [
        (t.key.camera, persons[t.key], t.embedding)
        for t in tracklets
        if t.embedding is not None and persons.get(t.key) is not None
    ]
    cameras, people = np.array([c for c, *_ in seen]), np.array([p for _, p, _ in seen])
    rows = whitening.apply(np.array([e for *_, e in seen], np.float32), cameras.tolist())
    alike = (rows @ rows.T).astype(np.float64)
    np.fill_diagonal(alike, np.nan)
    same, here = people[:, None] == people, cameras[:, None] == cameras
    halves = _halves(recorded, whitening)
    known = []
    for camera, own in halves.items():
        visits = alike[same & ~here & (cameras == camera)]
        if len(own) >= FEWEST and len(visits) >= 20:
            known.append((float(np.mean(own)), float(visits.mean())))
    return Found(
        float(np.mean([one for own in halves.values() for one in own])),
        float(np.nanmean(alike[same & ~here])),
        float(np.nanmean(alike[same & here])),
        float(alike[~same].mean()),
        float(alike[~same].std()),
        known,
    )


def _halves(recorded: Recorded, whitening: Whitening) -> dict[str, list[float]]:
    """Of each camera how alike the halves of its tracklets are."""
    tracklets: dict[object, Tracklet] = {}
    for number, message in enumerate(recorded.messages):
        if isinstance(update := message.body, TrackletUpdate):
            tracklets.setdefault(update.key, Tracklet.of(update)).apply(update, float(number))
    found: defaultdict[str, list[float]] = defaultdict(list)
    for tracklet in tracklets.values():
        if halves := tracklet.halves:
            one, other = _whitened(whitening, halves, tracklet.key.camera)
            found[tracklet.key.camera].append(float(one @ other))
    return found


def _whitened(
    whitening: Whitening, halves: tuple[FloatArray, FloatArray], camera: str
) -> FloatArray:
    return whitening.apply(np.array(halves, np.float32), [camera] * 2)


if __name__ == "__main__":
    main()
