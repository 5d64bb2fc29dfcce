"""The one place that says what counts how much in the decision who is who.

A candidate identity's score is the similarity of the embeddings plus small terms for what time and
place say. The thresholds are on this score. What time and place *forbid* never comes here: see
`pipeline.matcher.presence`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.config import Matcher
from pipeline.matcher.presence import CONTINUATION_SECONDS, Fit, Standing, Visit, follow
from pipeline.matcher.topology import Topology
from pipeline.matcher.ways import Support

MARGIN = 0.03  # the best identity must lead by this, or more evidence is waited for

TRANSIT_BONUS = 0.05  # came within the declared time
TRANSIT_SUPPORT = 0.3  # when groups are formed, where nothing speaks against it
TRANSIT_PENALTY = 0.08  # at most, came later: people stop, or leave and come back
MOST_FOR, MOST_AGAINST = 0.08, 0.10  # of what was learned of a way, whatever was seen
UNIT = 0.05  # what a factor of e in the odds is worth
DOUBT = 1.0  # visits as expected by chance that weigh as much as what was thought before

CONTINUATION_BONUS = 0.10  # at most, begins where a track of the same camera just broke off
_CONTINUATION_OFFSET = 1.0  # heights of the box beyond which it does not

# Fitted on the decisions of simulated sites (see tests/benchmarks/confidence.py):
LOG_ODDS = 0.3  # of one identity against somebody new, in the middle between the thresholds
STEEPNESS = 5.3  # by how much they grow over what lies between the two
CERTAIN = 0.996  # of the matches that look certain, so many are right ...
CERTAIN_NEW = 0.87  # ... and of the newcomers

REPAIRED = 0.28  # bands, by which the score of a repair says more: only what is clear is moved
SELDOM_NEW = 0.27  # so many of those that a repair makes somebody new were nobody else

MIN_CROPS = 3  # behind an embedding that is decided on at once
MIN_AGE = 1.5  # seconds, or behind one of fewer crops


@dataclass(frozen=True, slots=True)
class Thresholds:
    """On the score: from ``accept`` on the same person, below ``new`` somebody new; what lies
    between waits at most ``patience`` seconds of event time, then the middle decides.
    """

    accept: float
    new: float
    patience: float

    @staticmethod
    def of(config: Matcher, accept: float | None, new: float | None) -> Thresholds | None:
        """The configuration's, else what the encoder recommends; None where neither says both.

        One that the configuration gives alone holds the recommended other to its side.
        """
        low = config.new if config.new is not None else new
        high = config.accept if config.accept is not None else accept
        if low is None or high is None:
            return None
        if config.accept is None:
            high = max(high, low)
        return Thresholds(high, min(low, high), config.patience)

    @property
    def middle(self) -> float:
        return (self.accept + self.new) / 2


def confidence(own: float | None, runner_up: float | None, thresholds: Thresholds) -> float:
    """The probability that a decision is right.

    The odds of each identity against somebody new grow with its score by a logistic law, in units
    of what lies between the thresholds; those of several share what is left. Of what looks certain
    a share is wrong all the same: of those who look like nobody, one in eight was seen before.

    Args:
        own: score of the identity that was chosen; None where that is a new one.
        runner_up: that of the next best that was possible; None where there was none.
    """
    band = max(thresholds.accept - thresholds.new, MARGIN)
    odds = [
        math.exp(LOG_ODDS + STEEPNESS * (score - thresholds.middle) / band)
        for score in (own, runner_up)
        if score is not None
    ]
    chosen = CERTAIN_NEW if own is None else CERTAIN * odds[0]
    return round(chosen / (1.0 + sum(odds)), 4)


def confidence_of_repair(own: float | None, left: float | None, thresholds: Thresholds) -> float:
    """The probability that it is right to move a tracklet.

    Args:
        own: score among those whom it comes to; None where it is alone, somebody new.
        left: among those whom it leaves; None where there are none.
    """
    if own is None:
        return SELDOM_NEW
    band = max(thresholds.accept - thresholds.new, MARGIN)
    return confidence(own + REPAIRED * band, left, thresholds)


def terms(similarity: float, shift: float, lost: float, fit: Fit) -> dict[str, float]:
    """The terms of the score by name; their sum is the score.

    Args:
        shift: what is added for the two cameras: see `pipeline.matcher.sameness`.
        lost: what the similarity says less since others look alike, 0 or below: see
            `pipeline.matcher.lookalikes`.
    """
    result = {"similarity": round(similarity, 5)}
    if shift := round(shift, 5):
        result["cameras"] = shift
    if lost < 0:
        result["lookalikes"] = round(lost, 5)
    if fit.window is not None or fit.support.expected > 0:
        result["transit"] = _transit(fit)
    if not math.isnan(fit.offset):
        result["continuation"] = round(CONTINUATION_BONUS * _continuation(fit), 5)
    return result


def support(a: Visit, b: Visit, topology: Topology) -> float:
    """How much time and place speak for two tracklets being one person, in [0, 2]. A transit as
    declared is `TRANSIT_SUPPORT`: many come in their time, few go on where a track broke off.
    Nothing speaks against it: another tracklet may have been between.
    """
    fit = follow(a, b, topology)
    if fit.window is not None or fit.support.expected > 0:
        return _by_time(fit)
    if math.isnan(fit.offset):
        return 0.0
    return CONTINUATION_BONUS / TRANSIT_BONUS * _continuation(fit)


def support_by_way(learned: Support) -> float:
    """`support` where nothing but what was learned of a way can speak."""
    return _by_time(Fit(Standing.POSSIBLE, support=learned)) if learned.expected > 0 else 0.0


def _by_time(fit: Fit) -> float:
    return TRANSIT_SUPPORT * max(0.0, _transit(fit) / TRANSIT_BONUS)


def _continuation(fit: Fit) -> float:
    """How well a tracklet goes on where the one before broke off, in [0, 1]."""
    near = max(0.0, 1.0 - fit.offset / _CONTINUATION_OFFSET)
    return near * (1.0 - 0.5 * fit.gap / CONTINUATION_SECONDS)


def _transit(fit: Fit) -> float:
    """What the time since the visit before says: as declared, and the more was seen of people who
    went that way, the more as learned.
    """
    declared = 0.0 if fit.window is None else _declared(fit.gap, fit.window[1])
    learned = UNIT * math.log(_odds(fit.support, math.exp(declared / UNIT)))
    return round(min(max(learned, -MOST_AGAINST), MOST_FOR), 5)


def _odds(support: Support, before: float) -> float:
    """The factor by which a way speaks for the same person: see `pipeline.matcher.ways`.

    Args:
        before: what it was thought to be before anything was seen.
    """
    return (DOUBT + support.seen) / (DOUBT / before + support.expected)


def _declared(gap: float, longest: float) -> float:
    """The bonus within the window (the shortest way is a rule); beyond, down to the penalty at
    twice the longest way.
    """
    if gap <= longest:
        return TRANSIT_BONUS
    over = min(1.0, (gap - longest) / max(longest, 1.0))
    return -TRANSIT_PENALTY * over
