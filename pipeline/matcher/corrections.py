"""Carries out what people say: first in the store, then in what the matcher remembers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.bus import Request
from pipeline.errors import CamtrailError, ContradictionError
from pipeline.matcher.answers import Side, put_together, take_apart, two_places
from pipeline.matcher.engine import Engine
from pipeline.records import TrackletKey
from pipeline.store import Link, Said, Saying, Store
from pipeline.store.corrections import storable


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


_Number = Annotated[int, Field(ge=0, le=2**63 - 1)]  # what the store can hold


class _Merge(_Arguments):
    """``force``: though they were in two places at once."""

    identities: tuple[_Number, _Number]
    force: bool = False


class _Some(_Arguments):
    """Some tracklets of an identity, as ``[camera, run, track]``."""

    identity: _Number
    tracklets: list[tuple[str, str, _Number]] = Field(max_length=10_000)

    @property
    def keys(self) -> list[TrackletKey]:
        return [TrackletKey(*key) for key in self.tracklets]


class _Name(_Arguments):
    identity: _Number
    name: str | None


class _Staff(_Arguments):
    identity: _Number
    staff: bool


class _Watch(_Arguments):
    """``reason`` None takes the identity off the list."""

    identity: _Number
    reason: str | None


class _One(_Arguments):
    identity: _Number


class _Pair(_Arguments):
    """Two tracklets as ``[camera, run, track]``; ``force``: as of `_Merge`."""

    tracklets: tuple[tuple[str, str, _Number], tuple[str, str, _Number]]
    force: bool = False


class _Skip(_Arguments):
    tracklet: tuple[str, str, _Number]


class _Undo(_Arguments):
    """``correction`` None is the author's last; an administrator may take back any. ``force``: as
    of `_Merge`.
    """

    correction: _Number | None
    administrator: bool
    force: bool = False


Answer = dict[str, Any]
M = TypeVar("M", bound=_Arguments)


class Corrections:
    """Use it between two batches, when everything decided is in the store."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._kinds: dict[str, Callable[[dict[str, Any], Said], Answer]] = {
            "confirm": self._confirm,
            "merge": self._merge,
            "split": self._split,
            "rename": self._rename,
            "staff": self._staff,
            "watch": self._watch,
            "forget": self._forget,
            "same": partial(self._answer, same=True),
            "different": partial(self._answer, same=False),
            "skip": self._skip,
            "undo": self._undo,
        }

    def carry_out(self, request: Request) -> Answer:
        """Does what is asked and says what came of it.

        Raises:
            ContradictionError: it would only be done with ``force``; nothing has changed.
            CamtrailError: it cannot be done; nothing has changed.
        """
        if request.kind not in self._kinds:
            raise CamtrailError(
                f"{request.kind}: unknown; there are: {', '.join(sorted(self._kinds))}"
            )
        if not storable(request.author):
            raise CamtrailError(f"{request.kind}: the author's name holds no such characters")
        said = Said(request.author, request.time, self._engine.now)
        try:
            return self._kinds[request.kind](request.arguments, said)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise CamtrailError(f"{request.kind}: {place}: {first['msg']}") from None

    def _confirm(self, arguments: dict[str, Any], said: Said) -> Answer:
        asked = _read(_Some, arguments)
        number, keys = self._store.confirm(asked.identity, asked.keys, said)
        self._refresh(asked.identity)
        who = {"identity": asked.identity, "by": said.author}
        return who | {"tracklets": [str(k) for k in keys], "correction": number}

    def _merge(self, arguments: dict[str, Any], said: Said) -> Answer:
        asked = _read(_Merge, arguments)
        survivor, other = sorted(asked.identities)
        if survivor == other:
            raise CamtrailError(f"identity {survivor} cannot be merged with itself")
        against = two_places(
            self._store.visits(survivor), self._store.visits(other), self._engine.topology
        )
        _ask_back(against, force=asked.force)
        number = self._store.merge(survivor, other, replace(said, against=against))
        self._take_over(survivor)
        self._engine.drop(other)
        who = {"identity": survivor, "merged": other}
        return who | {"tracklets": len(self._store.visits(survivor)), "correction": number}

    def _split(self, arguments: dict[str, Any], said: Said) -> Answer:
        asked = _read(_Some, arguments)
        new = self._engine.new_number()
        number = self._store.split(asked.identity, new, asked.keys, said)
        for identity in (new, asked.identity):
            self._take_over(identity)
        who = {"identity": asked.identity, "new": new}
        return who | {"tracklets": len(set(asked.keys)), "correction": number}

    def _answer(self, arguments: dict[str, Any], said: Said, *, same: bool) -> Answer:
        asked = _read(_Pair, arguments)
        one, other = (TrackletKey(*key) for key in asked.tracklets)
        if one == other:
            raise CamtrailError(f"{one} cannot be compared with itself")
        first, second = (
            Side.of(key, self._store.holdings(self._store.owner(key)), self._engine.links)
            for key in (one, other)
        )
        if same:
            move, against = put_together(first, second, self._engine)
            _ask_back(against, force=asked.force)
        else:
            move, against = take_apart(first, second, self._engine), ""
        said = replace(said, against=against)
        number = self._store.answer(one, other, move, said, same=same)
        self._engine.links.add(Link(number, one, other, same), first.identity, second.identity)
        for identity in (move.identity, move.former) if move else ():
            self._take_over(identity)
        who = {"tracklets": [str(one), str(other)], "correction": number}
        return who | {"identity": self._store.owner(one), "moved": len(move.keys) if move else 0}

    def _rename(self, arguments: dict[str, Any], said: Said) -> Answer:
        asked = _read(_Name, arguments)
        number = self._store.rename(asked.identity, asked.name, said)
        return {"identity": asked.identity, "name": asked.name, "correction": number}

    def _staff(self, arguments: dict[str, Any], said: Said) -> Answer:
        asked = _read(_Staff, arguments)
        number = self._store.mark_staff(asked.identity, asked.staff, said)
        return {"identity": asked.identity, "staff": asked.staff, "correction": number}

    def _watch(self, arguments: dict[str, Any], said: Said) -> Answer:
        asked = _read(_Watch, arguments)
        number = self._store.watch(asked.identity, asked.reason, said)
        return {"identity": asked.identity, "reason": asked.reason, "correction": number}

    def _skip(self, arguments: dict[str, Any], _: Said) -> Answer:
        key = TrackletKey(*_read(_Skip, arguments).tracklet)
        self._store.skip(key)
        return {"tracklet": str(key)}

    def _undo(self, arguments: dict[str, Any], said: Said) -> Answer:
        asked = _read(_Undo, arguments)
        administrator = asked.administrator
        undone = self._store.to_undo(asked.correction, said.author, administrator=administrator)
        one, other = undone.identity, undone.other
        if undone.kind is Saying.SPLIT and other is not None:  # the matcher went on with both
            against = two_places(
                self._store.visits(one), self._store.visits(other), self._engine.topology
            )
            _ask_back(against, force=asked.force)
            said = replace(said, against=against)
        number = self._store.undo(undone.number, said, administrator=administrator)
        self._engine.links.take_back(undone.number)
        if other is None:
            self._refresh(one)
        else:
            joined = undone.kind in (Saying.MERGE, Saying.SAME)
            for identity in (other, one) if joined else (one, other):
                self._take_over(identity)
        what = {"undone": undone.number, "kind": undone.kind.value, "identity": one}
        return what | {"other": other, "correction": number}

    def _forget(self, arguments: dict[str, Any], said: Said) -> Answer:
        asked = _read(_One, arguments)
        keys, overwritten = self._store.forget(asked.identity, said)
        self._engine.forget(asked.identity, keys)
        what = {"identity": asked.identity, "tracklets": len(keys)}
        return what | {"overwritten": overwritten}

    def _refresh(self, identity: int) -> None:
        """The matcher takes over what of an identity is pinned, if it still knows it."""
        if identity in self._engine.timelines:
            self._take_over(identity)

    def _take_over(self, identity: int) -> None:
        """An identity is as the store has it now; of two, first the one that gains."""
        if holdings := self._store.holdings(identity):
            self._engine.reassign(identity, holdings)
        else:
            self._engine.drop(identity)


def _ask_back(against: str, *, force: bool) -> None:
    """One person is not in two places; who insists may know better, e.g. of a mirror or a clock."""
    if against and not force:
        raise ContradictionError(against)


def _read(model: type[M], arguments: dict[str, Any]) -> M:
    """As JSON, in which a strict tuple may be a list."""
    return model.model_validate_json(json.dumps(arguments))
