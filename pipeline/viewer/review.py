"""The questions that the matcher would put to a person, and the answers.

A tracklet on which it nearly decided otherwise is shown beside one of whom it was compared with:
the identity that it got, or the one that it nearly got. An answer is about the two tracklets that
were shown and says nothing of all others. It holds against the matcher, can be taken back, and the
question does not come again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from pipeline.viewer import models
from pipeline.viewer.access.log import Look
from pipeline.viewer.api import LARGEST, PREFIX, Here, Number, crop_url, look, summaries
from pipeline.viewer.catalogue import Rows, View
from pipeline.viewer.corrections import REFUSALS, ask_matcher
from pipeline.viewer.details import Details, Doubtful, TrackletDetail
from pipeline.viewer.state import Viewer

_LOOKED_AT = 500  # the most doubtful, of which those are asked whose answer changes most
_PICTURES = 4  # of each visit


class Answer(StrEnum):
    """What a person says to a question."""

    SAME = "same"
    DIFFERENT = "different"
    SKIP = "skip"


class Answered(BaseModel):
    """The answer to a question as it was shown; `force`: though it contradicts what was seen."""

    model_config = ConfigDict(extra="forbid")

    answer: Answer
    identity: Annotated[int, Field(ge=1, le=2**31)]
    candidate: Annotated[int, Field(ge=1, le=2**31)]
    compared: Annotated[int, Field(ge=1, le=LARGEST)]
    force: bool = False


class Reviewed(BaseModel):
    """What came of it; ``correction`` is the number by which it can be taken back."""

    correction: int | None


router = APIRouter(prefix=f"{PREFIX}/review", tags=["corrections"], responses=REFUSALS)


@dataclass(frozen=True)
class Case:
    """A question: ``candidate`` is who the tracklet is compared with, ``compared`` the number of
    that one's tracklet which is nearest in time, ``worth`` how much an answer helps.
    """

    about: Doubtful
    candidate: int
    compared: int
    worth: float

    @property
    def together(self) -> bool:
        """Whether the matcher says that the tracklet shows the candidate."""
        return self.candidate == self.about.identity


@router.get("")
def list_questions(here: Here, limit: Annotated[int, Query(ge=1, le=50)] = 10) -> models.Questions:
    """The cases of which the matcher is not sure; those whose answer changes most first."""
    view, details = _now(here), here.records.details
    found = find_cases(view, details)
    chosen = found[:limit]
    people = {case.about.identity for case in chosen} | {case.candidate for case in chosen}
    look(here, Look.PERSON, sorted(people))
    return models.Questions(
        questions=[_question(view, details, case) for case in chosen], total=len(found)
    )


@router.post("/{tracklet}")
def answer_question(here: Here, tracklet: Number, body: Answered) -> Reviewed:
    """Says whether the two visits that were shown are one person, or that it cannot be seen.

    From then on the matcher keeps the two together, or apart, and is free with everything else.
    What has to change for that at once does: the tracklet's identity becomes one with the
    candidate's, or the tracklet somebody new. A question that is skipped does not come again,
    unless the matcher decides on the tracklet anew.
    """
    view, details = _now(here), here.records.details
    about = details.doubt(tracklet)
    case = _case(view, about) if about else None
    if case is None or (case.about.identity, case.candidate) != (body.identity, body.candidate):
        raise HTTPException(409, "this was answered or decided otherwise meanwhile")
    if body.compared not in view.of(case.candidate)["tracklet"]:
        raise HTTPException(409, "the other visit is somebody else's meanwhile")
    case = replace(case, compared=body.compared)
    kind, arguments = correction_for(details, case, body.answer, force=body.force)
    return Reviewed(correction=ask_matcher(here, kind, arguments).get("correction"))


def find_cases(view: View, details: Details) -> list[Case]:
    """All questions that there are, those whose answer changes most first."""
    cases = [_case(view, one) for one in details.doubtful(_LOOKED_AT)]
    return sorted((case for case in cases if case), key=lambda case: -case.worth)


def _now(here: Viewer) -> View:
    """Also with what was answered a moment ago."""
    return here.records.catalogue.view(age=0.0)


def correction_for(
    details: Details, case: Case, answer: Answer, *, force: bool = False
) -> tuple[str, dict[str, Any]]:
    """What an answer asks of the matcher."""
    shown = list(case.about.key)
    if answer is Answer.SKIP:
        return "skip", {"tracklet": shown}
    compared = list(details.keys([case.compared])[case.compared])
    return answer.value, {"tracklets": [shown, compared], "force": force}


def _case(view: View, about: Doubtful) -> Case | None:
    """The question that a doubt leads to; None where there is nothing to compare with any more.

    Of a link, the answer moves one tracklet at most; of two identities that may be one, as many as
    the smaller has.
    """
    own = view.of(about.identity)
    if about.decision == "matched" and len(own) > 1:
        return Case(about, about.identity, _nearest(own, own, about), about.doubt)
    rival = view.of(about.rival or 0)
    if about.rival == about.identity or not len(rival) or not len(own):
        return None
    worth = about.doubt * math.log2(1 + min(len(own), len(rival)))
    return Case(about, about.rival or 0, _nearest(own, rival, about), worth)


def _nearest(own: Rows, others: Rows, about: Doubtful) -> int:
    """Which of the others begins nearest to the tracklet that a case is about."""
    start = own["start"][own["tracklet"] == about.tracklet]
    others = others[others["tracklet"] != about.tracklet]
    away = np.abs(others["start"] - (start[0] if len(start) else 0.0))
    return int(others["tracklet"][np.argmin(away)])


def _question(view: View, details: Details, case: Case) -> models.Question:
    about = case.about
    found = details.tracklets([about.tracklet, case.compared])
    glimpses = [
        _glimpse(view, row, found[row[0]])
        for identity, number in ((about.identity, about.tracklet), (case.candidate, case.compared))
        for row in view.of(identity).tolist()
        if row[0] == number
    ]
    people = [
        int(np.searchsorted(view.people.identity, i)) for i in (about.identity, case.candidate)
    ]
    identity, candidate = summaries(view, details, people)
    return models.Question(
        tracklet=about.tracklet,
        identity=identity,
        candidate=candidate,
        together=case.together,
        doubt=about.doubt,
        similarity=about.similarity,
        runner_up=about.runner_up,
        shown=glimpses[0],
        other=glimpses[1],
        compared=case.compared,
    )


def _glimpse(view: View, row: Sequence[Any], detail: TrackletDetail) -> models.Glimpse:
    _, _, camera, start, end = row
    best = sorted(detail.pictures, key=lambda picture: -picture.quality)[:_PICTURES]
    return models.Glimpse(
        camera=view.cameras[camera],
        start=start,
        end=end,
        crops=[crop_url(picture.name) or "" for picture in best],
    )
