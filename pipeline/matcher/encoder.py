"""What the matcher has to know of the encoder file: its fingerprint and recommended thresholds.

What was found is remembered until the file changes. The matcher does without torch: where a gallery
has to change over to another encoder, a process of its own does that.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Site
from pipeline.encoders.current import Encoders
from pipeline.encoders.described import describe
from pipeline.errors import CamtrailError
from pipeline.store import Store
from pipeline.telemetry import get_logger
from reid_models.header import encoder_files

if TYPE_CHECKING:
    from pipeline.encoders.reembed import Reembedded

_FACT = "encoder"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """``accept`` and ``new`` are None where the file recommends none."""

    fingerprint: str
    accept: float | None
    new: float | None


def encoder_facts(site: Site, store: Store) -> EncoderFacts:
    """The facts about the site's encoder file. Where it was promoted since the matcher last ran,
    the gallery changes over to it first.

    Raises:
        CamtrailError: it is missing or no encoder, or not the one whose embeddings the store has.
    """
    path = site.encoder.path
    try:
        states = [part.stat() for part in encoder_files(path)]
    except OSError as error:
        raise CamtrailError(
            f"{error.filename}: the encoder cannot be read: {error.strerror}"
        ) from None
    seen = " ".join([str(path.absolute()), *(f"{s.st_size} {s.st_mtime_ns}" for s in states)])
    known = json.loads(store.fact(_FACT) or "{}")
    facts = EncoderFacts(**known["facts"]) if known.get("file") == seen else _read(path)
    stored = store.fact("fingerprint")
    if stored and stored != facts.fingerprint and _promoted(site, facts):
        result = _apart(_change_over, site)
        log.info("the gallery has changed over to another encoder", **asdict(result))
    elif stored and stored != facts.fingerprint:
        raise CamtrailError(
            f"{path}: its fingerprint is {facts.fingerprint}, but the gallery was made by "
            f"{stored}: embeddings of two encoders cannot be compared. Give `encoder.path` the "
            "former file again, take this one into use with `camtrail encoder promote`, or start "
            "a new `data_dir`"
        )
    if known.get("file") != seen:
        remember_facts(store, facts, seen)
    return facts


def remembered_facts(store: Store) -> EncoderFacts | None:
    """The facts as a matcher last found them; None before the first has run."""
    known = json.loads(store.fact(_FACT) or "{}")
    return EncoderFacts(**known["facts"]) if known else None


def remember_facts(store: Store, facts: EncoderFacts, seen: str = "") -> None:
    """Keeps the facts; ``seen`` says of which file in which state."""
    store.remember(_FACT, json.dumps({"file": seen, "facts": asdict(facts)}))


def _promoted(site: Site, facts: EncoderFacts) -> bool:
    record = Encoders(site.data_dir).read()
    return record is not None and record.used[-1].fingerprint == facts.fingerprint


def _apart(function: Callable[[Site], Reembedded], site: Site) -> Reembedded:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, site).result()


def _change_over(site: Site) -> Reembedded:
    from pipeline.encoders.reembed import change_over

    return change_over(site)


def _read(path: Path) -> EncoderFacts:
    description, fingerprint = describe(path)
    found = description.thresholds
    if found is None:
        return EncoderFacts(fingerprint, None, None)
    return EncoderFacts(fingerprint, found.accept, found.new)
