"""The sessions of the gallery: every card and every control of the session page, played once.

The real Claude CLI plays them against a scripted model. Four things it does not do here, and they
are written as lines of a history instead, as Claude writes them elsewhere: tools that this version
does not offer (MultiEdit, Grep, Glob, TodoWrite), the web with a connection to it, a limit of use,
and a line of a kind that nobody knows yet.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from opcode_htmx.engines.claude.files.history import project_id
from tests.features.session_page.gallery.past import PAST, furnish
from tests.features.session_page.gallery.script import Script, photo
from tests.support.environment import PASSWORD, USER, Sandbox, until
from tests.support.pages import screenshots
from tests.support.server import Server

TOOLS_ALLOWED = ["Bash", "Edit", "Write", "NotebookEdit", "WebFetch", "mcp__weather"]


class Gallery:
    """A server with all the sessions; `address` has the pages of those by their names."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sandbox = server.sandbox
        self.project = f"/projects/{project_id(server.sandbox.project)}"
        self.address = {"past": f"{self.project}/sessions/{PAST}"}

    def begin(self, name: str, prompt: str, *, picture: bool = False, **choices: str) -> None:
        form = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4()), **choices}
        answer = requests.post(
            f"{self.server.url}/sessions",
            data={**form, "folder": str(self.sandbox.project), "prompt": prompt},
            files={"files": ("photo.png", photo())} if picture else None,
            auth=(USER, PASSWORD),
            timeout=20,
            allow_redirects=False,
        )
        assert answer.status_code == 303, answer.text
        self.address[name] = answer.headers["Location"].partition("#")[0]

    def prompt(self, name: str, text: str) -> None:
        form = {"prompt_id": str(uuid.uuid4()), "prompt": text}
        answer = self.server.post(f"{self.address[name]}/prompt", form)
        assert answer.status_code == 303, answer.text

    def page(self, name: str) -> str:
        return self.server.get(self.address[name]).text

    def shows(self, name: str, words: str, count: int = 1) -> None:
        until(lambda: self.page(name).count(words) >= count, f"{name} shows {words}", 60)

    def run_id(self, name: str) -> str:
        found = re.search(r"/runs/([0-9a-f]{32})/stop", self.page(name))
        assert found, f"{name} runs"
        return found[1]

    def stop(self, name: str) -> None:
        self.server.post(f"/runs/{self.run_id(name)}/stop", {})

    def signal(self, name: str, number: int) -> None:
        record = self.sandbox.state / "runs" / self.run_id(name) / "run.json"
        os.kill(json.loads(record.read_text())["pid"], number)


@contextmanager
def opened(sandbox: Sandbox, start: Callable[..., Server], claude: Path) -> Iterator[Gallery]:
    """The gallery, with everything in place."""
    furnish(sandbox)
    script = Script(sandbox.project)
    with MessagesApi(script.scenes()) as api:
        settings = {
            "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
            "OPCODE_ASK_AHEAD": "0",
            "OPCODE_ALLOW_BYPASS": "1",
            "OPCODE_SEARCH_INDEX": "1" if screenshots.WANTED else "0",
            "OPCODE_TERMINAL": "1" if screenshots.WANTED else "0",
            "IS_SANDBOX": "1",
            "OPCODE_STOP_DEADLINE": "600",
        }
        gallery = Gallery(start(sandbox, claude, api.url, **settings))
        try:
            play(gallery)
            yield gallery
        finally:
            script.never.set()


def allow(sandbox: Sandbox, rules: Mapping[str, object]) -> None:
    path = sandbox.config_dir / "settings.json"
    path.write_text(json.dumps({"permissions": rules}), encoding="utf-8")


def play(gallery: Gallery) -> None:
    rules = {"allow": TOOLS_ALLOWED}
    settings = gallery.sandbox.config_dir / "settings.json"
    settings.write_text(json.dumps({"permissions": rules}), encoding="utf-8")
    greeting = gallery.sandbox.project / "greeting"
    greeting.write_text("The orchard is open from 8 to 18 o'clock.\n", encoding="utf-8")
    gallery.begin("events", "Try hard")
    gallery.shows("events", "Hook SessionStart")
    greeting.unlink()
    gallery.begin("answer", "How is the orchard doing?", picture=True)
    gallery.begin("files", "Tidy up the files")
    gallery.shows("answer", "tokens in,")
    gallery.prompt("answer", "Show it wide")
    gallery.shows("files", "tokens in,")
    gallery.prompt("files", "Check everything")
    play_events(gallery)
    gallery.shows("answer", "tokens in,", 2)
    gallery.shows("files", "All is checked.")  # its first turn is further up than the page goes
    settings.unlink()  # from here on Claude asks


def play_events(gallery: Gallery) -> None:
    """After a hook that spoke and retries: an error, a compaction, an interruption."""
    gallery.shows("events", "tokens in,")
    for turns, text in enumerate(("This is too much", "/compact", "And now?"), 2):
        gallery.prompt("events", text)
        gallery.shows("events", "tokens in,", turns)
    gallery.prompt("events", "Tell a long story")
    gallery.shows("events", "Row 2")
    gallery.stop("events")
    gallery.shows("events", "Stopped by you.")
