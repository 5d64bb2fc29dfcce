"""Who acts, where nobody has logged in."""

from __future__ import annotations

import getpass

from pipeline.errors import CamtrailError


def logged_in() -> str:
    """The name of the user whose process this is.

    Raises:
        CamtrailError: it has none.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, in a container
        raise CamtrailError("who says so? give --by NAME") from None
