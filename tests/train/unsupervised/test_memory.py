"""What is remembered, and whom it is compared with."""

from __future__ import annotations

import numpy as np
import torch

from train.unsupervised.memory import Memory, draw_partners


def test_rows_follow_by_equation_5_5() -> None:
    rng = np.random.default_rng(0)
    start = rng.standard_normal((5, 3))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    memory = Memory(5, 3, momentum=0.2).double()
    memory.fill(torch.from_numpy(start))
    wanted = start.copy()
    for places in ([1, 3], [3, 4]):
        seen = rng.standard_normal((2, 3))
        rows = torch.from_numpy(seen).requires_grad_()
        memory.follow(torch.tensor(places), rows)
        for place, row in zip(places, seen, strict=True):
            for column in range(3):
                unit = row[column] / np.sqrt((row**2).sum())
                wanted[place, column] = 0.2 * wanted[place, column] + 0.8 * unit
    np.testing.assert_allclose(memory.rows, wanted, atol=1e-12)
    assert not memory.rows.requires_grad
    assert not list(memory.parameters())


def test_of_two_sights_the_last_counts() -> None:
    memory = Memory(2, 2, momentum=0.5)
    memory.fill(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    memory.follow(torch.tensor([1, 1]), torch.tensor([[-1.0, 0.0], [0.0, 3.0]]))
    torch.testing.assert_close(memory.rows, torch.tensor([[1.0, 0.0], [0.5, 0.5]]))


def test_partners() -> None:
    """Every one that can be drawn is drawn, and no other."""
    labels = torch.tensor([0, 0, 0, 1, 1, 2, -1, -1])
    places = torch.tensor([0, 3, 5])
    torch.manual_seed(1)
    positives: list[set[int]] = [set(), set(), set()]
    negatives: list[set[int]] = [set(), set(), set()]
    for _ in range(100):
        found = draw_partners(labels, places, 3)
        assert found.negatives.shape == (3, 3)
        for number in range(3):
            positives[number].add(int(found.positive[number]))
            drawn = found.negatives[number].tolist()
            assert len(set(drawn)) == 3
            negatives[number].update(drawn)
    assert positives == [{1, 2}, {4}, {5}]  # the last is alone in its cluster
    assert negatives == [{3, 4, 5}, {0, 1, 2, 5}, {0, 1, 2, 3, 4}]


def test_no_more_negatives_than_there_are() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 1, -1])
    found = draw_partners(labels, torch.tensor([0, 4]), 8192)
    assert found.negatives.shape == (2, 2)
    assert set(found.negatives[0].tolist()) == {4, 5}
    assert set(found.negatives[1].tolist()) <= {0, 1, 2, 3}
