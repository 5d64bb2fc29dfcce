"""`camtrail confirm`: a person says that tracklets show the identity that they have."""

from __future__ import annotations

import getpass
import time
from collections.abc import Sequence

from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.output import print_json
from pipeline.records import TrackletKey
from pipeline.store import Store


def run(
    site: Site, identity: int, tracklets: Sequence[str], author: str | None, *, as_json: bool
) -> None:
    """Keeps it in the store, beside whatever the matcher decides.

    Raises:
        CamtrailError: there is no store yet, no such identity, or a tracklet is not one of its.
    """
    keys = [parse_key(text) for text in tracklets]
    author = author or _login()
    Store.open(site.store_url, read_only=True).close()  # which makes none
    with Store.open(site.store_url, crops=site.crops_dir) as store:
        confirmed = store.confirm(identity, author, time.time(), keys)
    if as_json:
        print_json({"identity": identity, "by": author, "tracklets": [str(k) for k in confirmed]})
        return
    print(f"confirmed by {author}: identity {identity} in {len(confirmed)} tracklets")


def parse_key(text: str) -> TrackletKey:
    """A tracklet's key as `camtrail show --json` prints it: ``CAMERA/RUN/TRACK``.

    Raises:
        CamtrailError: it is none.
    """
    match text.split("/"):
        case [camera, run, track] if camera and run and track.isdecimal():
            return TrackletKey(camera, run, int(track))
    raise CamtrailError(
        f"--tracklet {text}: expected CAMERA/RUN/TRACK, as `camtrail show --json` prints it"
    )


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, in a container
        raise CamtrailError("who confirms this? give --by NAME") from None
