"""Whether this machine multiplies bfloat16 in hardware."""

from __future__ import annotations

import torch


def has_fast_bf16() -> bool:
    """True for CUDA since Ampere, and for CPUs with AVX512-BF16 or AMX."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    features = torch.cpu.get_capabilities()
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))
