"""What runs the network of a detector: torch, or the runtime of an exported file.

Each takes the same pictures and gives the same numbers, so what comes before the network and after
it is in one place, `pipeline.inference.detector`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol

from pipeline import config
from pipeline.inference.digest import verify
from pipeline.inference.weights import find_weights
from pipeline.records import Image

MOST = 8  # networks at once; each holds its pictures and layers in memory


class Network(Protocol):
    """A person detector's network, for any number of threads at once.

    Attributes:
        names: of the classes, by their numbers.
        size: of the longer side of the pictures that it was trained or exported for, in pixels.
        stride: of whose multiples their sides are.
        shape: height and width of its pictures where it takes no other; else None.
        end_to_end: whether it leaves one box a person by itself.
    """

    names: dict[int, str]
    size: int
    stride: int
    shape: tuple[int, int] | None
    end_to_end: bool

    @property
    def device(self) -> str: ...

    @property
    def at_once(self) -> int:
        """How many calls at a time keep the device at work."""
        ...

    def share(self, networks: int) -> Callable[[], None]:
        """What each of so many threads that call at a time has to call first."""
        ...

    def __call__(self, batch: Image) -> Any:
        """BGR uint8 pictures (n, h, w, 3) to an array or tensor.

        Of each picture (4 + classes, boxes): centre, width and height, a score for each class; or
        where it is `end_to_end`, (boxes, 6): two corners, score and class.
        """
        ...


def open_network(options: config.Detector, threads: int | None) -> Network:
    """The network in the file that the configuration names, in the runtime that fits it.

    Ultralytics' own ``.pt`` runs in torch on a GPU. On a processor it is exported once, and the
    export, which is kept beside the downloads, runs in onnxruntime: the same boxes in two thirds
    of the time.

    Args:
        threads: of this process' share of the processor; None: all of it.

    Raises:
        CamtrailError: the file is missing, damaged, another than ``sha256`` means, no detector,
            or the device or a package that it needs is not there.
    """
    path = find_weights(options.weights)
    verify(path, options.sha256, "detector")
    mine = threads or len(os.sched_getaffinity(0))
    if path.is_dir():
        from pipeline.inference.runtimes.openvino import OpenVinoNetwork

        return OpenVinoNetwork(path, options.device, mine)
    if path.suffix == ".engine":
        from pipeline.inference.runtimes.tensorrt import TensorRtNetwork

        return TensorRtNetwork(path, options.device)
    from pipeline.inference.runtimes.onnx import OnnxNetwork

    if path.suffix == ".onnx":
        return OnnxNetwork(path, options.device, mine)
    from pipeline.inference.exported import exported_once
    from pipeline.inference.runtimes.pytorch import TorchNetwork, torch_device

    device = torch_device(options.device)
    if device.type == "cpu" and (exported := exported_once(path)) is not None:
        return OnnxNetwork(exported, "cpu", mine)
    return TorchNetwork(path, device, options.half)
