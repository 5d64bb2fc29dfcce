"""Secrets of a camera's URL, put into variables of the environment."""

from __future__ import annotations

import re

_HERE = r"^([a-zA-Z][a-zA-Z0-9+.-]*://)"
_PLAIN = re.compile(_HERE + r"(\[[^\]/@]*\]|[^/@:?]*)(:\d{1,5})?([/?#]|$)")  # no login before it
_PASSWORD = re.compile(_HERE + r"([^/@:]*:)(.+)(@[^@]*)$")  # which may hold @ and /
_QUERY = re.compile(r"\?(?=[\w.~%-]+=)")
_PARAMETER = re.compile(r"(?<=[?&;])([^=&;#?/@]+)=([^&;#]+)")
_SECRET = re.compile(r"pas|pw|psw|token|secret|key|auth|sig|cred|session|^sid$", re.IGNORECASE)


class Variables:
    """Those that stand for the secrets of cameras, each of them for one.

    Attributes:
        notes: what to set in the environment, a sentence for each.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._taken: set[str] = set()

    def put(self, camera: str, source: str) -> str:
        """The source with ``${NAME}`` in the place of the password and of what a query names as
        one; what is a variable already stays.
        """
        if not re.match(_HERE, source):
            return source
        before, password, behind = _login(source)
        if password and not password.startswith("${"):
            password = self._variable(camera, "password", "the password")

        def parameter(match: re.Match[str]) -> str:
            name, value = match.groups()
            if not _SECRET.search(name) or value.startswith("${"):
                return match[0]
            return f"{name}={self._variable(camera, name, f'{name} of the URL')}"

        return before + password + _PARAMETER.sub(parameter, behind)

    def _variable(self, camera: str, word: str, what: str) -> str:
        stem = re.sub(r"[^A-Z0-9]", "_", f"{camera}_{word}".upper())
        stem = f"CAMERA_{stem}" if stem[0].isdigit() else stem
        name, number = stem, 2
        while name in self._taken:
            name, number = f"{stem}_{number}", number + 1
        self._taken.add(name)
        self.notes.append(f"{camera}: {what} is not in the file; set {name} in the environment")
        return f"${{{name}}}"


def _login(url: str) -> tuple[str, str, str]:
    """What stands before the password, the password, and what stands behind it."""
    for part in (_QUERY.split(url)[0], url):  # the second: a password may look like a query
        if _PLAIN.match(part):
            break
        if match := _PASSWORD.match(part):
            return match[1] + match[2], match[3], url[match.end(3) :]
    return "", "", url
