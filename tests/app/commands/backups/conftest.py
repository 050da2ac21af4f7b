"""A state folder that real servers have left, and the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.commands.backups.commands import Command
from tests.support.environment import Sandbox


@pytest.fixture
def command(sandbox: Sandbox) -> Command:
    return Command(sandbox)


@pytest.fixture
def state(sandbox: Sandbox) -> Path:
    """A state folder as a server leaves it, in small."""
    state = sandbox.state
    for name, content in (
        ("runs/one/run.json", "{}"),
        ("marks.json", "{}"),
        ("password", "very-secret-words\n"),
        ("secret_key", "k" * 32),
        ("logins/a.json", "{}"),
        ("index/sessions.sqlite", ""),
        ("templates", "made anew"),
        ("format.json", json.dumps({"version": 1, "format": 2, "program": "0.2.0"})),
        ("nobody-knows-it", "x"),
    ):
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(content)
    state.chmod(0o700)
    return state
