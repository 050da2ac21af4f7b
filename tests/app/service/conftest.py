"""A machine with a systemctl that writes down what it was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.service.machine import Machine
from tests.support.environment import Sandbox, free_port

STAND_IN = """#!/bin/sh
# Each command is a line of the journal; `answers/<verb>` or `answers/<verb> <unit>` holds its
# output, and `fails/<verb>` its error.
here=$(dirname "$0")
name=$(basename "$0")
echo "$name $*" >> "$here/journal"
[ "$1" = --user ] && shift
cat "$here/answers/$1 $2" 2> /dev/null || cat "$here/answers/$1" 2> /dev/null
if [ -e "$here/fails/$1" ]; then cat "$here/fails/$1" >&2; exit 1; fi
exit 0
"""


@pytest.fixture
def machine(
    integration: None, sandbox: Sandbox, stand_in: Path, capsys: pytest.CaptureFixture[str]
) -> Machine:
    home = sandbox.home
    for folder in ("answers", "fails"):
        (home / "bin" / folder).mkdir(parents=True)
    for name in ("systemctl", "journalctl", "launchctl"):
        path = home / "bin" / name
        path.write_text(STAND_IN)
        path.chmod(0o755)
    environ = sandbox.environment()
    environ["PATH"] = f"{home / 'bin'}:{environ['PATH']}"
    environ |= {"HOST": "127.0.0.1", "PORT": str(free_port()), "CLAUDE_PATH": str(stand_in)}
    environ["OPCODE_PREVIEW_PORTS"] = "off"
    return Machine(home, environ, capsys)
