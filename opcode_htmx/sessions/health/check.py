"""A check of one thing, what it has found, and running several of them at once.

A check is isolated: its exception, and that it takes too long, are findings like others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

import gevent

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass

SECONDS = 5.0


class State(StrEnum):
    """How a thing is. Only a PROBLEM keeps the server from its work."""

    OK = "ok"
    HINT = "hint"
    """It may need something to be done, which cannot be seen from here."""
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"
    """It could not be checked."""


SYMBOLS = {
    State.OK: "✓",
    State.HINT: "i",
    State.WARNING: "!",
    State.PROBLEM: "✗",
    State.UNKNOWN: "?",
}
WORDS = {
    State.OK: "Fine",
    State.HINT: "Hint",
    State.WARNING: "Warning",
    State.PROBLEM: "Problem",
    State.UNKNOWN: "Not known",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found. Texts are for the person; none holds a secret."""

    state: State
    summary: str
    """A sentence."""
    mend: str = ""
    """What to do about it, as a sentence."""
    command: str = ""
    """One command that does it, or leads on, to be copied into a terminal."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Names and values, such as versions."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check, made by `run`."""

    name: str
    """One word, for programs."""
    title: str
    look: Callable[[], Finding]
    """It may block, and raise anything."""
    seconds: float = SECONDS
    """How long it may take."""
    in_greenlet: bool = False
    """For what starts processes and asks sockets; else it is called in a thread, in which a disk
    that hangs holds up nobody."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finding, and the check that it is of."""

    name: str
    title: str
    finding: Finding

    def as_json(self) -> dict[str, Any]:
        found = self.finding
        return {
            "name": self.name,
            "title": self.title,
            "state": found.state.value,
            "summary": found.summary,
            "mend": found.mend,
            "command": found.command,
            "facts": dict(found.facts),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Result:
        """The result that `as_json` gave. Raises what json_files.WRONG_SHAPE lists."""
        finding = Finding(
            State(value["state"]),
            str(value["summary"]),
            str(value["mend"]),
            str(value["command"]),
            {str(name): str(text) for name, text in value["facts"].items()},
        )
        return cls(str(value["name"]), str(value["title"]), finding)


class Checker:
    """Runs checks; one that still hangs from an earlier time is not started again."""

    def __init__(self) -> None:
        self._hanging: dict[str, gevent.Greenlet[[Check], Finding]] = {}

    def run(self, checks: Iterable[Check]) -> tuple[Result, ...]:
        """The results of all checks, in their order, when the last one has ended or is too late."""
        begun = time.monotonic()
        looks = [(each, self._begun(each)) for each in checks]
        return tuple(
            Result(each.name, each.title, self._finding(each, look, begun)) for each, look in looks
        )

    def _begun(self, check: Check) -> gevent.Greenlet[[Check], Finding] | None:
        before = self._hanging.get(check.name)
        if before is not None and not before.ready():
            return None
        return gevent.spawn(_look, check)

    def _finding(
        self, check: Check, look: gevent.Greenlet[[Check], Finding] | None, begun: float
    ) -> Finding:
        if look is None:
            return _unknown("an earlier check of it has not ended")
        look.join(max(0.0, begun + check.seconds - time.monotonic()))
        if look.ready():
            self._hanging.pop(check.name, None)
            return look.value or _unknown("the check was ended")
        if check.in_greenlet:
            look.kill()  # which ends what it has started
        else:
            self._hanging[check.name] = look
        return _unknown(f"there was no answer within {check.seconds:g} seconds")


def _look(check: Check) -> Finding:
    try:
        return check.look() if check.in_greenlet else run_in_thread(check.look)
    except Exception as error:
        # not its text, which may quote a file or a setting
        reason = getattr(error, "strerror", None) or type(error).__name__
        return _unknown(str(reason))


def _unknown(reason: str) -> Finding:
    return Finding(State.UNKNOWN, f"This could not be checked: {reason}.")


def has_problem(results: Iterable[Result]) -> bool:
    """Whether something keeps the server from its work."""
    return any(each.finding.state is State.PROBLEM for each in results)
