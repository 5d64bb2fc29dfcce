"""Checks of what the viewer plays and draws: recordings and the map."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from pipeline.config import Site
from pipeline.doctor.check import Check, ok, warn

_GIGABYTE = 1e9


def recording(site: Site) -> Iterator[Check]:
    """What is recorded, and whether the disk has room for as much as may be kept."""
    if not site.recording.enabled:
        yield ok("recording", "off")
        return
    if site.stays_unrecorded:
        yield ok("recording", "off for streams, since people would be seen clearly in it")
        return
    names = site.recorded
    files = [name for name, camera in site.cameras.items() if not camera.live]
    others = [name for name in site.cameras if name not in names and name not in files]
    detail = "; ".join(
        text
        for text, cameras in (
            (f"recorded: {', '.join(names)}", names),
            (f"played from their files: {', '.join(files)}", files),
            (f"not recorded, since they are devices: {', '.join(others)}", others),
        )
        if cameras
    )
    most = len(names) * site.recording.max_gigabytes
    existing = next(p for p in [site.data_dir, *site.data_dir.parents] if p.exists())
    free = shutil.disk_usage(existing).free / _GIGABYTE
    if most > free:
        yield warn(
            "recording",
            f"{detail}; up to {most:.0f} GB, of which {free:.0f} are free",
            "lower recording.max_gigabytes (of each camera), or the oldest leave sooner",
        )
    else:
        yield ok("recording", detail)


def floor_plan(site: Site) -> Iterator[Check]:
    """Whether the floor plan can be read, and the cameras stand on it."""
    if site.floor_plan is None:
        return
    from pipeline.viewer import plan

    drawing = plan.floor_plan(site)
    assert drawing is not None
    detail = f"{site.floor_plan}: {drawing.width} x {drawing.height} pixels"
    outside = [
        name
        for name, camera in site.cameras.items()
        if camera.position is not None
        and not (
            0 <= camera.position[0] <= drawing.width and 0 <= camera.position[1] <= drawing.height
        )
    ]
    if outside:
        yield warn(
            "floor plan",
            f"{detail}; beside it: {', '.join(outside)}",
            "give their position in pixels of the picture, from its upper left corner",
        )
    elif not any(camera.position for camera in site.cameras.values()):
        yield warn("floor plan", f"{detail}; it is not shown", "give the cameras a position")
    else:
        yield ok("floor plan", detail)
