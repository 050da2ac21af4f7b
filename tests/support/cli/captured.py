"""One session of the real CLI with a scripted model: its output and its history.

It holds every kind of thing that a transcript shows. It is played once for all tests.
"""

from __future__ import annotations

import json
import tempfile
import threading
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from opcode_htmx.engines.claude.demo.messages_api import (
    ApiError,
    MessagesApi,
    Scene,
    Text,
    Thinking,
    ToolUse,
)
from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.files.subagents import Subagents
from opcode_htmx.engines.claude.protocol import encoder, parser
from opcode_htmx.engines.messages import (
    BlockDelta,
    Message,
    PermissionRequest,
    PromptState,
    TurnResult,
)
from opcode_htmx.markup import visible_text
from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.transcript.fold import Transcript
from tests.support.environment import ROOT, Sandbox, until
from tests.support.scripted_claude import Claude
from tests.support.suite.shared import recorded

ANSWER = "# Hello\n\nSome *words*:\n\n- one\n- two\n\n```python\nprint('<b>')\n```\n"
WORDS = " ".join(f"word{number}" for number in range(60))
MAKE = "echo made > made.txt; cat made.txt"
FOR_EVER = "touch begun; until false; do sleep 0.1; done"
QUESTION = {
    "question": "Which <one>?",
    "header": "Choice",
    "multiSelect": False,
    "options": [{"label": "A", "description": "The first"}, {"label": "B", "description": ""}],
}


@dataclass(frozen=True, eq=False)
class Captured:
    """The lines of one session. `prompts` are the ids of the prompts, by their first word."""

    session_id: str
    project: Path
    prompts: dict[str, str]
    stdout: tuple[bytes, ...] = field(repr=False)
    history: tuple[bytes, ...] = field(repr=False)
    agents: tuple[tuple[Message, ...], ...] = field(repr=False)
    """The state of the agents' files before each line of the history."""

    def live(self, *, close: bool = True) -> Transcript:
        return fold(self.stdout, run_id="r" * 32, close=close)

    def past(self) -> Transcript:
        return fold(self.history, run_id=None)

    def past_with_agents(self) -> Transcript:
        transcript = Transcript("1", run_id=None)
        for (end, line), earlier in zip(with_ends(self.history), self.agents, strict=True):
            for message in (*earlier, parser.parse(line)):
                transcript.feed(message, end)
        return transcript


def fold(lines: tuple[bytes, ...], *, run_id: str | None, close: bool = False) -> Transcript:
    """A transcript of these lines, with their ends as revisions."""
    transcript = Transcript("1", run_id=run_id, cost_before=0.0)
    for end, line in with_ends(lines):
        transcript.feed(parser.parse(line), end)
    if close:
        transcript.close()
    return transcript


def with_ends(lines: tuple[bytes, ...]) -> list[tuple[int, bytes]]:
    ends, end = [], 0
    for line in lines:
        end += len(line)
        ends.append(end)
    return list(zip(ends, lines, strict=True))


def fragments() -> Fragments:
    """The rendering of the app, without the app."""
    return Fragments(templates(), "/home/me/shop", "/projects/p/sessions/s")


@cache
def templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    visible_text.install(environment)
    return environment


@cache
def capture(binary: Path) -> Captured:
    """The session, played once for all tests."""
    return recorded(("captured.py", binary), lambda: _capture(binary))


def _capture(binary: Path) -> Captured:
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(Path(folder) / "home").make()
        file = sandbox.project / "poem.txt"
        file.write_text("roses\nviolets\nsugar\n", encoding="utf-8")
        never, asked = threading.Event(), threading.Event()
        with MessagesApi(_scenes(file, never, asked)) as api:
            claude = Claude(binary, sandbox, api.url)
            try:
                _play(claude, sandbox, asked)
                claude.end()
            finally:
                never.set()
                claude._process.kill()
        noted = history.find(sandbox.config_dir, claude.session_id)
        assert noted is not None
        beside = Subagents(noted)
        lines = tuple(noted.read_bytes().splitlines(keepends=True))
        return Captured(
            claude.session_id,
            sandbox.project,
            claude.prompts,
            tuple(claude.lines),
            lines,
            tuple(tuple(beside.before(parser.parse(line))) for line in lines),
        )


def _scenes(file: Path, never: threading.Event, asked: threading.Event) -> tuple[Scene, ...]:
    edit = {"file_path": str(file), "old_string": "violets", "new_string": "tulips"}
    empty = (Text(""), Text("Real."), Thinking(""), Text("Last."), _bash("echo hi"))
    return (
        Scene("text", "say", [Text(ANSWER)]),
        Scene("thinking", "think", [(Thinking("Let me see."), Text("I thought."))]),
        Scene("empty", "gaps", [empty, Text("Done.")]),
        Scene("tool", "make", [(Text("I will."), _bash(MAKE)), Text("Made.")]),
        Scene("deny", "deny", [_bash(MAKE), Text("Not made.")]),
        Scene("queue", "busy", [_bash("touch queued.txt"), Text("Both.")]),
        Scene(
            "edit",
            "edit",
            [ToolUse("Read", {"file_path": str(file)}), ToolUse("Edit", edit), Text("Edited.")],
        ),
        Scene("ask", "ask", [ToolUse("AskUserQuestion", {"questions": [QUESTION]}), Text("OK.")]),
        Scene("error", "fail", [ApiError(400, "invalid_request_error", "No <such> thing.")]),
        Scene("cut", "cut", [Text(WORDS, gate=never)]),
        Scene("nap", "nap", [_bash(FOR_EVER), Text("Slept.")]),
        Scene("withdrawn", "leave", [_bash("touch left.txt"), Text("Left.")]),
        Scene(
            "agent", "agent", [(Text("I am the agent."), _bash("touch sub.txt")), Text("Ready.")]
        ),
        Scene("delegate", "delegate", [_task(background=False), Text("It is done.")]),
        Scene("hand over", "hand", [_task(background=True), Text("It is begun.", gate=asked)]),
        Scene("anything", "", [Text("Yes.")]),
    )


def _bash(line: str) -> ToolUse:
    return ToolUse("Bash", {"command": line})


def _task(*, background: bool) -> ToolUse:
    what = {"description": "Look", "prompt": "agent", "subagent_type": "general-purpose"}
    return ToolUse("Task", {**what, "run_in_background": background})


def _play(claude: Claude, sandbox: Sandbox, asked: threading.Event) -> None:
    for prompt in ("say it", "think of it", "gaps please"):
        claude.prompt(prompt)
        claude.next(TurnResult)
    claude.turn("make a file")
    claude.prompt("deny it")
    claude.send(encoder.deny_line(claude.next(PermissionRequest).request_id, "No thanks."))
    claude.next(TurnResult)
    _queue(claude)
    claude.turn("edit the poem")
    claude.turn("ask me", answers={QUESTION["question"]: "B"})
    claude.prompt("fail now")
    claude.next(TurnResult)
    _interrupt(claude, sandbox)
    claude.prompt("/cost")
    claude.next(TurnResult)
    claude.turn("delegate it")
    _hand_over(claude, asked)
    claude.prompt("goodbye")
    claude.next(TurnResult)


def _queue(claude: Claude) -> None:
    """A prompt while a tool waits is taken up in mid-turn."""
    claude.prompt("busy now")
    ask = claude.next(PermissionRequest)
    queued = claude.prompt("meanwhile this")
    claude.next(PromptState, lambda state: state.prompt_id == queued)
    claude.send(encoder.allow_line(ask.request_id, ask.input))
    claude.next(TurnResult)


def _interrupt(claude: Claude, sandbox: Sandbox) -> None:
    """In mid-answer, while a tool runs, and while one waits."""
    claude.prompt("cut short")
    for _ in range(10):
        claude.next(BlockDelta)
    claude.send(encoder.control_line("interrupt-1", "interrupt"))
    claude.next(TurnResult)
    claude.prompt("nap well")
    ask = claude.next(PermissionRequest)
    claude.send(encoder.allow_line(ask.request_id, ask.input))
    until((sandbox.project / "begun").exists, "the tool runs")
    claude.send(encoder.control_line("interrupt-2", "interrupt"))
    claude.next(TurnResult)
    claude.prompt("leave it")
    claude.next(PermissionRequest)
    claude.send(encoder.control_line("interrupt-3", "interrupt"))
    claude.next(TurnResult)


def _hand_over(claude: Claude, asked: threading.Event) -> None:
    """A subagent in the background asks during a turn and is answered after it."""
    claude.prompt("hand it over")
    ask = claude.next(PermissionRequest)
    asked.set()
    claude.next(TurnResult)
    claude.send(encoder.allow_line(ask.request_id, ask.input))
    claude.next(TurnResult)


def line(**fields: object) -> bytes:
    """One line of stream-json."""
    return json.dumps(fields).encode() + b"\n"
