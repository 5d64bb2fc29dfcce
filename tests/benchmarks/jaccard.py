"""The k-reciprocal Jaccard distance at Market-1501's size, against the neighbour search alone.

    python -m tests.benchmarks.jaccard [--images 12936] [--dimension 2048]

Memory is what the process needs at its peak beyond what it holds once the features are there.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import psutil

from reid_models.ranking import jaccard_distance

K1, K2 = 30, 6
PEOPLE = 751 / 12_936  # for each image


def features(images: int, dimension: int) -> npt.NDArray[np.float32]:
    """People in no order, their images around their middle, some nearer than others."""
    rng = np.random.default_rng(0)
    people = rng.integers(0, max(2, round(PEOPLE * images)), images)
    middles = rng.standard_normal((people.max() + 1, dimension), np.float32)
    rows = np.empty((images, dimension), np.float32)
    for start in range(0, images, 512):  # in parts: its own memory would hide what is measured
        part = rows[start : start + 512]
        rng.standard_normal(dtype=np.float32, out=part)
        part *= rng.uniform(0.6, 1.6, (len(part), 1)).astype(np.float32)
        part += middles[people[start : start + 512]]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return rows


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak() -> float:
    """Megabytes that the process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=12_936)
    parser.add_argument("--dimension", type=int, default=2048)
    options = parser.parse_args()
    rows = features(options.images, options.dimension)
    jaccard_distance(rows[:500], K1, K2)  # what is loaded late
    held = psutil.Process().memory_info().rss / 1e6
    jaccard = seconds(lambda: jaccard_distance(rows, K1, K2))
    beyond = peak() - held
    import faiss

    index = faiss.IndexFlatIP(options.dimension)
    index.add(rows)
    search = seconds(lambda: index.search(rows, K1))
    print(f"{options.images} x {options.dimension}, k1 = {K1}, k2 = {K2}")
    print(f"exact search (FAISS, flat): {search:.2f} s")
    print(f"Jaccard distance:           {jaccard:.2f} s, {jaccard / search:.2f} times the search")
    print(f"memory beyond the features: {beyond:.0f} MB")


if __name__ == "__main__":
    main()
