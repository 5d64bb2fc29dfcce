"""Crops encrypted: in the spools, in Redis and on disk.

An encrypted crop is ``CTC1 | key (8 bytes) | nonce (12) | ciphertext and tag``: AES-256-GCM with a
nonce by chance, ``key`` being the beginning of the key's SHA-256, so that it can be told which of
several is meant. What is authenticated with it is ``CAMERA/RUN-TRACK-SEQ``: a picture that is put
in the place of another one does not open there. A crop of before is a JPEG, and is read as it is.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from pipeline.config import Encryption
from pipeline.errors import CamtrailError
from pipeline.records import TrackletUpdate

MAGIC = b"CTC1"
KEY_BYTES = 32

_ID_BYTES = 8
_NONCE_BYTES = 12
_HEAD = len(MAGIC) + _ID_BYTES
_MAX_FILE = 2**16
_KEY = re.compile(r"[0-9A-Fa-f]{64}")


class SealedError(CamtrailError):
    """A crop cannot be decrypted."""


class Keyring:
    """The keys of a site: the first one encrypts, all decrypt. Without one nothing is encrypted."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._ciphers = {}
        if keys:  # imported by those alone who need it
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._ciphers = {identify(key): AESGCM(key) for key in keys}

    @staticmethod
    def of(options: Encryption) -> Keyring:
        """The keys that ``site.yaml`` names.

        Raises:
            CamtrailError: the file cannot be read, or holds something else than keys.
        """
        if options.key is not None:
            return Keyring(parse(options.key.get_secret_value(), "encryption.key"))
        if options.key_file is not None:
            return Keyring(parse(_read(options.key_file), str(options.key_file)))
        return Keyring()

    @property
    def names(self) -> list[str]:
        """What the keys are called, the one that encrypts first; it says nothing of them."""
        return [name.hex() for name in self._ciphers]

    def seal(self, picture: bytes, name: str) -> bytes:
        """A crop as it is to be stored; what is encrypted already stays as it is."""
        if not self._ciphers or is_sealed(picture):
            return picture
        key, cipher = next(iter(self._ciphers.items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return MAGIC + key + nonce + cipher.encrypt(nonce, picture, name.encode())

    def open(self, data: bytes, name: str) -> bytes:
        """A crop as it was before `seal`.

        Raises:
            SealedError: there is no key for it, or it is damaged.
        """
        if not is_sealed(data):
            return data
        key = data[len(MAGIC) : _HEAD]
        if not self._ciphers:
            raise SealedError(
                f"{name}: is encrypted, and site.yaml names no key; give encryption.key_file"
            )
        if key not in self._ciphers:
            raise SealedError(
                f"{name}: is encrypted with the key {key.hex()}, which is not among those of "
                f"site.yaml ({', '.join(self.names)}); add it to them, behind the first"
            )
        from cryptography.exceptions import InvalidTag

        nonce, rest = data[_HEAD : _HEAD + _NONCE_BYTES], data[_HEAD + _NONCE_BYTES :]
        try:
            return self._ciphers[key].decrypt(nonce, rest, name.encode())
        except (InvalidTag, ValueError):  # the latter where it was cut off
            raise SealedError(
                f"{name}: is damaged, or was put in the place of another picture"
            ) from None

    def read(self, file: Path) -> bytes:
        """A crop's file, decrypted.

        Raises:
            OSError: it cannot be read.
            SealedError: as `open`.
        """
        return self.open(file.read_bytes(), name_of(file))

    def is_current(self, data: bytes) -> bool:
        """Whether a crop is stored as `seal` would do it now."""
        newest = next(iter(self._ciphers), None)
        return not is_sealed(data) if newest is None else data.startswith(MAGIC + newest)


def is_sealed(data: bytes) -> bool:
    """Whether a crop is encrypted."""
    return data.startswith(MAGIC)


def identify(key: bytes) -> bytes:
    """What a key is called in what it has encrypted."""
    return hashlib.sha256(b"camtrail crops " + key).digest()[:_ID_BYTES]


def name_of(crop: TrackletUpdate | Path) -> str:
    """What is authenticated with the picture of an update, or with the file that holds it."""
    if isinstance(crop, Path):
        return f"{crop.parent.name}/{crop.stem}"
    return f"{crop.camera}/{crop.run}-{crop.track}-{crop.seq}"


def parse(text: str, where: str) -> list[bytes]:
    """The keys of a text: 64 hexadecimal digits each, with blanks or lines between; ``#`` begins a
    comment. No error repeats any of it.

    Raises:
        CamtrailError: it holds something else, or nothing.
    """
    words = [word for line in text.splitlines() for word in line.partition("#")[0].split()]
    if not words:
        raise CamtrailError(f"{where}: holds no key; `camtrail store newkey FILE` makes one")
    if not all(_KEY.fullmatch(word) for word in words):
        raise CamtrailError(
            f"{where}: expected keys of 64 hexadecimal digits, one a line; `camtrail store newkey "
            "FILE` makes one"
        )
    return [bytes.fromhex(word) for word in words]


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(_MAX_FILE + 1)
        if len(data) > _MAX_FILE:
            raise CamtrailError(f"{file}: larger than {_MAX_FILE} bytes; no file of keys")
        return data.decode()
    except OSError as error:
        raise CamtrailError(
            f"{file}: the key of the crops cannot be read: {error.strerror}; nothing is stored "
            "without it (encryption.key_file)"
        ) from None
    except UnicodeDecodeError:
        raise CamtrailError(f"{file}: is no text; expected keys of 64 hexadecimal digits") from None
