"""Logins for hosts that people have typed and want to be kept, in the memory of this worker."""

from __future__ import annotations

from collections.abc import Collection

from opcode_htmx.lib.git.login import Login

MOST_KEPT = 50


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
