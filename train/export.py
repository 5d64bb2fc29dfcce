"""An encoder as a file to take elsewhere: for another runtime, with its description beside it."""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
import yaml

from reid_models import Description, load_encoder, save_encoder
from reid_models.exported import AT_ONCE
from reid_models.header import DESCRIBED, encoder_files
from reid_models.openvino_runtime import NEEDED, unmapped
from reid_models.weights import read_encoder
from train.errors import TrainError

TOLERANCE = 1e-4  # by which any number of an embedding may differ after the export
_PARTIAL = ".export-"  # begins the name of the folder in which an export is made
_OPSET = 17
_CROPS = 40  # made-up crops that the two are compared on; more than go together


def export_encoder(source: Path, target: Path) -> float:
    """Writes ``target``, and compares the embeddings of the two.

    All but ``.safetensors`` have their description beside them, as ``NAME.yaml``, and ``.xml`` has
    its weights in ``NAME.bin``. What is written appears only if the embeddings agree.

    Args:
        source: an encoder file (.safetensors).
        target: the file to write: ``.onnx``, ``.xml`` of OpenVINO, ``.engine`` of TensorRT or
            ``.safetensors``.

    Returns:
        The largest difference of any number of an embedding, at most `TOLERANCE`.

    Raises:
        TrainError: the target has another ending, or a description of something else beside it,
            what the export needs is not there, or what was exported gives something else.
        EncoderError: the source is no encoder file.
    """
    _check(target)
    network, description = read_encoder(source)
    _check_beside(target, _yaml(description))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=_PARTIAL) as folder:
        made = Path(folder) / target.name
        _write(network, description, made)
        if made.suffix in DESCRIBED:
            made.with_suffix(".yaml").write_text(_yaml(description), encoding="utf-8")
        difference = largest_difference(source, made)
        if not difference <= TOLERANCE:
            raise TrainError(
                f"{source}: after the export embeddings differ by {difference:.1e}, more than "
                f"{TOLERANCE:.0e}; nothing was written"
            )
        for part in encoder_files(made):
            part.replace(target.with_name(part.name))
    return difference


def largest_difference(one: Path, other: Path) -> float:
    """Of any number of the embeddings that two encoder files give the same crops, on the CPU; an
    engine of TensorRT on its GPU.
    """
    rng = np.random.default_rng(0)
    sizes = rng.integers(24, 300, (_CROPS, 2))
    crops = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in sizes.tolist()]
    first, second = (
        load_encoder(path, "auto" if path.suffix == ".engine" else "cpu").embed(crops)
        for path in (one, other)
    )
    return float(np.abs(first - second).max())


def _check(target: Path) -> None:
    if target.suffix not in (*DESCRIBED, ".safetensors"):
        raise TrainError(
            f"{target}: the name of an exported encoder ends in .onnx, .xml (OpenVINO), .engine "
            "(TensorRT) or .safetensors"
        )
    if target.suffix == ".xml" and importlib.util.find_spec("openvino") is None:
        raise TrainError(f"{target}: {NEEDED}")
    if target.suffix == ".engine":
        if not torch.cuda.is_available():
            raise TrainError(
                f"{target}: an engine of TensorRT is made on the NVIDIA GPU that is to run it; "
                "there is none here"
            )
        if importlib.util.find_spec("tensorrt") is None:
            raise TrainError(f"{target}: needs the Python package tensorrt")


def _check_beside(target: Path, description: str) -> None:
    """That the description replaces none but that of the target itself."""
    beside = target.with_suffix(".yaml")
    if target.suffix not in DESCRIBED or not beside.exists():
        return
    shared = [s for s in DESCRIBED if s != target.suffix and target.with_suffix(s).exists()]
    same = beside.read_text(encoding="utf-8", errors="replace") == description
    if not same and (shared or not target.exists()):
        raise TrainError(f"{beside}: is there and says something else; choose another name")


def _write(network: torch.nn.Module, description: Description, target: Path) -> None:
    if target.suffix == ".safetensors":
        save_encoder(target, network, description)
        return
    onnx = target.with_suffix(".onnx")
    _write_onnx(network, description, onnx)
    if target.suffix == ".xml":
        _write_openvino(onnx, target)
    elif target.suffix == ".engine":
        _write_engine(onnx, description, target)


def _write_onnx(network: torch.nn.Module, description: Description, target: Path) -> None:
    spec = description.input
    pictures = torch.zeros(2, 3, spec.height, spec.width)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of torch's own, about the way we chose
        torch.onnx.export(
            network,
            (pictures,),
            str(target),
            opset_version=_OPSET,
            input_names=["crops"],
            output_names=["embeddings"],
            dynamic_axes={"crops": {0: "n"}, "embeddings": {0: "n"}},
            dynamo=False,
        )


def _write_openvino(onnx: Path, target: Path) -> None:
    model = unmapped().read_model(onnx)
    import openvino

    openvino.save_model(model, target, compress_to_fp16=False)


def _write_engine(onnx: Path, description: Description, target: Path) -> None:
    import tensorrt

    logger = tensorrt.Logger(tensorrt.Logger.ERROR)
    try:
        builder = tensorrt.Builder(logger)
    except Exception as error:  # where the driver does not fit
        raise TrainError(f"{target}: TensorRT does not run here: {error}") from None
    network = builder.create_network(0)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(onnx.read_bytes()):
        raise TrainError(
            f"{target}: TensorRT cannot read the network: {parser.get_error(0).desc()}"
        )
    sides = 3, description.input.height, description.input.width
    profile = builder.create_optimization_profile()
    profile.set_shape("crops", (1, *sides), (AT_ONCE // 2, *sides), (AT_ONCE, *sides))
    config = builder.create_builder_config()
    config.add_optimization_profile(profile)
    config.clear_flag(tensorrt.BuilderFlag.TF32)  # else embeddings differ by more than is allowed
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise TrainError(f"{target}: TensorRT could not make the engine; its log says why")
    target.write_bytes(plan)


def _yaml(description: Description) -> str:
    kept = description.model_dump(mode="json", exclude={"architecture", "arguments"})
    return yaml.safe_dump(kept, sort_keys=False)
