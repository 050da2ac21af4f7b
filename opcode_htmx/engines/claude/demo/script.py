"""The script of the model: blocks, turns, scenes. Pure; knows nothing of HTTP or SSE."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opcode_htmx.lib.dataclass import dataclass

_REMINDER = "<system-reminder>"
_INTERRUPTION = "[Request interrupted by user"
_WORKING_DIRECTORY = "Primary working directory: "


@dataclass(frozen=True, slots=True)
class Text:
    """A text block. `pace`: seconds between pieces. `gate`: streaming pauses half-way until set."""

    text: str
    pace: float | None = None
    gate: threading.Event | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """A thinking block."""

    text: str
    pace: float | None = None
    gate: threading.Event | None = None


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool call; its id is made when it is sent."""

    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApiError:
    """A turn that makes the API answer with an HTTP error. `retry` is advice to the client."""

    status: int
    type: str
    message: str
    retry: bool = False


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool; a refused permission is an error with the person's reason as text."""

    text: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the CLI, as far as a scene needs it.

    prompt: the person's newest prompt.
    step: how many assistant messages have followed it.
    tool_results: the results since that prompt, oldest first.
    working_directory: the folder that the CLI names as its own, or None.
    """

    prompt: str
    step: int
    tool_results: tuple[ToolResult, ...]
    working_directory: str | None
    body: Mapping[str, Any]

    @property
    def last_tool_result(self) -> ToolResult | None:
        return self.tool_results[-1] if self.tool_results else None

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Request:
        """Read a Messages API request body. Raises ValueError if it holds no message list."""
        messages = body.get("messages")
        if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
            raise ValueError("messages: a list of objects is required")
        step, results = 0, list[ToolResult]()
        prompt = ""
        for message in reversed(messages):
            if message.get("role") == "assistant":
                step += 1
            elif message.get("role") == "user":
                results[:0] = _tool_results(message)
                prompt = _spoken(message)
                if prompt:
                    break
        return cls(prompt, step, tuple(results), _working_directory(messages), body)


Block = Text | Thinking | ToolUse
Turn = tuple[Block, ...]
Step = Block | Turn | ApiError | Callable[[Request], Block | Turn | ApiError]


@dataclass(frozen=True, slots=True)
class Scene:
    """Answers to one kind of prompt.

    matches: a predicate on the prompt, or a keyword found in it regardless of case.
    turns: the steps in order, or a function that returns them for a request; each step is one
    block, several blocks, an ApiError, or a function of the request that returns one of these.
    """

    name: str
    matches: Callable[[str], bool] | str
    turns: Sequence[Step] | Callable[[Request], Sequence[Step]]

    def is_for(self, prompt: str) -> bool:
        if isinstance(self.matches, str):
            return self.matches.casefold() in prompt.casefold()
        return self.matches(prompt)

    def reply(self, request: Request) -> Turn | ApiError:
        turns = self.turns(request) if callable(self.turns) else self.turns
        if request.step >= len(turns):
            return (Text("That is the end of this scene."),)
        step = turns[request.step]
        reply = step(request) if callable(step) else step
        return reply if isinstance(reply, tuple | ApiError) else (reply,)


def reply_to(scenes: Sequence[Scene], request: Request) -> Turn | ApiError:
    """Choose the answer: the first matching scene, at the step that it has reached.

    A request without tools is a side request of the CLI (a title, say) and gets a short text.
    """
    if not request.body.get("tools"):
        return (Text("Demo conversation"),)
    for scene in scenes:
        if scene.is_for(request.prompt):
            return scene.reply(request)
    return (Text("There is no scene for this prompt."),)


def _blocks(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content or () if isinstance(block, dict)]


def _text(block: Mapping[str, Any]) -> str:
    return str(block.get("text") or "") if block.get("type") == "text" else ""


def _spoken(message: Mapping[str, Any]) -> str:
    """The part of a user entry that a person typed; empty if there is none."""
    texts = (_text(block).strip() for block in _blocks(message))
    said = [t for t in texts if t and not t.startswith((_REMINDER, _INTERRUPTION))]
    return said[-1] if said else ""


def _tool_results(message: Mapping[str, Any]) -> list[ToolResult]:
    return [
        ToolResult(
            text="".join(_text(part) for part in _blocks(block)),
            is_error=bool(block.get("is_error")),
        )
        for block in _blocks(message)
        if block.get("type") == "tool_result"
    ]


def _working_directory(messages: Sequence[Mapping[str, Any]]) -> str | None:
    for message in messages:
        for block in _blocks(message):
            _, found, rest = _text(block).partition(_WORKING_DIRECTORY)
            if found:
                return rest.partition("\n")[0].strip()
    return None
