"""Who sees people clearly, where `privacy` in ``site.yaml`` hides them."""

from __future__ import annotations

from pipeline.config import Hidden, Place
from pipeline.viewer.access.asker import current
from pipeline.viewer.access.roles import Role
from pipeline.viewer.state import Viewer


def sees_clearly(here: Viewer) -> bool:
    """Whether who asks may see clear pictures."""
    least = here.site.privacy.clear_for
    return least != "nobody" and current().role.may(Role(least))


def hidden_from_asker(here: Viewer, place: Place) -> Hidden:
    """What is hidden there from who asks."""
    return "none" if sees_clearly(here) else here.site.privacy.hidden(place)
