"""Whether a process of a site does its work: for the health checks of containers."""

from __future__ import annotations

import redis

from pipeline.bus import Keys, connect
from pipeline.config import Site
from pipeline.errors import CamtrailError


def check(site: Site, camera: str | None) -> str:
    """Looks for what the worker of a camera, or the matcher, has said of itself lately (15 s).

    Where Redis is away nobody can know, and to start a process again would not help: it counts as
    alive.

    Args:
        camera: None for the matcher.

    Returns:
        What was found, in words.

    Raises:
        CamtrailError: it is silent, or there is no such camera.
    """
    keys = Keys(site.site)
    if camera is not None:
        site.camera(camera)
    name = f"the worker of '{camera}'" if camera is not None else "the matcher"
    client = connect(site, name="camtrail-alive")
    try:
        said = client.exists(keys.health(camera) if camera is not None else keys.matcher)
    except redis.RedisError as error:
        return f"Redis cannot be asked ({type(error).__name__}); nobody can know"
    finally:
        client.close()
    if not said:
        raise CamtrailError(f"{name} has said nothing for 15 seconds")
    return f"{name} is at work"
