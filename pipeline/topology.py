"""`camtrail topology`: what is known of the ground between the cameras, declared and learned."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jinja2
from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.config import Site
from pipeline.disk import partial_of
from pipeline.errors import CamtrailError
from pipeline.matcher.topology import Topology
from pipeline.matcher.ways import Way
from pipeline.output import duration, local_time, print_json
from pipeline.store import Store

SIZE = 640  # of the map, pixels
_MARGIN = 80
_BEND = 0.12  # of a way's length, so that there and back are seen apart


def show_topology(site: Site, html: Path | None, *, as_json: bool) -> None:
    """Prints the ways, the shared ground and the doors of a site, and draws them into ``html``.

    Raises:
        CamtrailError: nothing was recorded yet, or the page cannot be written.
    """
    with Store.open(site.store_url, read_only=True) as store:
        state = store.fact("topology") or ""
    topology = Topology(site.topology)
    topology.clocks.tolerance = site.matcher.clock_tolerance
    topology.resume(state)
    facts = _facts(site, topology)
    if html is not None:
        _write_page(html, site, facts)
    if as_json:
        print_json(facts)
    else:
        _print(facts)


def _facts(site: Site, topology: Topology) -> dict[str, Any]:
    """All that is known, as plain data."""
    learned = {(way.origin, way.destination): way for way in topology.ways.ways()}
    declared = {(t.from_, t.to): list(t.seconds) for t in site.topology.transit}
    pairs = sorted({*learned, *declared})
    tallies = topology.company.tallies()
    overlap = {tuple(sorted(pair)) for pair in site.topology.overlap}
    return {
        "ways": [_way(pair, declared.get(pair), learned.get(pair)) for pair in pairs],
        "overlap": [
            {
                "cameras": list(pair),
                "declared": pair in overlap,
                "found": frozenset(pair) in topology.company.shared,
                "together": tallies[pair].together if pair in tallies else 0,
                "doubles": tallies[pair].doubles if pair in tallies else 0,
            }
            for pair in sorted({*overlap, *(p for p in tallies if p[0] != p[1])})
        ],
        "doors": list(topology.doors.doors()),
        "clocks": _clocks(topology),
        "moved": [
            {"camera": camera, "noticed": time}
            for camera, time in sorted(topology.placement.moved.items())
        ],
    }


def _clocks(topology: Topology) -> list[dict[str, Any]]:
    """By pair of cameras, how far the second one's clock is ahead."""
    return [
        {
            "cameras": [lead.first, lead.second],
            "ahead": lead.seconds,
            "error": lead.error,
            "count": lead.count,
            "jumps": lead.jumps,
            "differs": lead.differs,
            "corrected": topology.clocks.between(lead.first, lead.second),
        }
        for lead in topology.clocks.leads()
    ]


def _way(pair: tuple[str, str], declared: list[float] | None, way: Way | None) -> dict[str, Any]:
    low, middle, high = way.seconds if way else (None, None, None)
    return {
        "from": pair[0],
        "to": pair[1],
        "declared": declared,
        "seen": way.count if way else 0,
        "share": way.share if way else 0.0,
        "p10": low,
        "median": middle,
        "p90": high,
    }


def _print(facts: dict[str, Any]) -> None:
    console = Console()
    ways = _table("from", "to", "seen", "share", "usual time (10 to 90 %)", "declared")
    for way in facts["ways"]:
        usual = (
            f"{duration(way['median'])} ({_span(way['p10'], way['p90'])})" if way["seen"] else ""
        )
        declared = "" if way["declared"] is None else _span(*way["declared"])
        ways.add_row(
            way["from"], way["to"], str(way["seen"]), f"{way['share']:.0%}", usual, declared
        )
    console.print(ways if facts["ways"] else "no ways were declared or learned yet")
    shared = [o for o in facts["overlap"] if o["declared"] or o["found"]]
    if shared:
        overlap = _table("the same ground", "", "in view together", "seen in both")
        for pair in shared:
            origin = " and ".join(k for k in ("declared", "found") if pair[k])
            together, doubles = str(pair["together"]), str(pair["doubles"])
            overlap.add_row(", ".join(pair["cameras"]), origin, together, doubles)
        console.print(overlap)
    differing = [c for c in facts["clocks"] if c["differs"] or c["corrected"] or c["jumps"]]
    if differing:
        clocks = _table("clocks", "second ahead by", "put right by", "jumped", "seen")
        for pair in differing:
            clocks.add_row(
                ", ".join(pair["cameras"]),
                f"{pair['ahead']:+.1f} s (± {2 * pair['error']:.1f})",
                f"{pair['corrected']:+.2f} s",
                str(pair["jumps"]),
                str(pair["count"]),
            )
        console.print(clocks)
    for moved in facts["moved"]:
        console.print(f"{moved['camera']} was moved or turned, by {local_time(moved['noticed'])}")
    if facts["doors"]:
        doors = _table("camera", "door (x, y to x, y)", "came", "went")
        for door in facts["doors"]:
            x1, y1, x2, y2 = door.box
            doors.add_row(
                door.camera, f"{x1}, {y1} to {x2}, {y2}", str(door.entries), str(door.exits)
            )
        console.print(doors)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _span(low: float, high: float) -> str:
    return f"{low:.0f} to {high:.0f} s"


def _write_page(path: Path, site: Site, facts: dict[str, Any]) -> None:
    places = _places(site)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
    )
    page = environment.get_template("topology.html.j2").render(
        site=site.site,
        size=SIZE,
        places=places,
        ways=[_arrow(way, places) for way in facts["ways"] if way["seen"]],
        overlap=[o for o in facts["overlap"] if o["declared"] or o["found"]],
        cameras=[
            {
                "name": name,
                "doors": doors,
                "width": max(d.box[2] for d in doors),
                "height": max(d.box[3] for d in doors),
            }
            for name in site.cameras
            if (doors := [d for d in facts["doors"] if d.camera == name])
        ],
    )
    partial = partial_of(path)
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise CamtrailError(f"{path}: the page cannot be written: {error.strerror}") from None


def _places(site: Site) -> dict[str, tuple[float, float]]:
    """Where each camera is drawn: at its position, or all on a ring where one has none."""
    names = list(site.cameras)
    given = [site.cameras[name].position for name in names]
    known = [position for position in given if position is not None]
    if len(known) < len(names) or len(set(known)) < 2:
        angles = [2 * math.pi * n / len(names) for n in range(len(names))]
        known = [(math.sin(angle), -math.cos(angle)) for angle in angles]
    left, top = (min(p[axis] for p in known) for axis in (0, 1))
    extent = max(max(p[axis] for p in known) - low for axis, low in ((0, left), (1, top)))
    scale = (SIZE - 2 * _MARGIN) / max(extent, 1e-9)
    return {
        name: (_MARGIN + (x - left) * scale, _MARGIN + (y - top) * scale)
        for name, (x, y) in zip(names, known, strict=True)
    }


def _arrow(way: dict[str, Any], places: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """A way as a curve from camera to camera, bent to its right, or as a ring at its camera."""
    (x1, y1), (x2, y2) = places[way["from"]], places[way["to"]]
    bend_x, bend_y = (x1 + x2) / 2 - (y2 - y1) * _BEND, (y1 + y2) / 2 + (x2 - x1) * _BEND
    if way["from"] == way["to"]:
        path = f"M{x1:.0f} {y1:.0f} c-40 -60 40 -60 0 0"
        bend_x, bend_y = x1, y1 - 50
    else:
        path = f"M{x1:.0f} {y1:.0f} Q{bend_x:.0f} {bend_y:.0f} {x2:.0f} {y2:.0f}"
    label = f"{way['median']:.0f} s"
    width = 1 + 6 * way["share"]
    return way | {"path": path, "x": bend_x, "y": bend_y, "label": label, "width": width}
