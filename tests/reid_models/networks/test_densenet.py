"""DenseNet-121 against torchvision's."""

from __future__ import annotations

import pytest
import torch
from torchvision import models

from reid_models import build


@pytest.mark.parametrize(("last_stride", "size"), [(2, (4, 2)), (1, (7, 3))])
@torch.inference_mode()
def test_is_torchvisions_network(last_stride: int, size: tuple[int, int], lived_in) -> None:
    reference = lived_in(models.densenet121(weights=None))
    ours = build("densenet121", last_stride=last_stride, pooling="average").eval()
    ours.trunk.load_state_dict(reference.features.state_dict())
    reference.features.transition3.pool.stride = (last_stride, last_stride)
    images = torch.randn(2, 3, 128, 64)
    maps = ours.maps(images)
    assert maps.shape == (2, ours.dimension, *size)
    assert torch.equal(maps, reference.features(images).relu())
    torch.testing.assert_close(reference.classifier(ours.features(images)), reference(images))
