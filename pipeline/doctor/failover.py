"""Where several servers stand in for each other: whether they would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import redis

from pipeline.bus.connection import primary
from pipeline.bus.primary import Address, Primary
from pipeline.config import Site
from pipeline.doctor.check import Check, ok, warn


def failover(site: Site, information: Mapping[str, object]) -> Iterator[Check]:
    """Whether all who are asked for the primary answer alike, and whether it has a replica.

    Args:
        information: what the primary says of itself (``INFO``).
    """
    asked = primary(site)
    if asked is None:
        return
    places, silent = _ask(asked)
    replicas = int(str(information["connected_slaves"]))
    if silent:
        yield warn(
            "failover",
            f"{len(silent)} of {len(asked.asked)} do not know the primary: {'; '.join(silent)}",
            "are they running, and reachable from here?",
        )
    elif len(places) > 1:
        yield warn(
            "failover",
            f"they name different primaries: {', '.join(f'{h}:{p}' for h, p in sorted(places))}",
            "a failover is under way, or some are cut off from the others: try again",
        )
    elif not replicas:
        yield warn(
            "failover",
            "the primary has no replica",
            "when it dies nobody can take over, and all waits for it",
        )
    else:
        yield ok("failover", f"{len(asked.asked)} know the primary, which has {replicas} replicas")


def _ask(asked: Primary) -> tuple[set[Address], list[str]]:
    """Where they say it is, and what those said who do not know."""
    places, silent = set(), []
    for address in asked.asked:
        try:
            places.add(asked.ask(address))
        except redis.RedisError as error:
            silent.append(str(error).rstrip("."))
    return places, silent
