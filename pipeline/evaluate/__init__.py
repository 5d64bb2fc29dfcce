"""Cross-camera evaluation: IDF1, HOTA, false merges, fragmentation, time to identity."""

from pipeline.evaluate.evaluation import Delay, Evaluation, evaluate
from pipeline.evaluate.scores import Scores, compare, score
from pipeline.evaluate.truth import Boxes, Truth, read_truth

__all__ = [
    "Boxes",
    "Delay",
    "Evaluation",
    "Scores",
    "Truth",
    "compare",
    "evaluate",
    "read_truth",
    "score",
]
