"""How often search by picture finds the person first, and by what margin.

``python -m tests.benchmarks.search --json``

Of simulated sites that served for nothing else, the first half is in the store, everybody under
the true number. Frames of the second half are the queries: each person that the detector finds
there, and that was seen in the first half, is searched for through the viewer's API. The margin is
the similarity of the right person less that of the best other one; below 0 the answer was wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from fastapi.testclient import TestClient

from pipeline.camera.track import iou
from pipeline.config import Site
from pipeline.evaluate import read_truth
from pipeline.records import Image
from pipeline.viewer.app import create_app
from tests.pipeline.viewer import filmed

SEEDS = (8501, 8502, 8503)
FPS = 10
LEAST_OVERLAP = 0.7  # of a found box with the truth's


@dataclass(frozen=True)
class Query:
    """One search: whether the person came first, and by what margin."""

    first: bool
    margin: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--cameras", type=int, default=3)
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--step", type=int, default=15, help="frames from one query to the next")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    by_seed: dict[int, list[Query]] = {}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            site = filmed.create(folder, options.seconds, seed, options.cameras, options.people)
            by_seed[seed] = list(queries(site, folder, options.seconds / 2, options.step))
        print(f"seed {seed}: {len(by_seed[seed])} queries", file=sys.stderr)
    result = {
        "all": summary([query for some in by_seed.values() for query in some]),
        "seeds": {str(seed): summary(some) for seed, some in by_seed.items()},
    }
    if options.json:
        print(json.dumps(result, indent=2))
        return
    for name, some in (*result["seeds"].items(), ("all", result["all"])):
        print(
            "{name}: first in {first:.1%} of {queries}; margin {median:.2f} in the median, "
            "{tenth:.2f} at the tenth percentile".format(name=name, **some)
        )


def queries(site: Site, folder: Path, since: float, step: int) -> Iterator[Query]:
    """All searches on one site, from ``since`` seconds on."""
    with TestClient(create_app(site), "http://localhost") as client:
        answer = client.get("/api/v1/identities", params={"limit": 100}).json()
        known = {person["identity"] for person in answer["identities"]}
        for image, people in later_frames(site, folder, int(since * FPS), step):
            found = ask(client, image)["persons"]
            for index, person in enumerate(found):
                alike = [p for p, box in people.items() if iou(person["box"], box) > LEAST_OVERLAP]
                if len(alike) == 1 and alike[0] in known:
                    yield judge(ask(client, image, index)["matches"], alike[0])


def later_frames(
    site: Site, folder: Path, since: int, step: int
) -> Iterator[tuple[Image, dict[int, np.ndarray]]]:
    """Frames behind the number ``since``, with who is where in them, if not too small."""
    for camera, truth in read_truth(folder, site.cameras).items():
        for number, image in filmed.frames(site, camera):
            if number > since and number % step == 0:
                here = truth.people.frames == number
                ids, boxes = truth.people.ids[here].tolist(), truth.people.boxes[here]
                tall = boxes[:, 3] - boxes[:, 1] >= filmed.LEAST_HEIGHT
                yield image, {p: b for p, b, t in zip(ids, boxes, tall, strict=True) if t}


def ask(client: TestClient, image: Image, person: int | None = None) -> dict[str, list]:
    """What the viewer answers to a picture."""
    body = cv2.imencode(".png", image)[1].tobytes()
    params = {} if person is None else {"person": person}
    answer = client.post("/api/v1/search/picture", params=params, content=body)
    answer.raise_for_status()
    return answer.json()


def judge(matches: list[dict], person: int) -> Query:
    """What an answer is worth."""
    similar = {match["identity"]["identity"]: match["similarity"] for match in matches}
    own = similar.pop(person, -1.0)
    margin = own - max(similar.values(), default=-1.0)
    return Query(matches[0]["identity"]["identity"] == person, margin)


def summary(some: list[Query]) -> dict[str, float]:
    """Of all queries together."""
    margins = [query.margin for query in some]
    return {
        "queries": len(some),
        "first": sum(query.first for query in some) / len(some),
        "median": float(np.median(margins)),
        "tenth": float(np.quantile(margins, 0.1)),
    }


if __name__ == "__main__":
    main()
