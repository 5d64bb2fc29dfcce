"""Where the cameras are: the map of the pages, with the floor plan where there is one."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.viewer.api import PREFIX, Here
from pipeline.viewer.models import Problem
from pipeline.viewer.pictures import MAX_BYTES, read_picture

LARGEST_SIDE = 2400  # pixels, of the picture that is sent

router = APIRouter(prefix=PREFIX)


class PlacedCamera(BaseModel):
    """A camera on the map: x to the right, y down."""

    model_config = ConfigDict(frozen=True)

    camera: str
    x: float
    y: float


class FloorPlan(BaseModel):
    """The picture under the map; positions are in its pixels."""

    model_config = ConfigDict(frozen=True)

    url: str
    width: int
    height: int


class Plan(BaseModel):
    """The map of the site."""

    model_config = ConfigDict(frozen=True)

    cameras: list[PlacedCamera] = Field(description="those whose position site.yaml gives")
    floor_plan: FloorPlan | None
    problem: str = Field(description="why there is no picture though site.yaml names one")


class Drawing(BaseModel):
    """A floor plan as PNG, and the size that it had."""

    model_config = ConfigDict(frozen=True)

    png: bytes
    width: int
    height: int


@router.get("/plan")
def get_plan(here: Here) -> Plan:
    """Where the cameras are."""
    placed = [
        PlacedCamera(camera=name, x=camera.position[0], y=camera.position[1])
        for name, camera in here.site.cameras.items()
        if camera.position is not None
    ]
    try:
        drawing = floor_plan(here.site)
    except CamtrailError as error:
        return Plan(cameras=placed, floor_plan=None, problem=str(error))
    if drawing is None:
        return Plan(cameras=placed, floor_plan=None, problem="")
    picture = FloorPlan(url=f"{PREFIX}/plan/picture", width=drawing.width, height=drawing.height)
    return Plan(cameras=placed, floor_plan=picture, problem="")


@router.get(
    "/plan/picture",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}}, "description": "The floor plan"},
        404: {"model": Problem, "description": "There is none"},
    },
)
def get_floor_plan(here: Here) -> Response:
    """The floor plan, drawn anew from its pixels."""
    drawing = floor_plan(here.site)
    if drawing is None:
        raise HTTPException(404, "site.yaml names no floor_plan")
    return Response(drawing.png, media_type="image/png", headers={"Cache-Control": "no-cache"})


def floor_plan(site: Site) -> Drawing | None:
    """The floor plan of a site, where it has one.

    Raises:
        CamtrailError: the file is missing, no picture, or too large.
    """
    if site.floor_plan is None:
        return None
    try:
        status = site.floor_plan.stat()
        if status.st_size > MAX_BYTES:
            raise CamtrailError(
                f"floor_plan {site.floor_plan.name}: {status.st_size / 2**20:.0f} MiB; at most "
                f"{MAX_BYTES // 2**20} are read"
            )
        return _draw(site.floor_plan, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise CamtrailError(f"floor_plan {site.floor_plan.name}: {error.strerror}") from None


@lru_cache(maxsize=1)
def _draw(file: Path, _changed: int, _size: int) -> Drawing:
    try:
        picture = read_picture(file.read_bytes())
    except CamtrailError as error:
        raise CamtrailError(f"floor_plan {file.name}: {error}") from None
    height, width = picture.shape[:2]
    scale = min(1.0, LARGEST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    return Drawing(png=cv2.imencode(".png", small)[1].tobytes(), width=width, height=height)
