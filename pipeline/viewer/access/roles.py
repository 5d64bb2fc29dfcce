"""What somebody may do."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """From the least to the most; each may all that those before it may."""

    VIEWER = "viewer"  # looks and searches
    OPERATOR = "operator"  # puts identities right
    ADMINISTRATOR = "administrator"  # forgets people, manages users, reads the audit

    def may(self, least: Role) -> bool:
        """Whether this role is ``least`` or more."""
        return self._rank >= least._rank

    def within(self, most: Role) -> Role:
        """This role, but no more than ``most``."""
        return most if self.may(most) else self

    @property
    def _rank(self) -> int:
        return list(Role).index(self)
