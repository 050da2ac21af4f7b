"""Logins for hosts that people have typed, and those kept in the memory of this worker."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from opcode_htmx.lib.git.login import Login, Typed

MOST_KEPT = 50
FIELDS = ("login_user", "login_password", "login_keep")
"""Those of templates/remote_login.html."""


def typed_in(form: Mapping[str, str], origin: str) -> Typed:
    """The login for a host that a form with these fields has. Raises InvalidLogin."""
    user, password, keeps = (form.get(name, "") for name in FIELDS)
    return Typed(Login.typed(origin, user.strip(), password), keeps=keeps == "1")


def host_of(typed: Typed | None) -> str:
    """The host that it is for, as acts are logged with it; empty without one."""
    return typed.login.origin if typed else ""


class KeptLogins:
    """The logins, by the hosts that they are for; they end with the server."""

    def __init__(self) -> None:
        self._kept = dict[str, Login]()

    def of(self, origins: Collection[str]) -> list[Login]:
        """Those for some hosts, such as `https://github.com`."""
        return [each for origin, each in self._kept.items() if origin in origins]

    def keep(self, login: Login) -> None:
        self._kept.pop(login.origin, None)
        self._kept[login.origin] = login
        while len(self._kept) > MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))

    def forget(self, origin: str) -> None:
        self._kept.pop(origin, None)
