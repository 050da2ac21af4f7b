"""Claude's capabilities before its first run: probed with the real CLI, which leaves nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from opcode_htmx.engines.claude.engine import ClaudeLauncher
from opcode_htmx.lib.coerce import Json
from opcode_htmx.runs.capabilities import probe
from opcode_htmx.runs.capabilities.probe import ProbeFailed
from opcode_htmx.runs.processes.process_table import MARK
from tests.runs.capabilities.probing import with_programs
from tests.support.cli.supervision import CODEC
from tests.support.environment import PATIENCE, Sandbox


def left_in(sandbox: Sandbox) -> list[psutil.Process]:
    """The processes alive that were started with this HOME and carry the mark of a run."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if environment.get("HOME") == str(sandbox.home) and MARK in environment:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def ask(binary: Path, environment: Mapping[str, str], folder: Path, seconds: float = 20) -> Json:
    return probe.ask(ClaudeLauncher(binary, environment), CODEC, folder, seconds)


def test_capability_probe_uses_no_model_request_session_or_project_files(
    sandbox: Sandbox, claude: Path, api: MessagesApi
) -> None:
    traces = with_programs(sandbox)
    answer = ask(claude, sandbox.environment(api.url), sandbox.project)
    assert {"default", "haiku"} <= {model["value"] for model in answer["models"]}
    described = {command["name"]: command["description"] for command in answer["commands"]}
    assert "compact" in described
    assert "prune" not in described
    assert list(api.requests) == []
    assert list(sandbox.config_dir.rglob("*.jsonl")) == []
    assert list(traces.iterdir()) == []
    assert left_in(sandbox) == []


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return path


def test_hanging_capability_probe_is_ended_with_its_children(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    hangs = script(
        tmp_path / "hangs",
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "print('x' * 200_000, flush=True)\n"
        "time.sleep(600)\n",
    )
    began = time.monotonic()
    with pytest.raises(ProbeFailed, match="no answer within 1 s"):
        ask(hangs, sandbox.environment(), sandbox.project, seconds=1)
    assert time.monotonic() - began < PATIENCE
    assert left_in(sandbox) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import sys; sys.exit('error: unknown option')", "status 1: error: unknown option"),
        ("print('no json')", "ended with status 0"),
        (
            "import json; print(json.dumps({'type': 'control_response', 'response': {'subtype': "
            "'error', 'request_id': 'opcode-initialize', 'error': 'not now'}}))",
            "refused: not now",
        ),
    ],
)
def test_capability_probe_without_an_answer_is_reported_with_its_output(
    sandbox: Sandbox, tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(ProbeFailed, match=sentence):
        ask(script(tmp_path / "c", text), sandbox.environment(), sandbox.project)


def test_failed_start_of_the_capability_probe_is_reported(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(ProbeFailed, match="could not be started: No such file"):
        ask(tmp_path / "none", sandbox.environment(), sandbox.project)
