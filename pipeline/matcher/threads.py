"""How many threads the sums of the matcher take."""

from __future__ import annotations

import faiss
from threadpoolctl import threadpool_limits


def keep_to_one_thread() -> None:
    """Of this process: the cores belong to the workers, numpy's threads mostly wait for each other
    on products as small as the matcher's, and sums in another order would be other sums.
    """
    faiss.omp_set_num_threads(1)
    threadpool_limits(1)
