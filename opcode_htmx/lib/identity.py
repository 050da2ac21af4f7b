"""The identity behind an act: a person's login, or a part of the system that is no person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from opcode_htmx.lib.coerce import as_list, as_str
from opcode_htmx.lib.dataclass import dataclass

OWNER = "owner"
"""The role of the one user there is today; a role means no permission yet."""

_SHOWN = 8
"""Characters of a login's id in the log: enough to find its file."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An actor. `login` is the id of a login; empty for HTTP Basic, and for what is no person."""

    user: str
    login: str = ""
    roles: tuple[str, ...] = ()

    @property
    def is_person(self) -> bool:
        return bool(self.roles) and self.roles[0] not in _NO_PERSON

    def __str__(self) -> str:
        """As the log shows it, in one word: `opcode/1f3a9c02`, `opcode/basic`, `system`.

        Only a person has a slash, whatever name a user may have chosen.
        """
        user = quote(self.user, safe="@+", errors="replace")
        return f"{user}/{quote(self.login[:_SHOWN]) or 'basic'}" if self.is_person else user

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "roles": list(self.roles)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Identity:
        """The identity that `as_json` gave; whatever is missing or wrong is empty."""
        roles = tuple(role for role in as_list(value.get("roles")) if isinstance(role, str))
        return cls(as_str(value.get("user")), as_str(value.get("login")), roles)


SYSTEM = Identity("system", roles=("system",))
"""This server: its limits, retention, scheduler and shutdown."""

ENGINE = Identity("engine", roles=("engine",))
"""Claude itself: what it asks, and turns that it begins and ends without a person."""

UNKNOWN = Identity("unknown", roles=("unknown",))
"""Nobody has recorded who it was: in the time of an earlier version, or on a full disk."""

_NO_PERSON = frozenset({"system", "engine", "unknown"})


def owner(user: str, login: str = "") -> Identity:
    """The one user of this server, with the id of a login, or by HTTP Basic without one."""
    return Identity(user, login, (OWNER,))
