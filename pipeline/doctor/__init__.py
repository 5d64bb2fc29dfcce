"""`camtrail doctor`: is everything there that a run needs, and if not, what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console

from pipeline.config import Site, load_site
from pipeline.doctor.check import Check, Status, fail, guarded, ok
from pipeline.errors import CamtrailError
from pipeline.output import print_json

_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}


def run(path: Path, *, as_json: bool) -> int:
    """Prints every check; 1 if one failed, else 0."""
    results = []
    console = Console()
    for check in examine(path):
        results.append(check)
        if not as_json:
            _print(check, console)
    failed = sum(check.status == Status.FAIL for check in results)
    if as_json:
        print_json({"ok": not failed, "checks": results})
    return 1 if failed else 0


def examine(path: Path) -> Iterable[Check]:
    """All checks, one after the other as they are done."""
    from pipeline.doctor import host, parts, playback, privacy

    site: Site | None = None
    try:
        site = load_site(path)
        yield ok("configuration", f"{path}: {len(site.cameras)} cameras")
    except CamtrailError as error:
        yield fail("configuration", str(error))
    checks: list[tuple[str, Callable[[], Iterable[Check]]]] = [
        ("packages", host.packages),
        ("gpu", lambda: host.gpu(site)),
        ("clock", host.clock),
    ]
    if site is not None:
        checks += [
            ("disk", lambda: host.disk(site)),
            ("redis", lambda: parts.server(site)),
            ("store", lambda: parts.store(site)),
            ("detector", lambda: parts.detector(site)),
            ("encoder", lambda: parts.encoder(site)),
            ("privacy", lambda: privacy.privacy(site)),
            ("encryption", lambda: privacy.encryption(site)),
            ("recording", lambda: playback.recording(site)),
            ("floor plan", lambda: playback.floor_plan(site)),
            ("cameras", lambda: parts.cameras(site, path)),
            ("receivers", lambda: parts.receivers(site)),
        ]
    for name, check in checks:
        yield from guarded(name, check)


def _print(check: Check, console: Console) -> None:
    colour = _COLOURS[check.status]
    console.print(f"[{colour}]{check.status.upper():4}[/{colour}]  {check.name}: ", end="")
    console.print(check.detail, markup=False, highlight=False, soft_wrap=True)
    if check.advice:
        console.print(f"      -> {check.advice}", markup=False, highlight=False, soft_wrap=True)
