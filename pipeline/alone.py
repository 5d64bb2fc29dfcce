"""Working on a site while no matcher does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import redis

from pipeline.bus import EmbeddedServer, Keys, Lease, connect, forget_messages
from pipeline.config import Site, redact
from pipeline.errors import CamtrailError
from pipeline.matcher.exclusive import MatcherRunsError, sole_owner
from pipeline.records import Position

_REWRITE_SECONDS = 60.0
_PAUSE_SECONDS = 0.05


@contextmanager
def no_matcher(site: Site) -> Iterator[None]:
    """Keeps matchers of this host away.

    Raises:
        MatcherRunsError: one runs, here or elsewhere.
        CamtrailError: that cannot be found out.
    """
    with sole_owner(site.data_dir, threading.Event(), standby=False):
        if holder := _matcher_elsewhere(site):
            raise MatcherRunsError(f"a matcher of this site is running ({holder}); stop it first")
        yield


def forget_messages_alone(site: Site, committed: Mapping[str, Position]) -> None:
    """As a matcher does it; an embedded server runs for as long as that takes.

    Args:
        committed: by camera.

    Raises:
        CamtrailError: Redis does not answer.
    """
    try:
        _forget_messages(site, committed)
    except redis.RedisError as error:
        raise CamtrailError(
            "deleted from the store; but Redis does not answer, so its file may hold messages "
            f"until it is written anew (BGREWRITEAOF): {redact(str(error))}"
        ) from None


def _matcher_elsewhere(site: Site) -> str:
    """Who has the site on another host; empty where nobody does."""
    if site.redis == "embedded":
        return ""
    try:
        with connect(site, name="camtrail-correct") as client:
            return Lease(client, Keys(site.site)).holder()
    except redis.RedisError as error:
        raise CamtrailError(
            f"Redis does not answer, so whether a matcher runs is not known: {redact(str(error))}"
        ) from None


def _forget_messages(site: Site, committed: Mapping[str, Position]) -> None:
    with ExitStack() as stack:
        if site.redis == "embedded":
            server = EmbeddedServer(site)
            stack.callback(server.stop)
            server.start()
        client = stack.enter_context(connect(site, name="camtrail-correct"))
        forget_messages(site, client, committed)
        deadline = time.monotonic() + _REWRITE_SECONDS
        while site.redis == "embedded" and time.monotonic() < deadline:
            state: Any = client.info("persistence")
            if not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]:
                return
            time.sleep(_PAUSE_SECONDS)
