"""The state folder: names, modes, and the members of each file that the app writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.golden import golden
from tests.golden.parts import probe, shapes
from tests.support.environment import Sandbox

Recorded = dict[str, Any]


pytestmark = pytest.mark.usefixtures("integration")


def test_the_files_of_the_state_folder_stay(real: Recorded) -> None:
    golden.check("state_folder", real["state"])


CODE = """
from app import app
app.extensions["opcode_jobs"].start()
print(0)
"""


def test_the_files_of_a_new_state_folder_stay(sandbox: Sandbox, stand_in: Path) -> None:
    """Without a password in the environment, in the default place."""
    environ = {
        **sandbox.environment(),
        "CLAUDE_PATH": str(stand_in),
        "XDG_STATE_HOME": str(sandbox.state),
        "OPCODE_DEMO": "0",
        "OPCODE_ASK_AHEAD": "0",
        "OPCODE_MIN_FREE": "1M",
        "OPCODE_SEARCH_INDEX": "0",  # its process may still be at work when the folder is read
    }
    assert probe.printed(CODE, environ) == 0
    found = shapes.folder(sandbox.state, {}, ("current.ndjson",))
    for name in ("password", "secret_key"):
        path = f"opcode-htmx/{name}"
        found[path]["bytes"] = (sandbox.state / path).stat().st_size
    golden.check("new_state_folder", found)
