"""The result of one check, and how an exception becomes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from pipeline.config import redact
from pipeline.errors import CamtrailError


class Status(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """What was looked at, how it is, and what to do where it is not well."""

    name: str
    status: Status
    detail: str
    advice: str = ""


def ok(name: str, detail: str) -> Check:
    return Check(name, Status.OK, detail)


def warn(name: str, detail: str, advice: str) -> Check:
    return Check(name, Status.WARN, detail, advice)


def fail(name: str, detail: str, advice: str = "") -> Check:
    return Check(name, Status.FAIL, detail, advice)


def guarded(name: str, check: Callable[[], Iterable[Check]]) -> list[Check]:
    """What ``check`` finds; what it raises is a failure, so that the other checks still run."""
    try:
        return list(check())
    except CamtrailError as error:
        return [fail(name, redact(str(error)))]
    except Exception as error:  # a broken installation raises anything
        return [fail(name, redact(f"{type(error).__name__}: {error}"), "see the error")]
