"""What the API answers. Times are seconds since the epoch, of capture; lengths are seconds."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.store import Saying
from pipeline.viewer.access.roles import Role


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Problem(_Model):
    """What was wrong and what to do about it."""

    detail: str


class Refusal(Problem):
    """Why the matcher refuses. With `contradiction`, what was said contradicts what was seen, and
    asking again with `force` does it all the same.
    """

    contradiction: bool = False


class Health(_Model):
    """What a camera's worker said of itself within the last seconds."""

    state: str
    fps: float
    delay: float = Field(description="seconds that it lags behind the present; 0 for a file")
    tracks: int = Field(description="persons in view")
    frames: int
    reconnects: int
    spooled: int = Field(description="messages that the matcher has not yet committed")
    message: str


class Camera(_Model):
    """One camera."""

    camera: str
    live: bool
    health: Health | None = Field(description="null: its worker does not run, or Redis is away")


class Cameras(_Model):
    """All cameras of the site."""

    site: str
    cameras: list[Camera]
    redis: str = Field(description="empty, or why it cannot be reached")
    matcher: bool = Field(description="whether the matcher runs")
    store: str = Field(description="empty, or why nothing can be read")


class Identity(_Model):
    """One person."""

    identity: int
    name: str | None
    staff: bool = Field(description="whether somebody marked this person as staff")
    watched: str | None = Field(description="why somebody watches for this person; null: nobody")
    first_seen: float
    last_seen: float
    visits: int
    cameras: list[str] = Field(description="in the order of the first visits")
    crop: str | None = Field(description="address of the best picture")


class Identities(_Model):
    """A page of the list."""

    identities: list[Identity]
    total: int = Field(description="of all pages")
    next: str | None = Field(description="`after` of the next page; null: there is none")
    version: int = Field(description="of the list; see the event `identities`")


class Crop(_Model):
    """One picture of a tracklet."""

    url: str
    time: float
    quality: float


class Decision(_Model):
    """One decision of the matcher on a tracklet."""

    time: float
    decision: str
    identity: int | None = Field(description="null: undecided again")
    former: int | None
    similarity: float | None = Field(description="cosine, put right for the two cameras")
    runner_up: float | None = Field(description="similarity of the next best that was possible")
    rule: str
    terms: dict[str, float] = Field(
        description="the parts of the score by name; of a new one that of the next best, if any"
    )
    confidence: float | None = Field(description="how likely it is right, in [0, 1]")


class Visit(_Model):
    """One tracklet of a person: a stay in the view of a camera without a break."""

    tracklet: int
    key: str = Field(description="CAMERA/RUN/TRACK")
    camera: str
    start: float
    end: float
    gap: float | None = Field(
        description="seconds since the end of all visits before; negative where they overlap"
    )
    open: bool = Field(description="whether it may still go on")
    embedded: int = Field(description="pictures behind the embedding")
    crop: str | None
    crops: list[Crop]
    decisions: list[Decision] = Field(description="the one that holds is the last")
    confirmed_by: str | None


class Visits(_Model):
    """A page of a person's visits, the newest first."""

    visits: list[Visit]
    total: int
    next: str | None


class Sequel(_Model):
    """Somebody left one camera and came to another."""

    identity: Identity
    left: float
    came: float
    before: int = Field(description="tracklet in the first camera")
    after: int = Field(description="tracklet in the second")


class Sequels(_Model):
    """A page of them, the newest first."""

    found: list[Sequel]
    total: int
    next: str | None


class Person(_Model):
    """Somebody on a picture: the box in its pixels, and how sure the detector is."""

    box: tuple[float, float, float, float]
    confidence: float


class PictureMatch(_Model):
    """An identity beside the picture."""

    identity: Identity
    similarity: float = Field(description="cosine of the nearest embedding, in [-1, 1]")
    alike: bool | None = Field(description="at least the threshold; null where none is known")


class PictureSearch(_Model):
    """What a search by picture found."""

    width: int
    height: int
    persons: list[Person]
    chosen: int | None = Field(description="who was searched for; null: say who, by `person`")
    threshold: float | None
    matches: list[PictureMatch]
    message: str


class PresentPerson(_Model):
    """Somebody in view now."""

    identity: Identity
    camera: str
    since: float


class Session(_Model):
    """Who you are."""

    name: str
    role: Role
    login: bool = Field(description="false: nobody has to log in here yet")
    csrf: str = Field(description="for the header X-CSRF-Token of requests that change something")


class AuditLine(_Model):
    """Somebody looked at people, changed something, logged in, or was refused."""

    id: str
    time: float
    until: float = Field(description="of the last, where the line stands for several")
    times: int
    author: str
    action: str
    identities: list[int] = Field(description="whom it was about")
    detail: dict[str, Any]


class Audit(_Model):
    """A page of it, the newest first."""

    lines: list[AuditLine]
    next: str | None


class Correction(_Model):
    """One thing that somebody said of identities."""

    number: int
    time: float
    author: str
    kind: Saying
    identity: int
    other: int | None = Field(description="who was merged into it, or split off it")
    tracklets: int
    undoes: int | None = Field(description="the correction that this one took back")
    undone_by: int | None
    undoable: bool = Field(description="unless a later correction of the same person holds")


class Corrections(_Model):
    """A page of them, the newest first."""

    corrections: list[Correction]
    next: str | None


class Glimpse(_Model):
    """One visit, as far as it helps to recognise somebody."""

    camera: str
    start: float
    end: float
    crops: list[str] = Field(description="addresses of pictures")


class Question(_Model):
    """Something of which the matcher is not sure: do these two show one person?"""

    tracklet: int
    identity: Identity = Field(description="whom the matcher says that the tracklet shows")
    candidate: Identity = Field(description="whom the tracklet is to be compared with")
    together: bool = Field(description="whether the matcher says that both are one person")
    doubt: float = Field(description="in (0, 1]: 1 is right on the line")
    similarity: float | None
    runner_up: float | None
    shown: Glimpse = Field(description="the tracklet")
    other: Glimpse = Field(description="the candidate's visit nearest to it in time")
    compared: int = Field(description="the tracklet of that visit: the answer is about the two")


class Questions(_Model):
    """The next questions; those whose answer changes most first."""

    questions: list[Question]
    total: int
