"""Layers that the generating networks share."""

from __future__ import annotations

from typing import Literal, cast

from torch import Tensor, nn

_SLOPE = 0.2


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A convolution that keeps the size, or divides it by ``stride``.

    What lies outside is the mirror image, since zeros would show as a frame; a dilated kernel,
    which may reach farther than the map is wide, sees zeros.
    """
    padding = dilation * (kernel // 2)
    outside: Literal["reflect", "zeros"] = "reflect" if padding and dilation == 1 else "zeros"
    return nn.Conv2d(
        inputs, outputs, kernel, stride, padding, dilation=dilation, padding_mode=outside
    )


def leaky() -> nn.LeakyReLU:
    """The non-linearity of all of them."""
    return nn.LeakyReLU(_SLOPE)


def initialise(module: nn.Module) -> None:
    """He et al., "Delving Deep into Rectifiers" (2015): what goes through keeps its spread.

    With torch's own start it shrinks in every layer, and the appearance code, which passes three
    before it sets an adaptive norm, has next to no say in an image at first.
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, _SLOPE)
        nn.init.zeros_(cast(Tensor, module.bias))


class Residual(nn.Module):
    """``x + branch(x)``."""

    def __init__(self, *branch: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*branch)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)  # type: ignore[no-any-return]
