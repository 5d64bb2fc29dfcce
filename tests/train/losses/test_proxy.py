"""ICE's proxy contrasts, over clusters and over cameras, against naive float64 loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.train.losses.batch import EMBEDDINGS, MOMENTUM, NORMALISED, cosine, softmax
from train.losses import CameraProxies, CameraProxyContrast, ProxyContrast

ONLINE = torch.from_numpy(EMBEDDINGS)
LABELS = [0, 0, 1, 1, 2, 2, 0, 1, 2, 3, 3, 0]
CAMERAS = [1, 2, 1, 2, 1, 1, 3, 3, 1, 2, 2, 1]
# Cluster 0 was seen by three cameras, 1 by two, 2 and 3 by one.
OF_CLUSTER, OF_CAMERA = [0, 0, 0, 1, 1, 2, 3], [1, 2, 3, 1, 2, 1, 2]
PROXIES = MOMENTUM[:7]


def naive_agnostic(proxies: np.ndarray, temperature: float) -> float:
    losses = []
    for i, label in enumerate(LABELS):
        logits = [float(NORMALISED[i] @ proxy) / temperature for proxy in proxies]
        losses.append(-math.log(softmax(logits)[label]))
    return sum(losses) / len(losses)


def naive_aware(temperature: float, negatives: int) -> float:
    losses = []
    for i, label in enumerate(LABELS):
        s = [cosine(EMBEDDINGS[i], proxy) / temperature for proxy in PROXIES]
        near = sorted((s[j] for j in range(7) if OF_CLUSTER[j] != label), reverse=True)[:negatives]
        positive = [s[j] for j in range(7) if OF_CLUSTER[j] == label and OF_CAMERA[j] != CAMERAS[i]]
        each = [-math.log(softmax([value, *near])[0]) for value in positive]
        if each:
            losses.append(sum(each) / len(each))
    return sum(losses) / len(losses)


def proxies(*, learned: bool = False) -> CameraProxies:
    rows = torch.from_numpy(PROXIES).clone().requires_grad_(learned)
    return CameraProxies(rows, torch.tensor(OF_CLUSTER), torch.tensor(OF_CAMERA))


@pytest.mark.parametrize("temperature", [0.5, 0.07])
def test_agnostic(temperature: float) -> None:
    """Proxies are as they come: means of unit rows are shorter than 1."""
    short = 0.3 * PROXIES[:4]
    found = ProxyContrast(temperature)(ONLINE, torch.from_numpy(short), torch.tensor(LABELS))
    assert found.item() == pytest.approx(naive_agnostic(short, temperature), abs=1e-12)


@pytest.mark.parametrize(("temperature", "negatives"), [(0.07, 2), (0.07, 4), (0.5, 50)])
def test_aware(temperature: float, negatives: int) -> None:
    contrast = CameraProxyContrast(temperature, negatives)
    found = contrast(ONLINE, torch.tensor(LABELS), torch.tensor(CAMERAS), proxies()).item()
    assert found == pytest.approx(naive_aware(temperature, negatives), abs=1e-12)


def test_no_gradient_reaches_the_proxies() -> None:
    online, labels, cameras = ONLINE.clone().requires_grad_(), *map(torch.tensor, (LABELS, CAMERAS))
    memory = proxies(learned=True)
    agnostic, aware = ProxyContrast(), CameraProxyContrast(negatives=3)
    total = agnostic(online, memory.rows, labels) + aware(online, labels, cameras, memory)
    total.backward()
    assert memory.rows.grad is None
    assert torch.autograd.gradcheck(lambda x: aware(x, labels, cameras, proxies()), online)
    assert torch.autograd.gradcheck(lambda x: agnostic(x, memory.rows, labels), online)


def test_one_camera_or_one_cluster_teaches_nothing() -> None:
    online = ONLINE.float().requires_grad_()
    labels, memory = (
        torch.tensor(LABELS),
        proxies()._replace(rows=torch.from_numpy(PROXIES).float()),
    )
    alone = memory._replace(cameras=torch.ones(7, dtype=torch.int64))
    none = CameraProxyContrast()(online, labels, torch.ones(12), alone)
    single = memory._replace(labels=torch.zeros(7, dtype=torch.int64))
    zero = CameraProxyContrast()(online, labels * 0, torch.tensor(CAMERAS), single)
    (none + zero).backward()
    assert (none.item(), zero.item()) == (0.0, 0.0)
    assert online.grad is not None
    assert torch.isfinite(online.grad).all()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ProxyContrast(0.0), "temperature must be above 0"),
        (lambda: CameraProxyContrast(-0.1), "temperature must be above 0"),
        (lambda: CameraProxyContrast(negatives=0), "negatives must be at least 1"),
    ],
)
def test_arguments_out_of_range(make: object, text: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=text):
        make()
