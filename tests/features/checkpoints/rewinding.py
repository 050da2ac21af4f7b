"""A session of the real CLI that goes back to before a prompt."""

from __future__ import annotations

import html
import re
import threading
import uuid
from pathlib import Path

from tests.features.checkpoints.repository import commit_first
from tests.support.cli.sessions import OpenSession
from tests.support.clients import api as rest
from tests.support.environment import until
from tests.support.server import Server

GATE = threading.Event()
"""Set: Claude goes on to its tool. So a checkpoint is complete before, as with a slower model."""
GATE.set()
AFTER = threading.Event()
"""Set: Claude goes on after its tool."""
AFTER.set()


def repository(folder: Path) -> Path:
    commit_first(folder, "own.txt", "mine\r\n")
    return folder


class Rewinding(OpenSession):
    """A session; with `checkpoints`, Claude writes after the one for its prompt is complete."""

    def __init__(self, server: Server, folder: Path, prompt: str, *, checkpoints: bool) -> None:
        self._has_checkpoints = checkpoints
        self._wait()
        form = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
        answer = server.post("/sessions", {**form, "folder": str(folder), "prompt": prompt})
        assert answer.status_code == 303, answer.text
        super().__init__(server, answer.headers["Location"])
        self._go_on(1)

    def more(self, text: str) -> str:
        """The id of a further prompt, once Claude is done."""
        count = len(self.checkpoints)
        self._wait()
        assert self.post("prompt", prompt=text, prompt_id=str(uuid.uuid4())).status_code == 303
        self._go_on(count + 1)
        pattern = r'block-prompt".*?/blocks/([^/"]+)/share'
        ids: list[str] = re.findall(pattern, self.page(), re.DOTALL)
        return ids[-1]

    def _wait(self) -> None:
        if self._has_checkpoints:
            GATE.clear()

    def _go_on(self, count: int) -> None:
        if self._has_checkpoints:
            self.settled(count)
            GATE.set()
        self.answered()
        if self._has_checkpoints:
            self.settled(count + 1)

    @property
    def checkpoints(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = rest.get(
            self.server, f"/api/sessions/{self.id}/checkpoints"
        )["checkpoints"]
        return found

    def settled(self, count: int) -> None:
        """So many checkpoints are there, and the last turn is noted."""
        until(lambda: len(self.checkpoints) >= count, f"{count} checkpoints are there")

    def rewind_page(self, prompt_id: str) -> str:
        answer = self.get(f"rewind?prompt={prompt_id}")
        assert answer.status_code == 200, answer.text
        return answer.text

    def rewind(self, prompt_id: str, what: str) -> None:
        page = self.rewind_page(prompt_id)
        fields = dict(re.findall(r'name="(means|digest)" value="([^"]*)"', page))
        answer = self.post("rewind", prompt=prompt_id, what=what, **fields)
        assert answer.status_code == 303, answer.text

    @property
    def draft(self) -> str:
        found = re.search(r'<textarea id="prompt"[^>]*>\n?(.*?)</textarea>', self.page(), re.DOTALL)
        assert found
        return html.unescape(found[1])
