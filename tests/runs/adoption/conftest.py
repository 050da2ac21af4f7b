"""Servers that are killed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gevent import subprocess

from opcode_htmx.runs.model.run_folder import RunFolder
from tests.runs.adoption.servers import ServeAndKill
from tests.support.cli.supervision import Supervision, until
from tests.support.environment import ROOT

SERVER = """
import sys
from pathlib import Path
import gevent
from tests.support.environment import Sandbox
from tests.support.cli.supervision import Supervision
home, claude, prompt = sys.argv[1:]
print(Supervision(Sandbox(Path(home)), Path(claude)).prompt(prompt).id, flush=True)
gevent.sleep(600)
"""


@pytest.fixture
def serve_and_kill(supervision: Supervision, stand_in: Path) -> ServeAndKill:
    """Sends a prompt by a server of its own, kills that server when the run is so far: the run."""

    def serve_and_kill(prompt: str, so_far: Callable[[RunFolder], object]) -> str:
        argv = [sys.executable, "-c", SERVER, str(supervision.sandbox.home), str(stand_in), prompt]
        server = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE)
        assert server.stdout is not None
        try:
            run_id: str = server.stdout.readline().decode().strip()
            until(lambda: so_far(RunFolder(supervision.runs_dir / run_id)), "the run is so far")
        finally:
            server.kill()
            server.wait()
            server.stdout.close()
        return run_id

    return serve_and_kill
