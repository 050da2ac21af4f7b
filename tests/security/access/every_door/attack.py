"""Requests that must be refused, and the doors that need a login or a token.

What is expected stands here and is not read from the app: a new route is protected, or it is
added to `PUBLIC` on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pytest
from flask import Flask

from opcode_htmx.web.auth.login import LoginForm
from opcode_htmx.web.http import errors
from tests.security.access.doors import Door, Visits, ask, files_of, tried
from tests.support.environment import Sandbox
from tests.support.fuzzing import FACTOR

T = TypeVar("T")

PUBLIC = {
    *("HEAD /healthz", "GET /healthz", "HEAD /login", "GET /login", "POST /login"),
    *("HEAD /pair", "GET /pair", "POST /pair", "HEAD /readyz", "GET /readyz"),
    *("HEAD /metrics", "GET /metrics"),  # with a token or, as here, from this machine
}
"""The doors that need no login."""


def protected(doors: list[Door], *, sockets: bool | None = None) -> list[Door]:
    """The doors that need a login: all, the sockets (`sockets`), or the others."""
    return [
        door
        for door in doors
        if str(door) not in PUBLIC and (sockets is None or door.is_socket == sockets)
    ]


def changing(doors: list[Door]) -> list[Door]:
    """The doors that need a token besides."""
    return [door for door in protected(doors, sockets=False) if not door.is_safe]


def shared_out(doors: Sequence[Door], variants: Sequence[T]) -> Iterator[tuple[T, list[Door]]]:
    """Variants of one attack, each with its share of the doors; with all of them under FUZZ.

    So every door meets one of the variants, whichever its method is: what refuses them is the same
    for all doors, or it is missing at one.
    """
    rules = list(dict.fromkeys(door.rule for door in tried([*doors])))
    for number, variant in enumerate(variants):
        own = rules if FACTOR > 1 else rules[number :: len(variants)]
        if own:
            yield variant, [door for door in doors if door.rule in own]


class Attack:
    """Sends requests that must be refused, and collects those that are not."""

    def __init__(self, app: Flask, visits: Visits, sandbox: Sandbox) -> None:
        self._app = app
        self._visits = visits
        self._sandbox = sandbox

    def refused(
        self,
        doors: list[Door],
        headers: Mapping[str, str],
        *statuses: int,
        **how: Any,
    ) -> list[str]:
        """The doors that did not answer with one of `statuses` before their view was entered."""
        doors = tried(doors)
        assert doors, "there is something to try"
        before = files_of(self._sandbox)
        held_open = []
        with pytest.MonkeyPatch.context() as patch:
            # Half of the time would go into pages of errors and logins, which nobody reads here.
            patch.setattr(errors, "_page", lambda sentence, code, _: f"{code} {sentence}")
            patch.setattr(LoginForm, "page", lambda *_, **__: "the login")
            for door in doors:
                with self._visits.watch() as entered:
                    answer = ask(self._app, door, headers, **how)
                if answer.status_code not in statuses or entered:
                    held_open.append(f"{door}: {answer.status_code}, entered: {entered}")
        assert files_of(self._sandbox) == before
        return held_open
