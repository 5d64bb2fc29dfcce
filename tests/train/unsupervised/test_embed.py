"""A whole set in batches is what its images are one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reid_models import InputSpec, build
from train.data import Augmentation, Crops, load_folder
from train.loop.accelerator import make_accelerator
from train.unsupervised import embed
from train.unsupervised.copies import count_copies


def test_rows_are_of_length_1_and_in_order(market: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "_BATCH", 10)
    samples, spec = load_folder(market, "m").train[:33], InputSpec(height=32, width=16)
    torch.manual_seed(0)
    network = build("stripenet", dimension=8).eval()
    whole = embed.WholeSet(samples, spec, 0, make_accelerator("fp32"))
    rows = whole.embed(network, 1)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    crops = Crops(samples, spec, Augmentation())
    with torch.inference_mode():
        alone = torch.cat([network(crops[number][0][None]) for number in range(33)])
    wanted = torch.nn.functional.normalize(alone, dim=1).numpy()
    np.testing.assert_allclose(rows, wanted, atol=1e-4)


@pytest.mark.parametrize(("count", "processes"), [(33, 1), (33, 4), (40, 4), (3, 8)])
def test_each_process_gets_as_many(count: int, processes: int) -> None:
    batches = list(embed._InOrder(count, 16, processes))
    assert len(batches) == len(embed._InOrder(count, 16, processes))
    assert all(len(batch) % processes == 0 for batch in batches)
    flat = [number for batch in batches for number in batch]
    assert flat[:count] == list(range(count))
    assert set(flat[count:]) <= {count - 1}
    assert len(flat) < count + processes


def test_copies(market: Path) -> None:
    samples = load_folder(market, "m").train[:4]
    missing = samples[0]._replace(path=market / "gone.jpg")
    assert count_copies([*samples, samples[2], missing, samples[2]]) == 2
