"""The scripted model's answers to the steps of a plan, and the words that identify them.

Every prompt carries a word of its own, and so does every answer, so that what a model was sent and
what a page shows can be compared as lists of words.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opcode_htmx.engines.claude.demo.messages_api import (
    ApiError,
    Request,
    Scene,
    Text,
    Thinking,
    ToolUse,
    Turn,
)
from opcode_htmx.engines.claude.demo.script import Step as ScriptStep
from opcode_htmx.engines.claude.protocol import json_lines
from tests.generated.plans import (
    SPOKEN,
    WORD,
    Agent,
    BackgroundBash,
    Failure,
    Files,
    Interrupt,
    InterruptTool,
    Kill,
    ParallelTools,
    Plan,
    PlanFirst,
    Question,
    Thoughts,
    Tool,
)

PROBE = "PROBE the conversation"


@dataclass(frozen=True)
class Script:
    """The model's answer to each step of a plan."""

    plan: Plan
    folder: Path
    """The project, where the tools work."""
    never: threading.Event = field(default_factory=threading.Event)
    """The event that interrupted answers wait for."""
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
                return [ApiError(400, "invalid_request_error", "That cannot be.")]
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


def spoken_in(lines: bytes) -> tuple[str, ...]:
    """The words that lines of a history file, or of stdout, say in messages; each once."""
    found = list[str]()
    for line in lines.splitlines():
        read = json_lines.read(line)
        if read is None:
            continue
        raw = read.content
        message = raw.get("message")
        prompt = (raw.get("attachment") or {}).get("prompt")
        if raw["type"] in ("user", "assistant") and isinstance(message, dict):
            found += words_of(message.get("content"))
        elif prompt:
            found += words_of(prompt)
    return tuple(dict.fromkeys(spoken(found)))
