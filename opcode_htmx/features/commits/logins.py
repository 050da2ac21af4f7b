"""Logins for remotes: typed for one act, kept in memory on request, or the server's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from opcode_htmx.lib.git.commands import programs, words
from opcode_htmx.lib.git.commands.remotes import Remote
from opcode_htmx.lib.git.commands.state import StateChanged
from opcode_htmx.lib.git.commands.words import GitRefused, LoginNeeded
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.login import (
    Login,
    Typed,
    Wanted,
    is_forbidden,
    refusal,
    wanted,
    was_accepted,
)
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.sessions.repositories.logins import KeptLogins

T = TypeVar("T")


class Logins:
    """Finds the login for an act on a remote."""

    def __init__(self, kept: KeptLogins, own: Callable[[str], Login | None]) -> None:
        """`own` gives the server's login at a host."""
        self.kept = kept
        self._own = own

    def check(self, typed: Typed | None, remote: Remote) -> None:
        """Raises StateChanged for a login that is not for this remote."""
        if typed is not None and typed.login.origin not in remote.origins:
            raise StateChanged(
                "The address of the remote has changed since you looked. Nothing was done, and the "
                "login was sent to nobody."
            )

    def own(self, remote: Remote) -> Login | None:
        """The server's own login for a remote."""
        return next(filter(None, map(self._own, sorted(remote.origins))), None)

    def used(
        self,
        git: Git,
        remote: Remote,
        typed: Typed | None,
        act: Callable[[Login | None], T],
        *,
        runs: bool,
        pushes: bool,
    ) -> T:
        """The result of an act on a remote, with the login that was typed or is kept for it.

        Without one the server's own is used where the remote asks for a login and the computer has
        none, and no program of the repository `runs`, which could read it. Raises LoginNeeded,
        where the remote asks for a login that a person can type, GitRefused, StateChanged, and what
        `act` does. `pushes`: it goes to all addresses of the remote.
        """
        self.check(typed, remote)
        login = typed.login if typed else next(iter(self.kept.of(remote.origins)), None)
        own = None if runs else self.own(remote)
        if (login or own) and (reason := _who_else(git, remote, pushes)):
            if typed:
                raise GitRefused(reason)
            login = own = None
        try:
            result = act(login)
        except GitFailed as error:
            asked = wanted(error.errors)
            is_asked = asked is not None and own is not None and asked.origin == own.origin
            # looked at once more: the first attempt has taken a while
            if own and login is None and is_asked and not _who_else(git, remote, pushes):
                return self._tried(own, remote, act)
            if typed and typed.keeps and was_accepted(error):
                self.kept.keep(typed.login)
            user = login.user if login else ""
            raise self._refusal(error, remote, login, user) from None
        if typed and typed.keeps:
            self.kept.keep(typed.login)
        return result

    def _tried(self, login: Login, remote: Remote, act: Callable[[Login | None], T]) -> T:
        try:
            return act(login)
        except GitFailed as error:
            raise self._refusal(error, remote, login) from None

    def _refusal(
        self, error: GitFailed, remote: Remote, login: Login | None, user: str = ""
    ) -> Exception:
        """What is said instead of a failure of git. `user` is that of a person's login."""
        asked = wanted(error.errors)
        if login is not None:
            error = GitFailed(
                login.without(str(error)),
                status=error.status,
                output=login.without(error.output.decode("utf-8", "replace")).encode(),
                errors=login.without(error.errors),
            )
        if asked is None or asked.origin not in remote.origins:
            return error
        is_refused = login is not None and login.origin == asked.origin
        if is_refused:
            self.kept.forget(asked.origin)
            asked = replace(asked, user=asked.user or user)
        output = words.refusal(error).output
        return LoginNeeded(_sentence(asked, error, is_refused=is_refused), output, asked)


def _who_else(git: Git, remote: Remote, pushes: bool) -> str:
    """Why a login is not sent, as others could read it; empty if none could."""
    if key := programs.who_reads_logins(git):
        return (
            f"The repository’s own settings ({key}) affect who could read the login, so it was "
            "not sent. Remove them, or log in on the computer."
        )
    if pushes and remote.pushes_here:
        return (
            "An address of the remote is a folder on this computer, whose hooks could read the "
            "login, so it was not sent. Make that folder a remote of its own."
        )
    return ""


def _sentence(asked: Wanted, error: GitFailed, *, is_refused: bool) -> str:
    if is_refused or is_forbidden(error.errors):
        return refusal(asked.origin, error.errors)
    return f"{asked.origin} asks for a login."
