"""Servers that are killed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from gevent import subprocess

from opcode_htmx.runs.model.run_folder import RunFolder
from tests.runs.adoption.servers import ServeAndKill
from tests.support.cli.supervision import Supervision, until
from tests.support.environment import ROOT

SERVERS = """
import json, os, sys
from pathlib import Path
import gevent
from tests.support.environment import Sandbox
from tests.support.cli.supervision import Supervision
for line in sys.stdin:
    home, claude, prompt = json.loads(line)
    if server := os.fork():
        os.waitpid(server, 0)
        continue
    run = Supervision(Sandbox(Path(home)), Path(claude)).prompt(prompt)
    print(json.dumps([os.getpid(), run.id]), flush=True)
    gevent.sleep(600)
"""


@pytest.fixture(scope="module")
def start_forked() -> Iterator[Callable[..., tuple[psutil.Process, str]]]:
    """Starts a server in a home, with a stand-in and a prompt for it: its process and the run.

    They are forks of one process, so that the app is imported once for all of them.
    """
    argv = [sys.executable, "-c", SERVERS]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as servers:
        stdin, stdout = servers.stdin, servers.stdout
        assert stdin
        assert stdout

        def start(*arguments: str) -> tuple[psutil.Process, str]:
            print(json.dumps(arguments), file=stdin, flush=True)
            pid, run_id = json.loads(stdout.readline())
            return psutil.Process(pid), run_id

        yield start
        stdin.close()


@pytest.fixture
def serve_and_kill(
    supervision: Supervision,
    stand_in: Path,
    start_forked: Callable[..., tuple[psutil.Process, str]],
) -> ServeAndKill:
    """Sends a prompt by a server of its own, kills that server when the run is so far: the run."""

    def serve_and_kill(prompt: str, so_far: Callable[[RunFolder], object]) -> str:
        server, run_id = start_forked(str(supervision.sandbox.home), str(stand_in), prompt)
        try:
            until(lambda: so_far(RunFolder(supervision.runs_dir / run_id)), "the run is so far")
        finally:
            server.kill()
            until(lambda: not server.is_running(), "it is gone")
        return run_id

    return serve_and_kill
