"""Checks of the arguments that networks are built with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from reid_models.errors import EncoderError


def check_whole(network: str, name: str, value: object, low: int, high: int) -> None:
    """``value`` must be a whole number from ``low`` to ``high``.

    Raises:
        EncoderError: names the network, the argument and the range.
    """
    if type(value) is not int or not low <= value <= high:
        raise EncoderError(
            f"{network}: {name} must be a whole number from {low} to {high}, not {value!r}"
        )


def check_choice(network: str, name: str, value: object, allowed: Collection[object]) -> None:
    """``value`` must be one of ``allowed``.

    Raises:
        EncoderError: names the network, the argument and what is allowed.
    """
    if not any(type(value) is type(choice) and value == choice for choice in allowed):
        choices = ", ".join(map(str, allowed))
        raise EncoderError(f"{network}: {name} must be one of {choices}, not {value!r}")


def check_pairs(network: str, name: str, value: object, what: str) -> list[tuple[Any, Any]]:
    """``value`` must be 1 to 8 pairs; what they hold is the caller's to check.

    Args:
        what: the pairs' meaning and an example.

    Raises:
        EncoderError: names the network and the argument.
    """
    if (
        not isinstance(value, Sequence)
        or not 1 <= len(value) <= 8
        or not all(isinstance(pair, Sequence) and len(pair) == 2 for pair in value)
    ):
        raise EncoderError(f"{network}: {name} must be 1 to 8 pairs of {what}, not {value!r}")
    return [(first, second) for first, second in value]
