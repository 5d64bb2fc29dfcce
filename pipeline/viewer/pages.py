"""The pages. They are frames: what they show they get from the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from pipeline.viewer.access.asker import current
from pipeline.viewer.access.gate import LOGIN_PAGE
from pipeline.viewer.api import Here, Number
from pipeline.viewer.clear import sees_clearly
from pipeline.viewer.state import Viewer

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


_HIDDEN = {"none": "", "faces": "faces hidden", "persons": "people hidden"}


@router.get("/")
def home() -> RedirectResponse:
    """The gallery."""
    return RedirectResponse("/identities", 307)


@router.get("/identities")
def gallery(here: Here) -> HTMLResponse:
    """Everybody who was seen."""
    return _page(here, "identities", "identities")


@router.get("/identities/{identity}")
def person(here: Here, identity: Number) -> HTMLResponse:
    """One person."""
    playback = here.site.recording.enabled
    return _page(here, "person", "identities", identity=identity, playback=playback)


@router.get("/search")
def search(here: Here) -> HTMLResponse:
    """Search by picture, and by the order of cameras."""
    return _page(here, "search", "search")


@router.get("/review")
def review(here: Here) -> HTMLResponse:
    """What the matcher is not sure of."""
    return _page(here, "review", "review")


@router.get("/corrections")
def corrections(here: Here) -> HTMLResponse:
    """What people corrected."""
    return _page(here, "corrections", "review")


@router.get("/audit")
def audit(here: Here) -> HTMLResponse:
    """Who looked at whom, and who changed what."""
    return _page(here, "audit", "audit")


@router.get(LOGIN_PAGE)
def login() -> HTMLResponse:
    """The only page for who has not logged in; it says nothing of the site."""
    return HTMLResponse(_TEMPLATES.get_template("login.html.j2").render())


@router.get("/live")
def live(here: Here) -> HTMLResponse:
    """The cameras now."""
    return _page(here, "live", "live")


def _page(here: Viewer, template: str, section: str, **values: Any) -> HTMLResponse:
    text = _TEMPLATES.get_template(f"{template}.html.j2").render(
        site=here.site.site,
        cameras=list(here.site.cameras),
        section=section,
        asker=current(),
        hidden="" if sees_clearly(here) else _HIDDEN[here.site.privacy.blur],
        **values,
    )
    return HTMLResponse(text)
