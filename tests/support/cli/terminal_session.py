"""The real CLI in a terminal of its own: types into it, waits for its history, reads its screen."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pyte

from tests.support.environment import Sandbox, until

ROWS, COLUMNS = 50, 150


class TerminalSession:
    """One interactive session in the sandbox's project; its keys are typed one by one."""

    def __init__(self, claude: Path, sandbox: Sandbox, api_url: str) -> None:
        skip_dialogs(sandbox)
        self._sandbox = sandbox
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._drawn = pyte.ByteStream(self._screen)
        self._terminal, far_end = pty.openpty()
        fcntl.ioctl(far_end, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            [claude],
            cwd=sandbox.project,
            env={**sandbox.environment(api_url), "TERM": "xterm-256color"},
            stdin=far_end,
            stdout=far_end,
            stderr=far_end,
            start_new_session=True,
        )
        os.close(far_end)
        self._wait(self._is_idle)

    def __enter__(self) -> TerminalSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait(20)
        os.close(self._terminal)

    @property
    def history(self) -> bytes:
        """The whole lines that the CLI has noted of the session."""
        files = list((self._sandbox.config_dir / "projects").glob("*/*.jsonl"))
        data = files[0].read_bytes() if files else b""
        return data[: data.rfind(b"\n") + 1]

    def press(self, *keys: str) -> None:
        for key in keys:
            os.write(self._terminal, key.encode())
            self._read(0.02)

    @property
    def screen(self) -> str:
        """What a person sees, without the spaces at the ends of its lines."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def shows(self, *words: str) -> bool:
        """Whether all of the words are on the screen within some seconds."""
        with contextlib.suppress(AssertionError):
            self._wait(lambda: all(each in self.screen for each in words), 20)
            return True
        return False

    def command(self, text: str) -> None:
        """Type a command such as `/hooks`, which opens a dialog."""
        self.type(text)
        self.type("\r")

    def key(self, sequence: str) -> None:
        """Press a key that sends several characters, which are one key only if written at once."""
        self.press(sequence)
        self._wait(self._is_quiet)

    def type(self, text: str) -> None:
        """Type, and wait until it has been drawn: an Escape before a letter is another key."""
        self.press(*text)
        self._wait(self._is_quiet)

    def enter(self, text: str, done: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Type a line and wait until the noted entries behind it are as `done` wants them."""
        before = len(self.history)
        self.type(text)
        self.press("\r")
        self.until(done, before)

    def until(self, done: Callable[[list[dict[str, Any]]], bool], before: int = 0) -> None:
        self._wait(lambda: done([json.loads(line) for line in self.history[before:].splitlines()]))

    def _is_idle(self) -> bool:
        """Whether the CLI says of itself that it waits for the person."""
        own = self._sandbox.config_dir / "sessions" / f"{self._process.pid}.json"
        with contextlib.suppress(OSError, ValueError):
            return bool(json.loads(own.read_bytes()).get("status") == "idle")
        return False

    def _wait(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        what = "the terminal does as it should"
        until(condition, what, seconds, sleep=lambda: self._read(0.05))

    def _is_quiet(self) -> bool:
        """Whether all that was typed has been drawn."""
        return not self._read(0.25)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        if ready:
            with contextlib.suppress(OSError):  # it has ended
                self._drawn.feed(os.read(self._terminal, 65536))
        return bool(ready)


def skip_dialogs(sandbox: Sandbox) -> None:
    """The settings that result from the dialogs of the first start."""
    project = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
    own = str(sandbox.project)
    settings: dict[str, Any] = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "customApiKeyResponses": {"approved": ["dummy"], "rejected": []},
    }
    path = sandbox.config_dir / ".claude.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known = before.get("projects", {})
    settings["projects"] = {**known, own: {**known.get(own, {}), **project}}
    path.write_text(json.dumps({**before, **settings}), encoding="utf-8")
