"""A small network that says where the joints of the one person are whom a crop shows.

Each joint has a map of where it may be, whose mean place is the answer, so that places finer than
the map's cells can be learnt: X. Sun et al., "Integral Human Pose Regression" (2018). Maps are made
of what is seen coarsely and finely, added up from the coarsest: T.-Y. Lin et al., "Feature Pyramid
Networks" (2017).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from reid_models import InputSpec
from train.errors import TrainError

JOINTS = 17
SPEC = InputSpec(height=128, width=64)
CELL = 4  # pixels of the input that a cell of a map is high and wide
_WIDTHS = (24, 32, 64, 128)
_FORMAT = {"camtrail": "pose network", "format": "1"}
_MAX_BYTES = 64 << 20


_CELLS = (SPEC.height // CELL, SPEC.width // CELL)


class Places(NamedTuple):
    """What the network says of N crops.

    Attributes:
        maps: (N, 17, 32, 16) how likely each cell is, as logits.
        points: (N, 17, 2) x and y as shares of the crop's width and height.
        inside: (N, 17) whether the joint lies within the crop, as logits.
    """

    maps: Tensor
    points: Tensor
    inside: Tensor


class PoseNetwork(nn.Module):
    """See the module's text. 0.5 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *_WIDTHS[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(i, o, 2), _convolution(o, o, 1))
            for i, o in zip(inputs, _WIDTHS, strict=True)
        )
        self.across = nn.ModuleList(nn.Conv2d(width, _WIDTHS[1], 1) for width in _WIDTHS[1:])
        self.smooth = _convolution(_WIDTHS[1], _WIDTHS[1], 1)
        self.maps = nn.Conv2d(_WIDTHS[1], JOINTS, 1)
        nn.init.zeros_(self.maps.weight)  # begins with `prior` alone
        self.prior = nn.Parameter(torch.zeros(JOINTS, *_CELLS))
        self.inside = nn.Linear(_WIDTHS[-1] * 2, JOINTS)

    def forward(self, images: Tensor) -> Places:
        """Of images (N, 3, 128, 64), normalised as `SPEC` says."""
        x, levels = images, []
        for stage in self.down:
            x = stage(x)
            levels.append(x)
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)
        merged = self.across[-1](x)
        for across, level in zip(self.across[-2::-1], levels[-2:0:-1], strict=True):
            merged = F.interpolate(merged, scale_factor=2.0) + across(level)
        maps = self.maps(self.smooth(merged)).float() + self.prior
        return Places(maps, mean_places(maps), self.inside(pooled).float())


def bells(points: Tensor, deviations: Tensor) -> Tensor:
    """Maps (..., 32, 16) of the logits of Gaussians about points (..., 2), x and y in pixels of the
    input, with standard deviations (..., 2) in the same."""
    down, across = (torch.arange(n, device=points.device) + 0.5 for n in _CELLS)
    x, y = (points / deviations).unbind(-1)
    wide, high = (CELL / deviations).unbind(-1)
    columns = (across * wide[..., None] - x[..., None]).square()
    rows = (down * high[..., None] - y[..., None]).square()
    return -(rows[..., :, None] + columns[..., None, :]) / 2


def mean_places(maps: Tensor) -> Tensor:
    """Where maps (N, J, H, W) of logits lie in the mean: (N, J, 2), shares of width and height."""
    height, width = maps.shape[2:]
    shares = maps.flatten(2).softmax(dim=2).view_as(maps)
    x = (torch.arange(width, device=maps.device) + 0.5) / width
    y = (torch.arange(height, device=maps.device) + 0.5) / height
    return torch.stack([(shares.sum(2) * x).sum(2), (shares.sum(3) * y).sum(2)], dim=2)


def save_pose(file: Path, network: PoseNetwork) -> None:
    """Write the weights; nothing in the file is ever run."""
    tensors = {name: value.contiguous().cpu() for name, value in network.state_dict().items()}
    save_file(tensors, file, metadata=_FORMAT)


def read_pose(file: Path) -> PoseNetwork:
    """The network that `save_pose` has written, in evaluation mode.

    Raises:
        TrainError: the file holds something else.
    """
    network = PoseNetwork()
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ValueError("too large")
        with safe_open(file, framework="pt") as content:
            if content.metadata() != _FORMAT:
                raise ValueError(f"described as {json.dumps(content.metadata())}")
            names = content.keys()
            network.load_state_dict({name: content.get_tensor(name) for name in names})
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise TrainError(
            f"{file}: not a pose network of this version ({reason}); train one with "
            "camtrail-train pose"
        ) from None
    return network.eval().requires_grad_(False)


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
