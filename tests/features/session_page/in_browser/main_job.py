"""What Claude says in the main use case, and its pages."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import expect

from opcode_htmx.engines.claude.demo.messages_api import Request, Scene, Text, ToolUse, Turn
from tests.features.session_page.in_browser.look.lines import MARKDOWN, PARAGRAPH
from tests.support.environment import runs_of
from tests.support.pages.browser import Phone
from tests.support.server import Server

WORDS = " ".join(f"word{number}" for number in range(120))


@dataclass
class Script:
    """The scenarios of the scripted model; `gate` holds the answer to "hold" in its middle."""

    gate: threading.Event = field(default_factory=threading.Event)

    def scenes(self) -> tuple[Scene, ...]:
        return (
            Scene("both", "hold, then make", [self._hold, _made]),
            Scene("grow", "grow", [lambda _: (Text(WORDS, gate=self.gate),)]),
            Scene("hold", "hold", [lambda request: (Text(held(request.prompt), gate=self.gate),)]),
            Scene("make", "make", [_make, _made]),
            Scene("more", "tell me more", [_read, self._more]),
            Scene(
                "sleep",
                "sleep",
                [ToolUse("Bash", {"command": "touch long.txt; tail -f /dev/null"}), Text("Slept.")],
            ),
            Scene("look", "look around", [_begin_to_look, self._found]),
            Scene("wait", "delegate", [_task(background=False), Text("It is done.")]),
            Scene("over", "hand over", [_task(background=True), Text("It is begun.")]),
            Scene("anything", "", [lambda request: (Text(f"You said: {request.prompt}"),)]),
        )

    def _hold(self, request: Request) -> Turn:
        return (Text(held(request.prompt), gate=self.gate), _make(request)[-1])

    def _found(self, _: Request) -> Text:
        return Text("I found the root of it.", gate=self.gate)

    def _more(self, _: Request) -> Turn:
        return (Text(MARKDOWN, pace=0.002, gate=self.gate),)


def held(prompt: str) -> str:
    """The long answer to a prompt that is held in its middle."""
    return f"{prompt}: {WORDS}"


def _make(request: Request) -> Turn:
    name = request.prompt.split()[-1]
    return (Text(f"I will make {name}."), ToolUse("Bash", {"command": f"echo made > {name}"}))


def _read(request: Request) -> Turn:
    notes = f"{request.working_directory}/notes.txt"
    return (Text(PARAGRAPH), ToolUse("Read", {"file_path": notes}))


def _task(*, background: bool) -> ToolUse:
    what = {"description": "Look", "prompt": "look around", "subagent_type": "general-purpose"}
    return ToolUse("Task", {**what, "run_in_background": background})


def _begin_to_look(request: Request) -> Turn:
    root = f"{request.working_directory}/root.txt"
    return (Text("I begin."), ToolUse("Read", {"file_path": root}))


def _made(request: Request) -> Turn:
    result = request.last_tool_result
    return (Text("Then not." if result is None or result.is_error else "It is made."),)


def run_of(phone: Phone, server: Server) -> Path:
    """The folder of the newest run of the session that is looked at."""
    return runs_of(server.sandbox.state, phone.session_id)[-1]


def turns(run: Path) -> int:
    return (run / "out.ndjson").read_text().count('"type":"result"')


def asked(run: Path) -> int:
    return (run / "out.ndjson").read_text().count('"can_use_tool"')


def answer_is(phone: Phone, text: str) -> None:
    """The newest answer is this text, and stands on the page once."""
    expect(phone.page.locator(".block-text").last).to_have_text(text)
    stands_once(phone, text)


def stands_once(phone: Phone, text: str) -> None:
    assert [each.strip() for each in phone.texts()].count(text) == 1


def half_is_there(phone: Phone) -> None:
    expect(phone.page.locator(".block-text").last).to_contain_text("word30")
    expect(phone.page.locator(".block-text").last).not_to_contain_text("word119")
