"""A Claude with an open request that does not read: only a delivered answer counts."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest

from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model import run_folder as folder_module
from opcode_htmx.runs.model.lifecycle import Phase
from tests.support.cli.supervision import (
    BY,
    Supervision,
    idle,
    lines,
    steps,
    texts,
    until,
)


@pytest.fixture
def supervision(supervision: Supervision, monkeypatch: pytest.MonkeyPatch) -> Supervision:
    monkeypatch.setattr(folder_module, "WRITE_SECONDS", 0.1)
    return supervision


def fill(run: Run) -> None:
    """Put lines that mean nothing into Claude's stdin until it takes no more."""
    line = json.dumps({"type": "nothing", "pad": ""}).encode()
    line = line[:-2] + b"x" * (4096 - len(line) - 1) + line[-2:] + b"\n"
    pipe = os.open(run.folder.input_pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        with suppress(BlockingIOError):
            while True:
                assert os.write(pipe, line) == len(line)
    finally:
        os.close(pipe)


def asking_without_reading(supervision: Supervision, gate: Path) -> Run:
    run = supervision.prompt(steps(["ask", "r1", str(gate)], ["text", "thank you"]))
    until(lambda: run.phase is Phase.WAITING, "Claude asks")
    fill(run)
    return run


@pytest.mark.parametrize("answer", ["allow", "deny"])
def test_undelivered_answer_leaves_the_request_open(
    supervision: Supervision, tmp_path: Path, answer: str
) -> None:
    run = asking_without_reading(supervision, tmp_path / "gate")
    with pytest.raises(RunNotLive, match="does not read its input just now"):
        run.allow("r1", by=BY) if answer == "allow" else run.deny("r1", "no", by=BY)
    assert (list(run.state.asks), run.phase) == (["r1"], Phase.WAITING)
    assert run.open_ask("r1").tool_name == "Bash"
    assert not run.state.answers


def test_next_server_finds_the_request_open_and_delivers_an_answer_later(
    supervision: Supervision, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    before = asking_without_reading(supervision, gate)
    with pytest.raises(RunNotLive):
        before.allow("r1", by=BY)
    supervision.restart()
    run = supervision.supervisor.get(before.id)
    until(lambda: run.phase is Phase.WAITING, "it is found open")
    gate.touch()
    until(lambda: _taken(run, "r1"), "Claude takes the answer")
    assert texts(idle(run)) == ["thank you"]
    assert run.state.answers["r1"].allowed is False
    heard = [line for line in lines(run.folder.output) if line["type"] == "control_response"]
    assert [line["response"]["response"]["behavior"] for line in heard] == ["deny"]


def _taken(run: Run, request_id: str) -> bool:
    """Answer; as long as the pipe is full that is refused."""
    try:
        run.deny(request_id, "not any more", by=BY)
    except RunNotLive:
        return False
    return True


def test_partly_delivered_answer_leaves_the_request_open_until_the_stop(
    supervision: Supervision, tmp_path: Path
) -> None:
    run = asking_without_reading(supervision, tmp_path / "gate")
    pipe = os.open(run.folder.input_pipe, os.O_RDWR | os.O_NONBLOCK)
    os.read(pipe, 4096)
    os.close(pipe)
    for _ in range(2):
        with pytest.raises(RunNotLive, match="seems to hang"):
            run.deny("r1", "x" * 20_000, by=BY)
        assert list(run.state.asks) == ["r1"]
    run.stop(by=BY)
    assert run.join(20)
