"""DenseNet as torchvision has it."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from reid_models.networks.arguments import check_choice
from reid_models.networks.network import Backbone


def densenet121(
    dimension: int | None = None, last_stride: int = 1, pooling: str = "gem"
) -> Backbone:
    """Build DenseNet-121.

    Args:
        dimension: length of the embedding; None for the width of the last map, 1024.
        last_stride: of the pooling before the last dense block, 1 or 2. Its windows of 2 x 2
            stay, so that what follows sees averages as it did in pretraining; with stride 1 the
            map is one row and column smaller than before it.
        pooling: ``average``, ``max``, ``average+max`` or ``gem``.

    Raises:
        EncoderError: a value is impossible.
    """
    check_choice("densenet121", "last_stride", last_stride, (1, 2))
    from torchvision import models  # late, as in resnet.py

    features = models.densenet121(weights=None).features
    features.transition3.pool.stride = last_stride
    trunk = nn.Sequential(
        OrderedDict(**dict(features.named_children()), relu=nn.ReLU(inplace=True))
    )
    return Backbone("densenet121", trunk, features.norm5.num_features, dimension, pooling)
