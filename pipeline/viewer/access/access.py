"""Who may use the viewer of a site."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.author import logged_in
from pipeline.errors import CamtrailError
from pipeline.viewer.access.asker import Asker, Credentials
from pipeline.viewer.access.database import Database
from pipeline.viewer.access.limits import Backoff, Quota
from pipeline.viewer.access.log import Deed, Log
from pipeline.viewer.access.roles import Role
from pipeline.viewer.access.secret import derived
from pipeline.viewer.access.sessions import Sessions
from pipeline.viewer.access.tokens import Tokens
from pipeline.viewer.access.users import Users

SEARCHES_A_MINUTE = 60


class LoginError(CamtrailError):
    """Name or password is wrong; which of them is not said."""


class TooOftenError(CamtrailError):
    """``wait``: whole seconds until it may be tried again."""

    def __init__(self, wait: float) -> None:
        self.wait = math.ceil(wait)
        super().__init__(f"too many tries; wait {self.wait} s")


class Access:
    """Users, sessions, tokens and the log of one site. For any number of threads.

    Args:
        folder: of the site's data.
        audit_days: how long the log is kept.
        open_at_first: whether everybody is let in while there is no user.
    """

    def __init__(
        self,
        folder: Path,
        audit_days: float,
        open_at_first: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = Database(folder)
        self._open_at_first = open_at_first
        self.users = Users(self._database, clock)
        self.sessions = Sessions(self._database, clock)
        self.tokens = Tokens(self._database, clock)
        self.log = Log(self._database, audit_days, clock)
        self._by_name = Backoff(free=5, longest=60, quiet=900, clock=clock)
        self._by_address = Backoff(free=20, longest=900, quiet=3600, clock=clock)
        self._searches = Quota(SEARCHES_A_MINUTE, 60, clock)

    def recognise(self, credentials: Credentials) -> Asker | None:
        """Who brings these; None: somebody who has to log in first."""
        if not self.users.anybody():
            return _owner() if self._open_at_first else None
        if credentials.token:
            found = self.tokens.holder(credentials.token)
            return found and Asker(*found, credentials=credentials)
        if credentials.session:
            found = self.sessions.holder(credentials.session)
            csrf = derived(credentials.session, "csrf")
            return found and Asker(*found, csrf=csrf, credentials=credentials)
        return None

    def log_in(self, name: str, password: str, address: str) -> Asker:
        """Begins a session.

        Raises:
            LoginError: name or password is wrong.
            TooOftenError: they were too often, for this name or from this address.
        """
        place = _network(address)
        # In this order: who guesses from one address cannot keep a user out for long.
        if wait := self._by_address.attempt(place) or self._by_name.attempt(name):
            raise TooOftenError(wait)
        if not self.users.has_password(name, password):
            # A name that is none may be a password that was typed into the wrong field.
            known = name if self.users.is_known(name) else "somebody unknown"
            self.log.deed(known, Deed.REFUSED, address=address)
            raise LoginError("name or password is wrong")
        self._by_name.forgive(name)
        self._by_address.take_back(place)
        asker = self.recognise(Credentials(session=self.sessions.begin(name)))
        assert asker is not None
        self.log.deed(name, Deed.LOGIN, address=address)
        return asker

    def log_out(self, asker: Asker) -> None:
        """Ends a session."""
        self.sessions.end(asker.credentials.session)
        self.log.deed(asker.name, Deed.LOGOUT)

    def count_search(self, asker: Asker) -> None:
        """One more search of somebody.

        Raises:
            TooOftenError: they are too many.
        """
        if asker.login and (wait := self._searches.take(asker.name)):
            raise TooOftenError(wait)

    def tidy(self) -> None:
        """Deletes what has expired or is older than it is to be kept."""
        if self._database.there:
            self.sessions.tidy()
            self.tokens.tidy()
            self.log.tidy()

    def close(self) -> None:
        """Lets go of the file."""
        self._database.close()


def _owner() -> Asker:
    """The user of this machine, while nobody has to log in."""
    try:
        name = logged_in()
    except CamtrailError:
        name = "local"
    return Asker(name, Role.ADMINISTRATOR, login=False)


def _network(address: str) -> str:
    """An address, or of IPv6 the 64 bits that one customer has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
