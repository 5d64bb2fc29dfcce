"""What is done to training images, so that a network learns what to ignore.

Every chance, strength and size is a value of `Augmentation`, which is a part of each method's
YAML file. What is 0 is not done:

>>> Transform(Augmentation(mirror=0.5, pad=10, erase=0.5), InputSpec(height=256, width=128))
"""

from __future__ import annotations

from typing import Annotated, Any, cast

import cv2
import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor
from torchvision.transforms import v2

from reid_models.description import InputSpec
from reid_models.preprocess import resize

Chance = Annotated[float, Field(ge=0, le=1)]
Strength = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]

_BLUR_KERNEL = 5  # pixels of the network's input
_BLUR_SIGMA = (0.3, 1.5)


class Augmentation(BaseModel):
    """The changes, in the order in which they are made.

    Attributes:
        another_camera: chance of `another_camera`.
        mirror: chance of the mirror image.
        pad: black pixels added on each side, before the input's size is cut out at random.
        rotate: degrees, at most, to either side.
        shift: share of height and of width by which the picture moves, at most.
        zoom: share by which the picture grows or shrinks, at most.
        brightness, contrast, saturation, hue: strengths of torchvision's ``ColorJitter``.
        blur: chance of a Gaussian blur.
        erase: chance that a rectangle is erased (set to the mean).
        erase_area: the rectangle's least and greatest share of the picture.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    another_camera: Chance = 0.0
    mirror: Chance = 0.0
    pad: Annotated[int, Field(ge=0, le=256)] = 0
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    shift: Share = 0.0
    zoom: Share = 0.0
    brightness: Strength = 0.0
    contrast: Strength = 0.0
    saturation: Strength = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    blur: Chance = 0.0
    erase: Chance = 0.0
    erase_area: tuple[Share, Share] = (0.02, 0.33)

    @model_validator(mode="after")
    def _ordered(self) -> Augmentation:
        least, most = self.erase_area
        if not 0 < least <= most:
            raise ValueError(f"erase_area: [{least}, {most}] is not a range above 0")
        return self


class Transform:
    """From an RGB image of any size to a network's input, a little different every time.

    The size is changed as for inference (`reid_models.preprocess`), so that training sees what
    the encoder will see. All chance is drawn from torch's global generator.

    Args:
        augmentation: what is changed; ``Augmentation()`` changes nothing.
        spec: size, colours and normalisation of the input.
    """

    def __init__(self, augmentation: Augmentation, spec: InputSpec) -> None:
        self._spec = spec
        self._another_camera = augmentation.another_camera
        self._steps = _steps(augmentation, spec)

    def __call__(self, image: npt.NDArray[np.uint8]) -> Tensor:
        """An RGB uint8 image H x W x 3 as float32 (3, height, width)."""
        image = resize(image, self._spec.height, self._spec.width)
        if self._another_camera and torch.rand(()) < self._another_camera:
            image = another_camera(image)
        tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        return cast(Tensor, self._steps(tensor))


def another_camera(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The RGB image as a camera of another white balance, gamma, exposure and contrast saw it.

    torchvision's colour jitter has no white balance and no gamma, which are what differs most
    between real cameras, and costs ten times this table.
    """
    gains = torch.empty(3).uniform_(0.88, 1.14).numpy()
    gamma, exposure, contrast = torch.empty(3).uniform_(-1, 1).numpy()
    levels = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    curve = (levels ** (2 ** (0.6 * gamma))) * gains * (1 + 0.2 * exposure)
    curve = (curve - 0.5) * (1 + 0.25 * contrast) + 0.5
    table = np.clip(curve * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def _steps(augmentation: Augmentation, spec: InputSpec) -> v2.Compose:
    """All but the first two steps of a `Transform`, on a uint8 tensor (3, height, width)."""
    a = augmentation
    steps: list[Any] = []
    if a.mirror:
        steps.append(v2.RandomHorizontalFlip(a.mirror))
    if a.pad:
        steps.append(v2.RandomCrop((spec.height, spec.width), padding=a.pad))
    if a.rotate or a.shift or a.zoom:
        zoom = (1 - a.zoom, 1 + a.zoom)
        steps.append(v2.RandomAffine(a.rotate, translate=(a.shift, a.shift), scale=zoom))
    steps.append(v2.ToDtype(torch.float32, scale=True))
    if a.brightness or a.contrast or a.saturation or a.hue:
        steps.append(v2.ColorJitter(a.brightness, a.contrast, a.saturation, a.hue))
    if a.blur:
        steps.append(v2.RandomApply([v2.GaussianBlur(_BLUR_KERNEL, _BLUR_SIGMA)], a.blur))
    steps.append(_normalise(spec))
    if a.erase:
        steps.append(v2.RandomErasing(a.erase, a.erase_area))
    return v2.Compose(steps)


def _normalise(spec: InputSpec) -> v2.Normalize:
    return v2.Normalize([value / 255 for value in spec.mean], [value / 255 for value in spec.std])
