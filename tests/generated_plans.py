"""Plans of sessions for differential tests: typed steps from a seed, and the model's script.

Every prompt carries a word of its own, and so does every answer, so that what a model was sent and
what a page shows can be compared as lists of words. See `generated_sessions` for the player.
"""

from __future__ import annotations

import itertools
import random
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opcode_htmx.demo.messages_api import ApiError, Request, Scene, Text, Thinking, ToolUse, Turn
from opcode_htmx.demo.script import Step as ScriptStep

PHONE, DESK, LAPTOP = "phone", "desk", "laptop"

WORD = re.compile(r"\b(?:KIWI|PLUM|PEAR|LIME|FIG|DATE)[0-9]+\b")
"""KIWI17: the prompt of step 17. PLUM17: its answer. PEAR17: the prompt of its agent. LIME17: what
its tool or agent gave back. FIG3: the answer in a turn that Claude began by itself. DATE3: the
summary of a compaction."""

SPOKEN = ("KIWI", "PLUM", "FIG", "DATE")
"""The words of prompts, answers and summaries; not those of tools and agents."""

PROBE = "PROBE the conversation"


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


def generate(seed: int, length: int = 8) -> Plan:
    """A plan of `length` steps that the CLI can play. The same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    plan: list[Step] = [Prompt()]
    while len(plan) < length:
        plan.append(_step(chance, plan))
    return tuple(plan)


def _step(chance: random.Random, plan: Sequence[Step]) -> Step:
    driver = chance.choices((PHONE, DESK, LAPTOP), (6, 2, 1))[0]
    simple: list[type[Step]] = [Prompt, Tool, ParallelTools, Interrupt, InterruptTool, Thoughts]
    rare: list[type[Step]] = [BackgroundBash, Compact, Restart, Kill, Fork, Question, Files]
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


# --- the model ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Script:
    """What the model says to each step of a plan."""

    plan: Plan
    folder: Path
    """The project, where the tools work."""
    never: threading.Event = field(default_factory=threading.Event)
    """What interrupted answers wait for."""
    _figs: Iterator[int] = field(default_factory=itertools.count)
    _dates: Iterator[int] = field(default_factory=itertools.count)

    def prompt(self, index: int) -> str:
        return f"KIWI{index} as {type(self.plan[index]).__name__}"

    def scenes(self) -> tuple[Scene, ...]:
        return (Scene("any", lambda _: True, self._turns),)

    def _turns(self, request: Request) -> Sequence[ScriptStep]:
        kiwi = re.match(r"KIWI([0-9]+)\b", request.prompt)
        pear = re.match(r"PEAR([0-9]+)\b", request.prompt)
        if kiwi:
            # what the CLI itself says, that a task has ended, counts as a step behind the prompt
            answers = [*self._answer(int(kiwi[1]))]
            return [*answers, *[self._fig] * (request.step + 1 - len(answers))]
        if pear:
            number = pear[1]
            return [(_bash(f"echo LIME{number} of the agent"),), (Text(f"LIME{number} is found."),)]
        if request.prompt.startswith("PROBE"):
            return [(Text("Probed."),)]
        if "summary" in request.prompt and "task-notification" not in request.prompt:
            return [(Text(f"<summary>DATE{next(self._dates)} happened.</summary>"),)]
        return [self._fig] * (request.step + 1)

    def _fig(self, _: Request) -> Turn:
        return (Text(f"FIG{next(self._figs)}, I see."),)

    def _answer(self, index: int) -> Sequence[ScriptStep]:
        done = Text(f"PLUM{index} is the answer.")
        match self.plan[index]:
            case Tool():
                return [(Text("I will."), _bash(f"echo LIME{index}")), done]
            case ParallelTools():
                return [tuple(_bash(f"echo LIME{index} {each}") for each in "abc"), done]
            case Thoughts():
                return [(Thinking("Let me see."), done)]
            case Files():
                return [*_files(self.folder / f"poem{index}.txt"), done]
            case Question():
                return [_question(), done]
            case PlanFirst():
                return [ToolUse("EnterPlanMode", {}), ToolUse("ExitPlanMode", _PLAN), done]
            case Failure():
                return [ApiError(400, "invalid_request_error", f"PLUM{index} cannot be.")]
            case Interrupt() | Kill():
                return [(Text(f"PLUM{index} " + "and so on " * 40, gate=self.never),)]
            case InterruptTool():
                wait = f"touch started{index}; sleep 60"
                return [(Text(f"PLUM{index} waits."), _bash(wait)), done]
            case BackgroundBash():
                command = f"sleep 0.1; echo LIME{index}"
                return [_bash(command, run_in_background=True), done]
            case Agent(background=background):
                return [_task(index, background=background), done]
            case _:
                return [done]


_PLAN = {"plan": "1. Look\n2. Leap"}


def _question() -> ToolUse:
    options = [{"label": each, "description": f"Take {each}."} for each in ("Tea", "Coffee")]
    asked = {"question": "Which?", "header": "Drink", "multiSelect": False, "options": options}
    return ToolUse("AskUserQuestion", {"questions": [asked]})


def _files(path: Path) -> list[ScriptStep]:
    edit = {"old_string": "violets", "new_string": "tulips", "replace_all": False}
    return [
        ToolUse("Write", {"file_path": str(path), "content": "roses\nviolets\n"}),
        ToolUse("Read", {"file_path": str(path)}),
        ToolUse("Edit", {"file_path": str(path), **edit}),
    ]


def _bash(command: str, **more: bool) -> ToolUse:
    return ToolUse("Bash", {"command": command, "description": "A command", **more})


def _task(index: int, *, background: bool) -> ToolUse:
    what = {"description": "Look", "prompt": f"PEAR{index}", "subagent_type": "general-purpose"}
    return ToolUse("Task", {**what, "run_in_background": background})


def spoken(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in words if word.startswith(SPOKEN))


def words_of(value: object) -> tuple[str, ...]:
    """The words in the strings of a JSON value, in order; each once, where it stands first."""
    return tuple(dict.fromkeys(word for text in _strings(value) for word in WORD.findall(text)))


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _strings(each)
        case list():
            for each in value:
                yield from _strings(each)
