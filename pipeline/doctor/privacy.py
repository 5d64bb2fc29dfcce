"""Checks of what keeps people private: what is hidden of them, and the key of the crops."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from itertools import islice

from pipeline.config import Site
from pipeline.doctor.check import Check, ok, warn
from pipeline.keyring import Keyring

_LOOKED_AT = 200  # crops


def privacy(site: Site) -> Iterator[Check]:
    """What is hidden, where, and where it is not."""
    options = site.privacy
    if options.blur == "none":
        yield ok("privacy", "nobody is hidden in pictures")
        return
    who = "nobody sees" if not options.some_see_clearly else f"from {options.clear_for} on one sees"
    detail = f"{options.blur} are hidden in {', '.join(options.in_)}; {who} them"
    if site.recorded and options.hidden("clips") != "none":
        yield warn(
            "privacy",
            f"{detail}; recordings hold what the cameras send, and are hidden when they are played",
            "recording.clear: false records no stream; recording.days says how long they stay",
        )
    elif options.blur == "persons" and options.hidden("crops") != "none":
        if options.some_see_clearly:
            yield ok("privacy", detail)
            return
        yield warn(
            "privacy",
            f"{detail}; from such crops no encoder is trained, and none takes over the gallery",
            "blur: faces, or clear_for, or leave crops out of `in`, where that is wanted",
        )
    else:
        yield ok("privacy", detail)


def encryption(site: Site) -> Iterator[Check]:
    """Whether the crops can be decrypted, and the key is nobody else's."""
    keyring = Keyring.of(site.encryption)
    if not keyring.names:
        yield ok("encryption", "crops are not encrypted")
        return
    others = f" and {len(keyring.names) - 1} former" if keyring.names[1:] else ""
    detail = f"crops are encrypted with the key {keyring.names[0]}{others}"
    file = site.encryption.key_file
    if file is not None and file.stat().st_mode & stat.S_IROTH:
        yield warn("encryption", f"{detail}; others can read {file}", f"chmod 600 {file}")
        return
    crops = list(islice(site.crops_dir.rglob("*.jpg"), _LOOKED_AT))
    odd = sum(not keyring.is_current(crop.read_bytes()) for crop in crops)
    if odd:
        yield warn(
            "encryption",
            f"{detail}; of {len(crops)} crops that were looked at, {odd} are not",
            "camtrail store rekey encrypts them, while the site is stopped",
        )
    else:
        yield ok("encryption", detail)
