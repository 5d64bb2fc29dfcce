"""Cross entropy against what a teacher predicts."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class SoftCrossEntropy(nn.Module):
    """``-sum over classes of teacher's probability x log of the student's``.

    Equations 4.4 and 4.5 of H. Chen, "Towards unsupervised person re-identification" (2022).
    Called with ``(student (N, C), teacher (N, C))``, both logits; gives the mean over N. No
    gradient reaches the teacher.
    """

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        wanted = teacher.detach().to(student.dtype).softmax(dim=1)
        return -(wanted * F.log_softmax(student, dim=1)).sum(dim=1).mean()
