"""ABMT's losses between teacher and student against naive float64 loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.train.losses.batch import EMBEDDINGS, LABELS, MOMENTUM, UNEVEN, softmax
from train.losses import SoftCrossEntropy, SoftTripletLoss

STUDENT, TEACHER = torch.from_numpy(EMBEDDINGS), torch.from_numpy(MOMENTUM)


def naive_triplet(student: np.ndarray, teacher: np.ndarray, labels: list[int]) -> float:
    losses = []
    for i, label in enumerate(labels):
        own = [j for j, k in enumerate(labels) if k == label and j != i]
        other = [j for j, k in enumerate(labels) if k != label]
        if not own or not other:
            continue
        p = max(own, key=lambda j: math.dist(student[i], student[j]))
        n = min(other, key=lambda j: math.dist(student[i], student[j]))
        t, taught = (
            softmax([math.dist(rows[i], rows[p]), math.dist(rows[i], rows[n])])[0]
            for rows in (student, teacher)
        )
        losses.append(-(taught * math.log(t) + (1 - taught) * math.log(1 - t)))
    return sum(losses) / len(losses) if losses else 0.0


def test_cross_entropy() -> None:
    naive = 0.0
    for wanted, given in zip(map(softmax, MOMENTUM), map(softmax, EMBEDDINGS), strict=True):
        naive -= sum(a * math.log(b) for a, b in zip(wanted, given, strict=True)) / 12
    found = SoftCrossEntropy()(STUDENT, TEACHER)
    assert found.item() == pytest.approx(naive, abs=1e-12)


@pytest.mark.parametrize("labels", [LABELS, *UNEVEN])
def test_triplet(labels: list[int]) -> None:
    """Teacher's features may be of another length."""
    student, teacher = EMBEDDINGS[: len(labels)], MOMENTUM[: len(labels), :4]
    found = SoftTripletLoss()(*map(torch.from_numpy, (student, teacher)), torch.tensor(labels))
    assert found.item() == pytest.approx(naive_triplet(student, teacher, labels), abs=1e-12)


def test_no_gradient_reaches_the_teacher() -> None:
    for loss in (
        lambda s, t: SoftCrossEntropy()(s, t),
        lambda s, t: SoftTripletLoss()(s, t, torch.tensor(LABELS)),
    ):
        student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
        loss(student, teacher).backward()
        assert student.grad is not None
        assert student.grad.abs().sum() > 0
        assert teacher.grad is None


def test_gradient_of_the_triplet() -> None:
    student, labels = STUDENT.clone().requires_grad_(), torch.tensor(LABELS)
    assert torch.autograd.gradcheck(lambda s: SoftTripletLoss()(s, TEACHER, labels), student)


def test_a_student_that_agrees_has_nothing_to_change() -> None:
    """The least that the loss can be is the teacher's own entropy, where the slope is 0."""
    student = STUDENT.clone().requires_grad_()
    SoftTripletLoss()(student, STUDENT, torch.tensor(LABELS)).backward()
    assert student.grad is not None
    torch.testing.assert_close(student.grad, torch.zeros_like(student), atol=1e-12, rtol=0)
