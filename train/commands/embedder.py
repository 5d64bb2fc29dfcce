"""What ``--encoder`` names, and how it sees a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from train.commands.progress import progress_bar

if TYPE_CHECKING:
    from train.data import DataSet
    from train.evaluation import Features

ENCODER_HELP = "A .safetensors file or an export, or: histogram (of colours, without learning)."
HISTOGRAM = "histogram"


class Embedder:
    """An encoder by its file, or the colour histogram by its name.

    Attributes:
        name: as it was given.
        file: None for the histogram.
        trained_on: what the file says of it.
        torch_device: where distances are best computed; None for numpy.

    Raises:
        EncoderError: says what is wrong with the file or the device.
    """

    def __init__(self, name: str, device: str) -> None:
        from reid_models import load_encoder

        self.name = name
        self.file = None if name == HISTOGRAM else Path(name)
        self._encoder = load_encoder(self.file, device) if self.file else None
        used = self._encoder.device if self._encoder else "cpu"
        self.torch_device = None if used == "cpu" else used
        self.trained_on = self._encoder.description.trained_on if self._encoder else "nothing"

    def test_part(self, data: DataSet) -> tuple[Features, Features]:
        """The features of queries and gallery, with a bar on stderr."""
        from train.evaluation import embed_data, histogram_features

        images = len(data.query) + len(data.gallery)
        with progress_bar(f"embedding {data.name}", images) as done:
            if self._encoder is None:
                return histogram_features(data.query, done), histogram_features(data.gallery, done)
            return (
                embed_data(self._encoder, data.query, done),
                embed_data(self._encoder, data.gallery, done),
            )
