"""Evaluation and re-ranking at Market-1501's size, in one run (a few minutes).

python -m tests.benchmarks.evaluation
"""

from __future__ import annotations

from train.bench.evaluation import Measured, measure_evaluation, measure_reranking


def show(what: str, found: Measured) -> None:
    product, plain = found.against_product, found.against_plain
    print(
        f"{what}: {found.queries} x {found.gallery}, {found.dimension}-d: {product.ours:.2f} s, "
        f"the matrix product alone {product.product:.2f} s (ratio {product.ratio:.2f}), "
        f"{product.memory:.0f} MB beyond the features\n"
        f"  {plain.queries} x {plain.gallery}: plain numpy {plain.plain:.2f} s, ours "
        f"{plain.ours:.2f} s ({plain.speedup:.0f} times faster), "
        f"greatest difference {plain.difference:.1e}",
        flush=True,
    )


if __name__ == "__main__":
    show("evaluation", measure_evaluation())
    show("re-ranking", measure_reranking())
