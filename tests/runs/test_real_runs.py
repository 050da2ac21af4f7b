"""Runs of the real Claude CLI, end to end, against a scripted Messages API."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
    ToolUse,
)
from opcode_htmx.engines.claude.files import history
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from tests.support.cli.idle_sessions import IdleRuns
from tests.support.cli.supervision import (
    BY,
    Supervision,
    idle,
    lines,
    new_id,
    texts,
    until,
)
from tests.support.environment import Sandbox, processes_of

FIRST_HALF, SECOND_HALF = "one two three four", "five six seven eight"


class Stage:
    """The scripted model: what a prompt makes Claude do."""

    def __init__(self, project: Path) -> None:
        self.gate = threading.Event()
        """Holds the gated answer in its middle."""
        self.made = project / "made.txt"
        self.scenes = (
            Scene("write", "make the file", [bash(f"touch {quoted(self.made)}"), outcome]),
            Scene("gate", "gated", [Text(f"{FIRST_HALF} {SECOND_HALF}", gate=self.gate)]),
            Scene("anything", "", [lambda request: Text(f"You said: {request.prompt}")]),
        )


def bash(command: str) -> ToolUse:
    return ToolUse("Bash", {"command": command, "description": "Do it"})


def quoted(path: Path) -> str:
    return shlex.quote(str(path))


def outcome(request: Request) -> Text:
    result = request.last_tool_result
    return Text("It was refused." if result is None or result.is_error else "It is done.")


@pytest.fixture
def stage(sandbox: Sandbox) -> Stage:
    return Stage(sandbox.project)


@pytest.fixture
def api(stage: Stage) -> Iterator[MessagesApi]:
    with MessagesApi(stage.scenes) as api:
        yield api


@pytest.fixture
def supervision(sandbox: Sandbox, claude: Path, api: MessagesApi) -> Iterator[Supervision]:
    supervision = Supervision(sandbox, claude, api.url)
    supervision.restart(stop_deadline=8.0, permission_mode="default")
    yield supervision
    supervision.close()


@pytest.fixture(scope="module")
def shared_stage(shared_home: Sandbox) -> Stage:
    return Stage(shared_home.project)


@pytest.fixture(scope="module")
def shared_supervision(
    shared_home: Sandbox, claude: Path, shared_stage: Stage
) -> Iterator[Supervision]:
    with MessagesApi(shared_stage.scenes) as api:
        supervision = Supervision(shared_home, claude, api.url)
        supervision.restart(stop_deadline=8.0, permission_mode="default")
        yield supervision
        supervision.close()


@pytest.fixture(scope="module")
def idle_runs(shared_supervision: Supervision) -> IdleRuns:
    return IdleRuns(shared_supervision)


@pytest.fixture
def idle_run(idle_runs: IdleRuns, shared_stage: Stage) -> Run:
    """Without the file that a test may have left."""
    shared_stage.made.unlink(missing_ok=True)
    return idle_runs.take()


def asked(run: Run) -> str:
    return until(lambda: next(iter(run.state.asks), ""), "Claude asks")


def answered(run: Run, turns: int) -> Run:
    until(lambda: run.state.turns == turns and run.phase is Phase.IDLE, f"turn {turns} ends")
    return run


def streamed(run: Run) -> str:
    """The text that has come in pieces."""
    deltas = [
        line["event"]["delta"].get("text", "")
        for line in lines(run.folder.output)
        if line["type"] == "stream_event" and line["event"]["type"] == "content_block_delta"
    ]
    return "".join(deltas)


def history_of(supervision: Supervision, session_id: str) -> str:
    path = history.find(supervision.sandbox.config_dir, session_id)
    assert path is not None
    return path.read_text(encoding="utf-8")


def test_a_prompt_and_a_follow_up_are_answered_until_a_sigterm_ends_the_run(
    supervision: Supervision,
) -> None:
    session = new_id()
    run = idle(supervision.prompt("Good morning", session))
    assert texts(run) == ["You said: Good morning"]
    assert supervision.prompt("Good night", session) is run
    answered(run, 2)
    assert texts(run)[1:] == ["You said: Good night"]
    assert run.state.waiting == {}
    assert "Good morning" in history_of(supervision, session)
    assert run.record.pid is not None
    psutil.Process(run.record.pid).terminate()
    assert run.join(30)
    end = run.record.end
    assert end is not None
    assert end.outcome in (Outcome.INTERRUPTED, Outcome.COMPLETED)  # it exits with 143, or 0
    assert end.outcome is Outcome.COMPLETED or "SIGTERM" in end.cause


def test_a_tool_that_is_allowed_runs(
    idle_run: Run, idle_runs: IdleRuns, shared_stage: Stage
) -> None:
    run, before = idle_run, texts(idle_run)
    idle_runs.prompt(run, "Make the file")
    request = asked(run)
    assert run.phase is Phase.WAITING
    assert not shared_stage.made.exists()
    run.allow(request, by=BY)
    idle(run)
    assert shared_stage.made.exists()
    assert texts(run) == [*before, "It is done."]


def test_a_tool_that_is_denied_does_not_run(
    idle_run: Run, idle_runs: IdleRuns, shared_supervision: Supervision, shared_stage: Stage
) -> None:
    run, before = idle_run, texts(idle_run)
    idle_runs.prompt(run, "Make the file")
    run.deny(asked(run), "Not in this folder.", by=BY)
    idle(run)
    assert not shared_stage.made.exists()
    assert texts(run) == [*before, "It was refused."]
    assert "Not in this folder." in history_of(shared_supervision, run.record.session_id)


def test_follow_up_during_a_turn_is_read_and_the_run_ends_idle(
    idle_run: Run, idle_runs: IdleRuns, shared_supervision: Supervision
) -> None:
    run = idle_run
    idle_runs.prompt(run, "Make the file")
    request = asked(run)
    idle_runs.prompt(run, "And be quick")
    assert list(run.state.waiting.values()) == ["And be quick"]
    run.allow(request, by=BY)
    until(lambda: run.phase is Phase.IDLE and not run.state.waiting, "all is done")
    assert "And be quick" in history_of(shared_supervision, run.record.session_id)


def test_stop_closes_the_turn_and_the_session_can_be_resumed(
    supervision: Supervision, api: MessagesApi
) -> None:
    session = new_id()
    first = supervision.prompt("A gated answer", session)
    until(lambda: streamed(first).strip() == FIRST_HALF, "half of the answer is there")
    first.stop(by=BY)
    assert first.join(30)
    end = first.record.end
    assert end is not None
    assert (end.outcome, end.cause) == (Outcome.CANCELLED, "Stopped by you.")
    assert not supervision.marked_processes()
    assert "[Request interrupted by user" in history_of(supervision, session)
    assert end.history_end == len(history_of(supervision, session).encode())

    second = idle(supervision.prompt("What did I ask?", session))
    assert second.record.argv[second.record.argv.index("--resume") + 1] == session
    assert "--resume" not in first.record.argv
    assert second.record.history_start == end.history_end
    assert texts(second) == ["You said: What did I ask?"]
    remembered = json.dumps(api.requests[-1]["messages"])
    assert "A gated answer" in remembered
    assert FIRST_HALF in remembered


def test_a_server_that_ends_in_mid_answer_is_replaced_without_a_gap(
    idle_run: Run, idle_runs: IdleRuns, shared_supervision: Supervision, shared_stage: Stage
) -> None:
    before, said, turns = streamed(idle_run), texts(idle_run), idle_run.state.turns
    idle_runs.prompt(idle_run, "A gated answer")
    until(
        lambda: streamed(idle_run).removeprefix(before).strip() == FIRST_HALF,
        "half of the answer is there",
    )
    shared_supervision.restart()
    run = shared_supervision.supervisor.get(idle_run.id)
    assert run.phase is Phase.WORKING
    shared_stage.gate.set()
    idle(run)
    assert texts(run) == [*said, f"{FIRST_HALF} {SECOND_HALF}"]
    idle_runs.prompt(run, "Still there?")
    answered(run, turns + 2)
    assert texts(run)[-1] == "You said: Still there?"


def test_a_server_that_ends_during_a_request_is_replaced_and_its_answer_counts(
    idle_run: Run, idle_runs: IdleRuns, shared_supervision: Supervision, shared_stage: Stage
) -> None:
    idle_runs.prompt(idle_run, "Make the file")
    request = asked(idle_run)
    shared_supervision.restart()
    run = shared_supervision.supervisor.get(idle_run.id)
    assert (run.phase, list(run.state.asks)) == (Phase.WAITING, [request])
    run.allow(request, by=BY)
    idle(run)
    assert shared_stage.made.exists()


def test_a_stop_withdraws_an_open_request_and_ends_the_cli(
    idle_run: Run, idle_runs: IdleRuns, shared_supervision: Supervision, shared_stage: Stage
) -> None:
    idle_runs.prompt(idle_run, "Make the file")
    asked(idle_run)
    shared_supervision.restart()  # a run that was adopted is stopped like any other
    run = shared_supervision.supervisor.get(idle_run.id)
    run.stop(by=BY)
    assert run.join(30)
    assert run.record.end is not None
    assert run.record.end.outcome is Outcome.CANCELLED
    assert run.state.asks == {}
    assert not shared_stage.made.exists()
    noted = history_of(shared_supervision, run.record.session_id)
    assert "[Request interrupted by user" in noted
    assert not processes_of(shared_supervision.sandbox.state, run.id)
