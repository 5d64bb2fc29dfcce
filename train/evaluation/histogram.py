"""The baseline that a learned encoder has to beat: colour alone, without learning."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

_STRIPES, _BINS = 6, 8


def colour_histogram(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """HSV 8 x 8 x 8 in six horizontal stripes of an RGB image, as (3072,) floats.

    The entries are square roots of shares, so that the Euclidean distance of two such vectors
    sorts as the mean of their stripes' squared Bhattacharyya (Hellinger) distances.
    """
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    edges = np.linspace(0, len(hsv), _STRIPES + 1).astype(int)
    parts = []
    for top, bottom in pairwise(edges):
        stripe = hsv[top : max(bottom, top + 1)]
        counts = cv2.calcHist([stripe], [0, 1, 2], None, [_BINS] * 3, [0, 180, 0, 256, 0, 256])
        parts.append(counts.ravel() / max(counts.sum(), 1))
    return np.sqrt(np.concatenate(parts) / _STRIPES).astype(np.float32)
