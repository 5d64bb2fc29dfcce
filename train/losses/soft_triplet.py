"""How far a student's hardest triplets are from a teacher's.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), section 4.3.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.losses.pairs import euclidean_distances, hardest_places


class SoftTripletLoss(nn.Module):
    """Cross entropy of two classes between the softmax triplet distances of teacher and student.

    With the Euclidean distances p of an anchor's farthest own image and n of its nearest other
    one, T is ``exp(p) / (exp(p) + exp(n))``, and the loss of an anchor
    ``-(T' log T + (1 - T') log(1 - T))`` with the teacher's T'. (Equations 4.6 and 4.7 print the
    first term alone, which by itself would draw the own image away.) The images are those that
    are hardest for the student; both measure them in their own features.

    Called with ``(student (N, D), teacher (N, E), labels (N,))``; gives the mean over the anchors
    that have both another image of their identity and one of another in the batch; 0 if there is
    none. No gradient reaches the teacher.
    """

    def forward(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        distances = euclidean_distances(student)
        anchors, own, other = hardest_places(distances, labels)
        if not len(anchors):
            return student.sum() * 0
        taught = euclidean_distances(teacher.detach())
        student_gap, teacher_gap = (
            torch.stack([d[anchors, own], d[anchors, other]], dim=1) for d in (distances, taught)
        )
        wanted = teacher_gap.softmax(dim=1)
        return -(wanted * F.log_softmax(student_gap, dim=1)).sum(dim=1).mean()
