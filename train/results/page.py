"""A page of several parts, each under a heading of its own."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.ablate.rows import Training
from train.data import DataSet
from train.files import write_text

_HEADING = "# "


def put(page: Path, part: str) -> None:
    """Write ``part``, which begins with its heading, in place of the one of the same heading.

    All others stay as they are; a new one comes last.
    """
    old = page.read_text(encoding="utf-8") if page.is_file() else ""
    parts = {text.partition("\n")[0]: text for text in _parts(old)}
    parts[part.partition("\n")[0]] = part
    write_text(page, "\n".join(text.strip("\n") + "\n" for text in parts.values()))


def _parts(text: str) -> list[str]:
    first, *others = ("\n" + text).split("\n" + _HEADING)
    return [first] * bool(first.strip()) + [_HEADING + other for other in others]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown, figures to the right."""
    lines = [cells(head), "|---|" + "---:|" * (len(head) - 1), *map(cells, rows)]
    return "\n".join(lines)


def cells(texts: Sequence[str]) -> str:
    """One line of a table."""
    return "| " + " | ".join(texts) + " |"


def spread(rates: Sequence[float], scale: float = 100, digits: int = 1) -> str:
    """Mean and, of several, standard deviation; in per cent by default."""
    mean = f"{scale * statistics.mean(rates):.{digits}f}"
    return f"{mean} ± {scale * statistics.stdev(rates):.{digits}f}" if len(rates) > 1 else mean


def minutes(seconds: Sequence[float]) -> str:
    """From the shortest to the longest."""
    return f"{min(seconds) / 60:.1f} to {max(seconds) / 60:.1f}"


def opening(
    title: str,
    record: Mapping[str, Any],
    data: DataSet,
    seeds: Sequence[int],
    start: str = "From random weights.",
) -> str:
    """Heading, data and protocol; ``record`` is of any of the trainings, ``start`` says what they
    begin with."""
    people = len({sample.identity for sample in data.query})
    return f"""# {title} on simulated people

{data.name}: {record["train_images"]} images of {record["train_identities"]} identities to learn \
from; {record["query_images"]} queries and {record["gallery_images"]} gallery images of {people} \
other identities. {start} Market-1501's protocol, cosine, average precision by \
trapezoid, in per cent: mean and, behind the sign, standard deviation over the seeds \
{", ".join(map(str, seeds))}. The last epoch is what was measured, once. Minutes are of training, \
on {record["device"]} in {str(record["precision"]).replace("no", "fp32")}. """


def closing(command: str, record: Mapping[str, Any], trainings: Mapping[str, Training]) -> str:
    """How it was made."""
    rows = "\n".join(_settings(name, training) for name, training in trainings.items())
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return f"""Made by

    {command}

which resumes after a stop. The settings are those of `camtrail-train config METHOD` with these \
changes:

{rows}

Versions: {versions}.
"""


def _settings(name: str, training: Training) -> str:
    changes = " ".join(f"`--set {change}`" for change in training.changes)
    return f"- {name}: `{training.method}` {changes}"
