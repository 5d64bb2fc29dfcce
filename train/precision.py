"""In which numbers a machine computes best."""

from __future__ import annotations

from typing import Literal

import torch

from train.errors import TrainError

Precision = Literal["auto", "fp32", "bf16", "fp16"]


def has_fast_bf16() -> bool:
    """True for CUDA since Ampere, and for CPUs with AVX512-BF16 or AMX."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    features = torch.cpu.get_capabilities()
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))


def mixed_precision(chosen: Precision) -> Literal["no", "bf16", "fp16"]:
    """What to ask `accelerate` for; ``auto`` takes bf16, fp16 or fp32, the first that is fast.

    Raises:
        TrainError: fp16 without a GPU.
    """
    cuda = torch.cuda.is_available()
    match chosen:
        case "fp32":
            return "no"
        case "bf16":
            return "bf16"
        case "fp16" if not cuda:
            raise TrainError("precision=fp16 needs a GPU; set bf16, fp32 or auto")
        case "fp16":
            return "fp16"
        case "auto":
            return "bf16" if has_fast_bf16() else "fp16" if cuda else "no"
