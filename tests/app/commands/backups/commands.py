"""The commands `backup` and `restore`, and folders of a state."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from opcode_htmx.app import cli
from tests.support.environment import PASSWORD, USER, Sandbox
from tests.support.server import Server


class Command:
    """The command line, over a state folder."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def __call__(
        self, *arguments: str | Path, state: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """What a command does and says, in this process: the start of one costs ten times that."""
        words, out, err = [*map(str, arguments)], io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.setattr(os, "environ", self._variables(state))
            status = cli.main(words)
        return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())

    def as_program(
        self, *arguments: str | Path, state: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The same as a program of its own, as a person starts it."""
        return subprocess.run(
            [sys.executable, "-m", "opcode_htmx", *map(str, arguments)],
            env=self._variables(state),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _variables(self, state: Path | None) -> dict[str, str]:
        return {
            **self._sandbox.environment(),
            "OPCODE_STATE_DIR": str(state or self._sandbox.state),
            "OPCODE_PROJECT_ROOTS": str(self._sandbox.project),
        }


def begin(server: Server, prompt: object) -> str:
    """Start a session; its id."""
    body = {"prompt": json.dumps(prompt), "project_path": str(server.sandbox.project)}
    started = requests.post(
        f"{server.url}/api/sessions/execute", json=body, auth=(USER, PASSWORD), timeout=20
    )
    assert started.status_code == 202, started.text
    data = started.json()["data"]
    return str(data.get("session_id") or data["sessionId"])
