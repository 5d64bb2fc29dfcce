"""From what stands behind ``--data`` to a data set.

===============================================  =================================================
``simulated[:seed=9002,train_identities=300]``   simulated people, rendered on first use
``FOLDER``                                       recognised by what it holds
``NAME:FOLDER``                                  must be that data set, in the published size
``NAME:FOLDER,split=3``                          one of the choices that the data set offers
``NAME:FOLDER,unchecked``                        with whatever counts it has, e.g. a part of it
===============================================  =================================================

The names are those of `train.data.layouts`. Where a folder was recognised without being named,
other counts than the published ones are a note and no error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from train.data.dataset import DataSet
from train.data.layouts import FOLDER, LAYOUTS, Layout
from train.data.simulated import PREFIX, simulated_folder
from train.data.verify import Counts, verified
from train.errors import TrainError

_UNCHECKED = "unchecked"
_OPTION = re.compile(r"(?:[a-z]+=[a-z0-9]+|[a-z]+)\Z")


def open_data(name: str) -> DataSet:
    """The data set of ``--data``.

    Raises:
        TrainError: says what is wrong with the name, the options or the folder.
    """
    if name == PREFIX or name.startswith(f"{PREFIX}:"):
        return replace(load_folder(simulated_folder(name), name), kind=PREFIX)
    named, folder, items = _parse(name)
    if not folder.is_dir():
        known = ", ".join(layout.name for layout in LAYOUTS)
        raise TrainError(
            f"{folder}: no such folder, nor a known data set; give a folder, NAME:FOLDER "
            f"(NAME is one of {known}) or {PREFIX}"
        )
    layout = named or _recognised(folder)
    counts: Counts = "error" if named else "note"
    if _UNCHECKED in items:
        counts = "ignore"
    options = _options(name, layout, [item for item in items if item != _UNCHECKED])
    found = layout.find(folder, options)
    return verified(found, named.name if named else folder.resolve().name, counts)


def load_folder(folder: Path, name: str) -> DataSet:
    """A folder in Market-1501's layout, whatever it holds.

    Raises:
        TrainError: see `train.data.verify.verified`.
    """
    return verified(FOLDER.find(folder, {}), name)


def _parse(name: str) -> tuple[Layout | None, Path, list[str]]:
    """The layout that was named, the folder, and the options behind it."""
    kind, colon, rest = name.partition(":")
    named = next((layout for layout in LAYOUTS if colon and layout.name == kind), None)
    place = rest if named else name
    items: list[str] = []
    while not Path(place).is_dir():  # a folder's own name may hold commas
        place, comma, item = place.rpartition(",")
        if not comma or not _OPTION.match(item):
            return named, Path(rest if named else name), []
        items.insert(0, item)
    return named, Path(place), items


def _recognised(folder: Path) -> Layout:
    """The layout that the folder fits; Market-1501's, which then says what it misses, if none."""
    for layout in LAYOUTS:
        if layout.fits(folder):
            return layout
    for inside in sorted(folder.iterdir()):
        if inside.is_dir() and any(layout.fits(inside) for layout in LAYOUTS):
            raise TrainError(f"{folder}: no data set, but {inside} looks like one: give that")
    return FOLDER


def _options(name: str, layout: Layout, items: Sequence[str]) -> Mapping[str, str]:
    """A value for each option of the layout."""
    values = {key: choices[0] for key, choices in layout.options.items()}
    for item in items:
        key, _, value = item.partition("=")
        if key not in layout.options:
            known = ", ".join([*layout.options, _UNCHECKED])
            raise TrainError(f"--data {name}: unknown option {key!r}; {layout.name} has: {known}")
        if value not in layout.options[key]:
            raise TrainError(
                f"--data {name}: {key} is one of {', '.join(layout.options[key])}, not {value!r}"
            )
        values[key] = value
    return values
