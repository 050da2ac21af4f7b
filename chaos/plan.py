"""The plan of a round, from a seed alone: prompts and faults, and their times.

Times are counted in lines and messages, not in seconds, so that a plan means the same on a busy
machine; the interleaving of concurrent events is left to the machine. Pure: knows no server.
"""

from __future__ import annotations

import json
import random
import signal
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass

Step = tuple[str | int | float, ...]

WAYS = ("rest", "socket", "page")
CUTS = ("close", "vanish", "reset", "abandon", "freeze")
"""How a client loses its socket: by a closing handshake; by an abrupt close; by a reset; by staying
open and never reading again; or not at all, with a pause in reading."""

BLOWS = ("kill", "kill", "worker", "worker", "terminate")
"""Faults of the server: SIGKILL for all of it, SIGKILL for a worker, SIGTERM."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A fault of a client after it has received `after` more messages."""

    after: int
    how: str


@dataclass(frozen=True, slots=True)
class Stop:
    """A person stops the run when `after` of its lines have been received."""

    after: int
    way: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A prompt: steps for the stand-in, or words that the scripted model knows.

    `times`: how often it is sent, at once, under the same id.
    """

    prompt_id: str
    steps: tuple[Step, ...] | str
    way: str
    times: int
    at_once: bool
    """Whether the next prompt is sent without waiting for the end of this turn."""
    stop: Stop | None

    @property
    def text(self) -> str:
        return self.steps if isinstance(self.steps, str) else json.dumps(self.steps)


@dataclass(frozen=True, slots=True)
class Session:
    number: int
    turns: tuple[Turn, ...]
    answers: tuple[str, ...]
    """The interfaces through which each question is answered, all at once."""
    socket: tuple[Cut, ...]
    poller: tuple[Cut, ...]
    page: tuple[Cut, ...]


@dataclass(frozen=True, slots=True)
class Blow:
    """A fault of the server after `after` received lines in all."""

    after: int
    what: str


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    real: bool
    """Whether the real CLI with a scripted model plays it, or the stand-in."""
    browser: bool
    """Whether Chromium follows the first session, where there is one."""
    sessions: tuple[Session, ...]
    blows: tuple[Blow, ...]

    def __str__(self) -> str:
        return "\n".join(_lines(self, ""))


def _lines(value: object, indent: str) -> list[str]:
    """A value of dataclasses as an outline."""
    if not is_dataclass(value):
        return [f"{indent}{value!r}"]
    inner = [(field.name, getattr(value, field.name)) for field in fields(value)]
    plain = [f"{n}={v!r}" for n, v in inner if not (isinstance(v, tuple) and v and _nested(v))]
    lines = [f"{indent}{type(value).__name__}({', '.join(plain)})"]
    for name, values in inner:
        if isinstance(values, tuple) and values and _nested(values):
            lines.append(f"{indent}  {name}:")
            for each in values:
                lines += _lines(each, indent + "    ")
    return lines


def _nested(values: tuple[object, ...]) -> bool:
    return is_dataclass(values[0])


SESSIONS, REAL_SESSIONS = 10, 4
REAL_SHARE, BROWSER_SHARE = 0.2, 0.25
"""Of rounds."""
REAL_WORDS = ("say", "stream", "think", "make", "leave", "fail")
FOR_EVER = "hold on"


def plan(seed: int) -> Plan:
    """The plan of the round with this seed."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    real = dice.random() < REAL_SHARE
    blows = dice.choice((0, 1, 1, 2, 3))
    sessions = REAL_SESSIONS if real else SESSIONS
    browser = dice.random() < BROWSER_SHARE
    return draw(seed, real=real, sessions=sessions, blows=blows, browser=browser)


def draw(seed: int, *, real: bool, sessions: int, blows: int, browser: bool = False) -> Plan:
    """A plan of this size."""
    dice = random.Random(f"{seed} {real} {sessions} {blows}")  # noqa: S311 - no secret
    drawn = tuple(_session(dice, number, real=real) for number in range(sessions))
    lines = sum(_weight(turn.steps) for each in drawn for turn in each.turns)
    struck = sorted(dice.randrange(lines) for _ in range(blows))
    return Plan(
        seed, real, browser, drawn, tuple(Blow(after, dice.choice(BLOWS)) for after in struck)
    )


def _session(dice: random.Random, number: int, *, real: bool) -> Session:
    turns = dice.choice((1, 2, 2, 3))
    return Session(
        number,
        tuple(_turn(dice, last=each == turns - 1, real=real) for each in range(turns)),
        tuple(dice.sample(WAYS, dice.randint(1, 3))),
        _cuts(dice),
        _cuts(dice),
        _cuts(dice),
    )


def _cuts(dice: random.Random) -> tuple[Cut, ...]:
    count = dice.choice((0, 1, 2, 3, 5))
    return tuple(Cut(dice.choice((0, 1, 5, 20, 60)), dice.choice(CUTS)) for _ in range(count))


def _turn(dice: random.Random, *, last: bool, real: bool) -> Turn:
    for_ever = dice.random() < 0.2
    stopped = for_ever or dice.random() < 0.25
    words = FOR_EVER if for_ever else dice.choice(REAL_WORDS)
    return Turn(
        str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        words if real else _steps(dice, for_ever=for_ever),
        dice.choice(WAYS),
        dice.choice((1, 1, 2, 3)),
        not last and dice.random() < 0.3,
        Stop(dice.choice((0, 1, 5, 30, 100)), dice.choice(WAYS)) if stopped else None,
    )


def _steps(dice: random.Random, *, for_ever: bool) -> tuple[Step, ...]:
    steps = [_step(dice) for _ in range(dice.randint(1, 5))]
    if dice.random() < 0.2:
        steps.insert(0, ("deaf",))
    if for_ever:
        steps.append((dice.choice(("hang", "shut")),))
    elif dice.random() < 0.2:
        steps.append(_death(dice))
    return tuple(steps)


def _death(dice: random.Random) -> Step:
    deaths = (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)
    return dice.choice(
        (
            ("exit", 0),
            ("exit", 3),
            ("signal", int(dice.choice(deaths))),
            ("half and die", int(dice.choice(deaths))),
        )
    )


def _step(dice: random.Random) -> Step:
    pause = dice.choice((0.0, 0.001, 0.01))
    return dice.choice(
        (
            ("say", dice.randint(1, 60), pause),
            ("say", dice.randint(1, 60), pause),
            ("say", dice.randint(100, 300), 0.0),
            ("stream", dice.randint(1, 150), pause),
            ("stream", dice.randint(1, 150), pause),
            ("stream", dice.randint(200, 1500), 0.0),
            ("tool", dice.randint(1, 5)),
            ("half", dice.choice((0.01, 0.2))),
            ("big", dice.choice((10_000, 300_000, 2_000_000))),
            ("garbage", dice.randint(1, 6)),
            ("complain", dice.randint(1, 10)),
            ("child", dice.choice(("sleep", "daemon", "stubborn"))),
            ("ask", f"ask-{dice.getrandbits(64):016x}"),
            ("ask", f"ask-{dice.getrandbits(64):016x}"),
            ("pause", dice.choice((0.1, 0.5))),
        )
    )


def _weight(steps: Sequence[Step] | str) -> int:
    """The approximate number of lines of these steps."""
    if isinstance(steps, str):
        return 40
    counts = (int(step[1]) if step[0] in ("say", "stream") else 2 for step in steps)
    return 2 + sum(counts)
