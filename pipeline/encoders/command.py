"""`camtrail encoder info|promote|rollback` as the command line calls it."""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.config import Site
from pipeline.encoders.current import Encoders
from pipeline.encoders.described import describe
from pipeline.encoders.promote import Promotion, promote, rollback
from pipeline.errors import CamtrailError
from pipeline.matcher.repair import MOST
from pipeline.output import local_time, print_json
from pipeline.store import Store

_PATIENCE_SECONDS = 180.0  # for a running site to change over
_PAUSE_SECONDS = 0.2


def run_promote(
    site: Site, file: Path, comparison: Path | None, *, force: bool, as_json: bool
) -> None:
    """Promotes, and waits until a running site has changed over."""
    _finish(site, promote(site, file, comparison, force, _show_progress), as_json)


def run_rollback(site: Site, *, as_json: bool) -> None:
    """Goes back, and waits until a running site has changed over."""
    _finish(site, rollback(site, _show_progress), as_json)


def run_info(site: Site, *, as_json: bool) -> None:
    """Prints which encoder is in use, which were before, and whether the gallery is its."""
    description, fingerprint = describe(site.encoder.path)
    encoders = Encoders(site.data_dir)
    record = encoders.read()
    applies = record is not None and encoders.path(record.used[-1]) == site.encoder.path
    used = record.used if record is not None and applies else ()
    facts = {
        "file": site.encoder.path,
        "fingerprint": fingerprint,
        "dimension": description.dimension,
        "thresholds": thresholds.model_dump() if (thresholds := description.thresholds) else None,
        "gallery": _gallery(site, fingerprint),
        "used": [u.model_dump() | {"file": encoders.path(u)} for u in used],
    }
    if as_json:
        print_json(facts)
        return
    for name in ("file", "fingerprint", "dimension"):
        print(f"{name:12} {facts[name]}")
    learned = "none in the file; they are learned while the site runs"
    said = f"accept {thresholds.accept:.3f}, new {thresholds.new:.3f}" if thresholds else learned
    print(f"{'thresholds':12} {said}")
    print(f"{'gallery':12} {_gallery_text(facts['gallery'])}")
    for u in used:
        since = "site.yaml" if u.since is None else local_time(u.since)
        gain = "" if u.gain is None else f", {u.measure} {u.gain:+.3f}"
        print(f"{'used':12} {since}: {u.fingerprint[:12]}{gain}")


def _gallery(site: Site, fingerprint: str) -> dict[str, object] | None:
    try:
        with Store.open(site.store_url, read_only=True) as store:
            needed, embedded = store.count_embedded(fingerprint, MOST)
            stored = store.fact("fingerprint")
    except CamtrailError:  # no store yet
        return None
    return {"fingerprint": stored, "tracklets": needed, "embedded": embedded}


def _gallery_text(gallery: object) -> str:
    if not isinstance(gallery, dict):
        return "none yet"
    return (
        f"made by {str(gallery['fingerprint'])[:12]}; {gallery['embedded']} of "
        f"{gallery['tracklets']} tracklets that it needs have an embedding by this encoder"
    )


def _finish(site: Site, done: Promotion, as_json: bool) -> None:
    running = done.gallery and _is_running(site)
    if running:
        print("the running site changes over ...", file=sys.stderr, flush=True)
        _await(lambda: _stored(site) == done.fingerprint)
    result = done.reembedded
    if as_json:
        print_json(
            {
                "file": done.file,
                "fingerprint": done.fingerprint,
                "former": done.former,
                "reembedded": result.tracklets,
                "without_crops": result.without_crops,
                "changed_over": running,
            }
        )
        return
    print(f"in use: {done.file} ({done.fingerprint[:12]}, before {done.former[:12]})")
    print(f"{result.tracklets} tracklets of the gallery embedded from their crops")
    if result.without_crops:
        print(
            f"{result.without_crops} tracklets have no crop left: they keep their identity, which "
            "is found again by looks only where another of its tracklets has one"
        )
    print("the running site has changed over" if running else "it counts from the next start on")


def _show_progress(done: int, total: int) -> None:
    """On one line of a terminal; elsewhere only the end."""
    if sys.stderr.isatty():
        print(f"\rembedding {done} of {total} tracklets", end="", file=sys.stderr, flush=True)
    if done == total:
        start = "\n" if sys.stderr.isatty() else f"embedded {total} tracklets\n"
        print(start, end="", file=sys.stderr, flush=True)


def _is_running(site: Site) -> bool:
    """Whether a `camtrail run` holds the data directory."""
    try:
        with (site.data_dir / "run.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _stored(site: Site) -> str | None:
    with Store.open(site.store_url, read_only=True) as store:
        return store.fact("fingerprint")


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise CamtrailError(
                "the encoder is in use from now on, but the running site has not changed over "
                f"within {_PATIENCE_SECONDS:.0f} s; see the log of the matcher, or start it anew"
            )
        time.sleep(_PAUSE_SECONDS)
