"""`camtrail store newkey` and `rekey`: keys of the crops, made and changed."""

from __future__ import annotations

import os
import secrets
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.alone import no_matcher
from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.keyring import KEY_BYTES, Keyring, SealedError, name_of
from pipeline.output import print_json

_SAY_EVERY = 5.0  # seconds


@dataclass
class Rekeyed:
    """What was done to the crops; ``unreadable`` is why, of each that could not be decrypted."""

    changed: int = 0
    kept: int = 0
    unreadable: list[str] = field(default_factory=list)


def new_key(file: Path) -> None:
    """Puts a new key before those of a file, which nobody else can read.

    Raises:
        CamtrailError: it cannot be written.
    """
    partial = file.with_name(f".{file.name}.partial")
    try:
        former = file.read_text(encoding="utf-8") if file.exists() else ""
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(f"{secrets.token_hex(KEY_BYTES)}\n{former}")
            opened.flush()
            os.fsync(descriptor)
        partial.replace(file)
    except (OSError, UnicodeDecodeError) as error:
        raise CamtrailError(f"{file}: a key cannot be put there: {error}") from None
    print(
        f"{file}: has a new key, which encrypts from the next start on. Without this file no crop "
        "can be read: keep a copy elsewhere"
    )


def rekey(site: Site, *, decrypt: bool, as_json: bool) -> int:
    """Encrypts all crops with the first key, or with none; where it was stopped it goes on.

    Returns:
        The exit status: 1 where some could not be decrypted.

    Raises:
        CamtrailError: there is no key, a matcher runs, or the disk takes nothing.
    """
    keyring = Keyring.of(site.encryption)
    if not keyring.names:
        raise CamtrailError(
            "site.yaml names no key (encryption.key_file); to write crops without encryption, "
            "leave the key there and add --decrypt"
        )
    with no_matcher(site):  # which deletes crops meanwhile, and they would be there again
        try:
            done = _change_all(site.crops_dir, keyring, Keyring() if decrypt else keyring)
        except OSError as error:
            raise CamtrailError(
                f"{site.crops_dir}: {error.strerror}; what is done is done: start it again"
            ) from None
    if as_json:
        print_json(done)
    else:
        _print(done, keyring, decrypt)
    return 1 if done.unreadable else 0


def _change_all(folder: Path, keyring: Keyring, wanted: Keyring) -> Rekeyed:
    for partial in folder.rglob("*.partial"):  # of one that was killed
        partial.unlink(missing_ok=True)
    done, said = Rekeyed(), time.monotonic()
    for file in folder.rglob("*.jpg"):
        data = file.read_bytes()
        if wanted.is_current(data):
            done.kept += 1
            continue
        try:
            picture = keyring.open(data, name_of(file))
        except SealedError as error:
            done.unreadable.append(str(error))
            continue
        partial = file.with_suffix(".partial")
        partial.write_bytes(wanted.seal(picture, name_of(file)))
        partial.replace(file)
        done.changed += 1
        if time.monotonic() - said > _SAY_EVERY:
            said = time.monotonic()
            print(f"{done.changed} crops written anew", file=sys.stderr, flush=True)
    return done


def _print(done: Rekeyed, keyring: Keyring, decrypt: bool) -> None:
    how = "without encryption" if decrypt else f"with the key {keyring.names[0]}"
    print(f"{done.changed} crops were written anew {how}, {done.kept} were so before")
    for line in done.unreadable[:10]:
        print(f"left as it is: {line}")
    if len(done.unreadable) > 10:
        print(f"and {len(done.unreadable) - 10} more")
    if decrypt:
        print("take `encryption` out of site.yaml now, or the next ones are encrypted again")
