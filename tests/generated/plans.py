"""Plans of sessions for differential tests: typed steps, written by hand or from a seed.

See `generated_script` for what the model says to them, and `generated_sessions` for the player.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

PHONE, DESK, LAPTOP = "phone", "desk", "laptop"


WORD = re.compile(r"\b(?:KIWI|PLUM|PEAR|LIME|FIG|DATE)[0-9]+\b")
"""KIWI17: the prompt of step 17. PLUM17: its answer. PEAR17: the prompt of its agent. LIME17: what
its tool or agent gave back. FIG3: the answer in a turn that Claude began by itself. DATE3: the
summary of a compaction."""

SPOKEN = ("KIWI", "PLUM", "FIG", "DATE")
"""The words of prompts, answers and summaries; not those of tools and agents."""


@dataclass(frozen=True)
class Step:
    """`driver` is the process that plays it; it starts when it has something to play."""

    driver: str = PHONE


class Prompt(Step):
    """A prompt that is answered with text."""


class Tool(Step):
    """A prompt for which Claude runs one command."""


class ParallelTools(Step):
    """A prompt that is answered by one message with three calls."""


class Thoughts(Step):
    """A prompt for which Claude thinks first."""


class Files(Step):
    """A prompt for which Claude writes, reads, edits and finds a file."""


class Question(Step):
    """A prompt for which Claude asks the person; the first option is chosen."""


class PlanFirst(Step):
    """A prompt for which Claude plans, and the plan is accepted."""


class Failure(Step):
    """A prompt for which the API has only an error."""


class Interrupt(Step):
    """A prompt whose answer is interrupted in mid-stream."""


class InterruptTool(Step):
    """A prompt whose command is interrupted while it runs."""


class BackgroundBash(Step):
    """A prompt for which Claude starts a command in the background, whose end it reports."""


@dataclass(frozen=True)
class Agent(Step):
    """A prompt for which Claude sends an agent, and the agent runs a command."""

    background: bool = False


@dataclass(frozen=True)
class Desk(Step):
    """A prompt by a process that ends behind it: `claude -p --resume ID` in a terminal."""

    driver: str = DESK


class Restart(Step):
    """The process ends; the next step of this driver resumes the session."""


class Kill(Step):
    """A prompt in whose answer the process is killed (SIGKILL)."""


@dataclass(frozen=True)
class Rewind(Step):
    """The conversation is cut in front of the prompt of step `to`, on the living process."""

    to: int = 0


class Compact(Step):
    """`/compact`."""


@dataclass(frozen=True)
class Clear(Step):
    """`/clear`: the process goes on in a new session, whose id is Claude's choice.

    follow: whether processes that start later resume the new session, or the old one."""

    follow: bool = False


class Fork(Step):
    """A prompt in a new session that begins as a copy of this one; later steps go on there."""


@dataclass(frozen=True)
class Torn(Step):
    """The history file loses its last `size` bytes, as when the machine lost power."""

    size: int = 1


Plan = tuple[Step, ...]

# Plans that several tests look at. Each plan is played once, whatever the number of its tests.
_ONE = Prompt()
REWOUND: Plan = (_ONE, _ONE, Rewind(to=1), _ONE)
REWOUND_IN_REWINDS: Plan = (
    *(_ONE, _ONE, Tool(), Rewind(to=2), _ONE, Rewind(to=1)),
    *(Rewind(to=1), Tool()),  # a rewind that is refused, for its prompt is gone
)
RESTARTED: Plan = (_ONE, Desk(), Restart(), _ONE)
TWO_THAT_LIVE: Plan = (
    *(_ONE, Prompt(DESK), ParallelTools(), Tool(DESK)),
    *(Restart(DESK), Restart()),
)
KILLED: Plan = (_ONE, Desk(), _ONE, Kill())
AGENTS: Plan = (
    *(_ONE, Tool(), ParallelTools()),
    *(Agent(), Agent(background=True), BackgroundBash(), _ONE),
)
TORN: Plan = (_ONE, _ONE, Torn(size=2000), _ONE)
COMPACTED: Plan = (_ONE, _ONE, Compact(), _ONE, Rewind(to=1), _ONE)


def generate(seed: int, length: int = 8, *, wide: bool = False) -> Plan:
    """A plan of `length` steps that the CLI can play. The same for the same arguments.

    wide: with thoughts, files and questions, too."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    plan: list[Step] = [Prompt()]
    while len(plan) < length:
        plan.append(_step(chance, plan, wide=wide))
    return tuple(plan)


def _step(chance: random.Random, plan: Sequence[Step], *, wide: bool) -> Step:
    driver = chance.choices((PHONE, DESK, LAPTOP), (6, 2, 1))[0]
    simple: list[type[Step]] = [Prompt, Tool, ParallelTools, Interrupt, InterruptTool]
    rare: list[type[Step]] = [BackgroundBash, Compact, Restart, Kill, Fork]
    if wide:
        simple += [Thoughts, Files, Question]
    match chance.choices(("simple", "desk", "agent", "rewind", "rare"), (8, 3, 2, 3, 3))[0]:
        case "desk":
            return Desk()
        case "agent":
            return Agent(driver, chance.random() < 0.5)
        case "rewind" if targets := rewindable(plan, driver):
            return Rewind(driver, chance.choice(targets))
        case "rare" if chance.random() < 0.2:
            return Clear(driver, chance.random() < 0.5)
        case "rare" if chance.random() < 0.2:
            return Torn(driver, chance.randrange(1, 4000))
        case "rare":
            return chance.choice(rare)(driver)
        case _:
            return chance.choice(simple)(driver)


def rewindable(plan: Sequence[Step], driver: str) -> list[int]:
    """The steps to whose prompts the driver's process can go back. Empty if it has ended."""
    found: list[int] = []
    for index, step in enumerate(plan):
        match step:
            case Clear() | Fork() | Torn():
                found = []
            case Compact() | Restart() | Kill() if step.driver == driver:
                found = []
            case Rewind(to=to) if step.driver == driver:
                found = [each for each in found if each < to]
            case Desk() | Compact() | Restart() | Kill() | Rewind():
                pass
            case _ if step.driver == driver:
                found.append(index)
    return found
