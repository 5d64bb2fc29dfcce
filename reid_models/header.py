"""What an encoder file says of itself, and its fingerprint: read without torch or onnxruntime."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import yaml
from safetensors import SafetensorError, safe_open

from reid_models.description import Description, parse_description
from reid_models.errors import EncoderError

KEY = "camtrail"  # of the description in the metadata of a .safetensors file

DESCRIBED = ".onnx", ".xml", ".engine"  # have their description in the YAML beside them

_MAX_HEADER = 8 << 20  # bytes; ours has about 20 KB, and the header is parsed before anything else
_MAX_YAML = 1 << 20  # bytes


def describe_encoder(path: str | Path) -> tuple[Description, str]:
    """What the file says of itself, and its fingerprint; whether its weights fit is not looked at.

    Raises:
        EncoderError: the file is missing, truncated, no encoder, or its description is bad.
    """
    path = Path(path)
    description = read_description(path)
    return description, fingerprint(path, description)


def read_description(path: Path) -> Description:
    """That in the header of a ``.safetensors`` file, or in the YAML beside an exported one.

    Raises:
        EncoderError: the file is missing, truncated, no encoder, or its description is bad.
    """
    if path.suffix in DESCRIBED:
        return _beside(path)
    if path.suffix == ".safetensors":
        return read_header(path)
    raise EncoderError(
        f"{path}: an encoder file ends in .safetensors, .onnx, .xml (OpenVINO) or .engine "
        "(TensorRT)"
    )


def network_files(path: Path) -> list[Path]:
    """Those that hold an encoder's network: with OpenVINO its weights stand in NAME.bin.

    Digests take them in this order. The weights come first: what follows them in NAME.bin is not
    read, nor what follows the network in NAME.xml, so that the other way round a byte could go from
    the end of one to the beginning of the other, which gives other weights and the same digest.
    """
    return [path.with_suffix(".bin"), path] if path.suffix == ".xml" else [path]


def encoder_files(path: Path) -> list[Path]:
    """All of an encoder; last the one by which it is known."""
    described = [path.with_suffix(".yaml")] if path.suffix in DESCRIBED else []
    return [*described, *network_files(path)]


def read_header(path: Path) -> Description:
    """The description in the header of a ``.safetensors`` file, whatever its name ends in.

    Raises:
        EncoderError: the file is missing, truncated, no encoder, or its description is bad.
    """
    _check_header(path)
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise EncoderError(
            f"{path}: truncated or not a safetensors file ({error}); copy or export it again"
        ) from None
    if KEY not in metadata:
        raise EncoderError(
            f"{path}: has weights but no camtrail description in its header; "
            "write encoders with reid_models.save_encoder"
        )
    try:
        data = json.loads(metadata[KEY])
    except ValueError:
        raise EncoderError(f"{path}: the description in the header is not JSON") from None
    return parse_description(data, str(path))


def fingerprint(path: Path, description: Description) -> str:
    """32 hexadecimal digits: a digest of weights and description."""
    digest = hashlib.sha256(description.model_dump_json().encode())
    for part in network_files(path):
        with part.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:32]


def _check_header(path: Path) -> None:
    if not path.is_file():
        raise EncoderError(f"{path}: no such encoder file")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= length <= min(_MAX_HEADER, size - 8):
        raise EncoderError(f"{path}: truncated or not a safetensors file ({size} bytes)")


def _beside(path: Path) -> Description:
    if not path.is_file():
        raise EncoderError(f"{path}: no such encoder file")
    for part in network_files(path):
        if not part.is_file():
            raise EncoderError(f"{path}: needs its weights in {part.name} beside it")
    beside = path.with_suffix(".yaml")
    if not beside.is_file():
        raise EncoderError(
            f"{path}: needs its description in {beside.name} beside it, with "
            "input: {height, width, layout: nchw|nhwc, colour: rgb|bgr, mean, std} and dimension"
        )
    if beside.stat().st_size > _MAX_YAML:
        raise EncoderError(f"{beside}: larger than 1 MB, which no description is")
    try:
        data = yaml.safe_load(beside.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EncoderError(f"{beside}: not YAML: {error}") from None
    return parse_description(data, str(beside))
