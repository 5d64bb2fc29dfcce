"""What the runtimes of exported encoders have in common: the form of their pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reid_models.description import Description
from reid_models.errors import EncoderError

AT_ONCE = 32  # crops: beyond this the time a crop no longer falls, and memory grows

FloatArray = npt.NDArray[np.float32]


class Exported(ABC):
    """A network in a file of another runtime, with its description beside it.

    A file with a fixed batch of 1 is run crop by crop: to change only the batch dimension would run
    as well, but lets reductions mix the crops of a batch.

    Args:
        shape: of its input, numbers where they are fixed.
    """

    def __init__(self, path: Path, description: Description, shape: Sequence[object]) -> None:
        self._path = path
        self._nchw = description.input.layout == "nchw"
        _check_shape(path, description, list(shape))
        self._one_by_one = isinstance(shape[0], int)

    def __call__(self, batch: FloatArray) -> FloatArray:
        """Embeddings (N, D) of pictures (N, H, W, 3).

        Raises:
            EncoderError: the network fails, or gives another number of them.
        """
        if self._nchw:
            batch = batch.transpose(0, 3, 1, 2)
        batch = np.ascontiguousarray(batch)
        parts = [batch[i : i + 1] for i in range(len(batch))] if self._one_by_one else [batch]
        return np.concatenate([self._embed(part) for part in parts])

    def _embed(self, batch: FloatArray) -> FloatArray:
        try:
            found = self._run(batch)
        except Exception as error:  # each runtime has classes of its own for its faults
            why = " ".join(str(error).split())[:200]
            raise EncoderError(f"{self._path}: fails on {len(batch)} crops: {why}") from None
        if found.shape[:1] != batch.shape[:1]:
            raise EncoderError(f"{self._path}: gives {found.shape} for {len(batch)} crops")
        return found.reshape(len(batch), -1)

    @abstractmethod
    def _run(self, batch: FloatArray) -> FloatArray:
        """Of a batch in the layout of the file."""

    def _check_dimension(self, description: Description) -> None:
        spec = description.input
        out = self(np.zeros((2, spec.height, spec.width, 3), np.float32))
        if out.shape[1] != description.dimension:
            raise EncoderError(
                f"{self._path}: gives embeddings of {out.shape[1]} numbers, but "
                f"{self._path.with_suffix('.yaml').name} says dimension {description.dimension}"
            )


def check_ends(path: Path, inputs: int, outputs: int) -> None:
    """Of a network, of which an encoder has one each.

    Raises:
        EncoderError: it has another number.
    """
    if inputs != 1 or outputs != 1:
        raise EncoderError(
            f"{path}: an encoder has one input and one output, this has {inputs} and {outputs}"
        )


def _check_shape(path: Path, description: Description, shape: list[object]) -> None:
    spec = description.input
    size = [spec.height, spec.width]
    wanted: list[object] = [3, *size] if spec.layout == "nchw" else [*size, 3]
    fits = len(shape) == 4 and all(
        not isinstance(has, int) or has == want for has, want in zip(shape[1:], wanted, strict=True)
    )
    if not fits or (isinstance(shape[0], int) and shape[0] != 1):
        raise EncoderError(
            f"{path}: its input is {shape}, but {path.with_suffix('.yaml').name} "
            f"describes [N, {', '.join(map(str, wanted))}] ({spec.layout})"
        )
