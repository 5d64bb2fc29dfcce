"""How a camera turns light into numbers: lighting, lens, colours, noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.simulate.view import View

Image = npt.NDArray[np.uint8]

NOISE_FIELDS = 6


@dataclass(frozen=True)
class Style:
    """The numbers behind one camera's picture.

    `gains`: white balance (B, G, R); `gamma` > 1 darkens the middle tones; `contrast` about the
    middle grey; `saturation` 1 is neutral; `blur` and `noise` are standard deviations in pixels
    and in grey levels; `vignette` is the loss of light in the corners in [0, 1].
    """

    gains: tuple[float, float, float]
    gamma: float
    contrast: float
    lift: float
    saturation: float
    blur: float
    noise: float
    vignette: float


def sample_style(rng: np.random.Generator) -> Style:
    warmth, tint = rng.normal(0, 0.11), rng.normal(0, 0.035)
    return Style(
        gains=(float(np.exp(-warmth)), float(np.exp(tint)), float(np.exp(warmth))),
        gamma=float(np.exp(rng.uniform(-0.34, 0.30))),
        contrast=float(rng.uniform(0.78, 1.18)),
        lift=float(rng.uniform(-8, 16)),
        saturation=float(rng.uniform(0.6, 1.3)),
        blur=float(rng.uniform(0.3, 1.15)),
        noise=float(rng.uniform(1.0, 6.0)),
        vignette=float(rng.uniform(0.05, 0.4)),
    )


class Response:
    """Applies a `Style` to frames of one size."""

    def __init__(self, rng: np.random.Generator, style: Style, view: View) -> None:
        self._style = style
        self._light = _lighting(rng, style, view)
        self._curve = _curve(style)
        grey = np.array([0.114, 0.587, 0.299])
        s = style.saturation
        self._mix = (s * np.eye(3) + (1 - s) * grey[None, :]).astype(np.float32)
        self._noise = [_noise(rng, style, view) for _ in range(NOISE_FIELDS)]

    def apply(self, rng: np.random.Generator, frame: Image) -> Image:
        """(h, w, 3) uint8 BGR of the scene to what the camera gives; the input is not changed."""
        lit = cv2.multiply(frame, self._light, scale=1 / 128)
        lit = cv2.GaussianBlur(lit, (0, 0), self._style.blur)
        shot = cv2.LUT(cv2.transform(lit, self._mix), self._curve)
        bright, dark = self._noise[int(rng.integers(NOISE_FIELDS))]
        if rng.random() < 0.5:
            bright, dark = dark, bright
        return cast(Image, cv2.subtract(cv2.add(shot, bright), dark))


def _lighting(rng: np.random.Generator, style: Style, view: View) -> Image:
    """Pools of light and corners that fall off, as 128 = unchanged."""
    pools = cv2.resize(
        rng.uniform(0.78, 1.2, (3, 4)).astype(np.float32),
        (view.width, view.height),
        interpolation=cv2.INTER_CUBIC,
    )
    y, x = np.mgrid[-1 : 1 : view.height * 1j, -1 : 1 : view.width * 1j]
    fall = 1 - style.vignette * (x * x + y * y) / 2
    light = np.clip(pools * fall * 128, 0, 255).astype(np.uint8)
    return np.asarray(cv2.merge([light] * 3), np.uint8)


def _curve(style: Style) -> Image:
    levels = np.arange(256) / 255.0
    curves = []
    for gain in style.gains:
        value = np.clip(levels * gain, 0, 1) ** style.gamma
        value = 0.5 + (value - 0.5) * style.contrast
        curves.append(np.clip(value * 255 + style.lift, 0, 255))
    return np.stack(curves, axis=1).astype(np.uint8).reshape(256, 1, 3)


def _noise(rng: np.random.Generator, style: Style, view: View) -> tuple[Image, Image]:
    grey = rng.normal(0, style.noise, (view.height, view.width, 1))
    colour = cv2.resize(
        rng.normal(0, style.noise * 0.7, (view.height // 2, view.width // 2, 3)),
        (view.width, view.height),
    )
    field = grey + colour
    return np.maximum(field, 0).astype(np.uint8), np.maximum(-field, 0).astype(np.uint8)
