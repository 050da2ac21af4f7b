"""Runs outlive the server that started them, and the next one takes them over."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest
from gevent import subprocess

from opcode_htmx.runs.control.run import AlreadyAnswered, Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome, RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.model.run_state import RunState
from opcode_htmx.runs.policies import limit_monitor as limits_module
from opcode_htmx.runs.policies.limit_monitor import Limits
from tests.support.cli.supervision import (
    BY,
    FOREVER,
    Supervision,
    idle,
    lines,
    new_id,
    record_on_disk,
    steps,
    texts,
    until,
)
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

ServeAndKill = Callable[[str, Callable[[RunFolder], object]], str]


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


def wrote(text: str) -> Callable[[RunFolder], object]:
    return lambda folder: text in folder.output.read_text(encoding="utf-8")


def ended(run: Run) -> tuple[Outcome, str, int | None]:
    assert run.join(30), f"the run is still {run.phase}"
    end = run.record.end
    assert end is not None
    assert record_on_disk(run)["end"]["outcome"] == end.outcome.value
    return end.outcome, end.cause, end.exit_status


def kill(run: Run) -> None:
    assert run.record.pid is not None
    psutil.Process(run.record.pid).kill()


def change_record(run_id: str, supervision: Supervision, **fields: Any) -> None:
    path = supervision.runs_dir / run_id / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **fields}))


# Runs that live ------------------------------------------------------------------------------


def test_a_server_that_is_killed_takes_no_run_with_it(
    supervision: Supervision, serve_and_kill: ServeAndKill, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    run_id = serve_and_kill(
        steps(["text", "before"], ["wait", str(go_on)], ["text", "after"]), wrote("before")
    )
    supervision.restart()
    run = supervision.supervisor.get(run_id)
    assert supervision.supervisor.live() == [run]
    assert run.phase is Phase.WORKING
    go_on.touch()
    idle(run)
    assert texts(run) == ["before", "after"]
    assert run.state.turns == 1


def test_a_request_is_answered_by_the_next_server(
    supervision: Supervision, serve_and_kill: ServeAndKill
) -> None:
    run_id = serve_and_kill(steps(["ask", "r1"], ["text", "allowed"]), wrote("can_use_tool"))
    supervision.restart()
    run = supervision.supervisor.get(run_id)
    assert (run.phase, list(run.state.asks)) == (Phase.WAITING, ["r1"])
    run.allow("r1", by=BY)
    idle(run)
    assert texts(run) == ["allowed"]
    with pytest.raises(AlreadyAnswered):
        run.allow("r1", by=BY)


def test_an_adopted_run_takes_prompts_and_is_stopped_with_all_it_has_started(
    supervision: Supervision, serve_and_kill: ServeAndKill
) -> None:
    run_id = serve_and_kill(steps(["grandchild"], ["text", "ready"]), wrote("result"))
    supervision.restart()
    run = idle(supervision.supervisor.get(run_id))
    assert supervision.prompt("more", run.record.session_id) is run
    until(lambda: texts(run) == ["ready", "more"], "the prompt is answered")
    until(lambda: len(supervision.marked_processes()) == 2, "they are there")
    run.stop(by=BY)
    assert ended(run) == (Outcome.CANCELLED, "Stopped by you.", None)
    until(lambda: not supervision.marked_processes(), "nothing is left")


def test_the_end_of_an_adopted_run_is_seen(
    supervision: Supervision, serve_and_kill: ServeAndKill
) -> None:
    run_id = serve_and_kill("Hello", wrote("result"))
    supervision.restart()
    run = idle(supervision.supervisor.get(run_id))
    kill(run)
    assert ended(run) == (Outcome.COMPLETED, "Claude ended.", None)
    assert supervision.supervisor.live() == []


def test_an_adopted_run_that_ends_in_mid_turn_is_interrupted(
    supervision: Supervision, serve_and_kill: ServeAndKill
) -> None:
    run_id = serve_and_kill(steps(["text", "I will"], FOREVER), wrote("I will"))
    supervision.restart()
    run = supervision.supervisor.get(run_id)
    kill(run)
    assert ended(run) == (
        Outcome.INTERRUPTED,
        "Claude ended before its answer was complete.",
        None,
    )


def test_a_request_of_an_unknown_kind_is_refused_by_the_next_server(
    supervision: Supervision, serve_and_kill: ServeAndKill
) -> None:
    run_id = serve_and_kill("Hello", wrote("result"))
    folder = RunFolder(supervision.runs_dir / run_id)
    request = {"type": "control_request", "request_id": "x1", "request": {"subtype": "new"}}
    with folder.output.open("a", encoding="utf-8") as output:
        output.write(json.dumps(request) + "\n")
    supervision.restart()
    until(lambda: "x1" in folder.input_log.read_text(), "the request is refused")
    assert lines(folder.input_log)[-1]["response"]["subtype"] == "error"


def test_an_adopted_run_ends_when_it_has_been_idle(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_module, "CHECK_SECONDS", 0.05)
    run_id = idle(supervision.prompt("Hello")).id
    supervision.restart(limits=Limits(idle_timeout=0.3))
    assert ended(supervision.supervisor.get(run_id))[0] is Outcome.COMPLETED


def test_the_state_is_the_same_in_the_next_server(supervision: Supervision) -> None:
    session = new_id()
    run = supervision.prompt(steps(["text", "one"]), session)
    idle(run)
    supervision.prompt(steps(["ask", "r1"], ["ask", "r2"]), session)
    until(lambda: run.state.asks, "Claude asks")
    run.allow("r1", by=BY)
    until(lambda: list(run.state.asks) == ["r2"], "Claude asks again")
    supervision.prompt("waits", session)
    supervision.restart()
    adopted = supervision.supervisor.get(run.id)
    assert adopted is not run
    for name in RunState.__slots__:
        assert getattr(adopted.state, name) == getattr(run.state, name), name


def test_every_server_in_a_row_can_take_over(supervision: Supervision) -> None:
    session = new_id()
    run_id = idle(supervision.prompt("0", session)).id
    for number in range(1, 4):
        supervision.restart()
        assert supervision.prompt(str(number), session).id == run_id
        idle(supervision.supervisor.get(run_id))
    run = supervision.supervisor.get(run_id)
    assert texts(run) == ["0", "1", "2", "3"]
    assert run.state.turns == 4


def test_detached_server_records_no_end(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    supervision.restart()
    kill(run)
    assert ended(supervision.supervisor.get(run.id))[0] is Outcome.COMPLETED
    assert run.record.end is None


def test_adopting_again_changes_nothing(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    supervision.supervisor.adopt()
    assert supervision.supervisor.of_session(run.record.session_id) == [run]


# Runs that have ended ------------------------------------------------------------------------


def test_a_run_that_has_ended_in_good_order_meanwhile_has_completed(
    supervision: Supervision, serve_and_kill: ServeAndKill
) -> None:
    run_id = serve_and_kill(steps(["text", "done"], ["exit after turn", 0]), wrote("result"))
    until(lambda: not supervision.marked_processes(), "Claude has ended")
    supervision.restart()
    run = supervision.supervisor.get(run_id)
    # The server may have seen the end in its last moment.
    assert ended(run)[0] is Outcome.COMPLETED
    assert supervision.supervisor.live() == []


def test_run_that_died_without_a_server_says_so(supervision: Supervision) -> None:
    idle_run = idle(supervision.prompt("Hello"))
    working = supervision.prompt(steps(["text", "I will"], FOREVER))
    until(lambda: working.phase is Phase.WORKING, "it works")
    supervision.supervisor.close()
    for process in supervision.marked_processes():
        process.kill()
    until(lambda: not supervision.marked_processes(), "both have ended")
    supervision.restart()
    assert ended(supervision.supervisor.get(idle_run.id)) == (
        Outcome.COMPLETED,
        "Claude ended while no server was watching.",
        None,
    )
    assert ended(supervision.supervisor.get(working.id)) == (
        Outcome.INTERRUPTED,
        "Claude ended before its answer was complete while no server was watching.",
        None,
    )


def test_leftovers_of_a_run_that_died_without_a_server_are_ended(
    supervision: Supervision, serve_and_kill: ServeAndKill
) -> None:
    serve_and_kill(steps(["grandchild"], ["text", "bye"], ["exit", 1]), wrote("bye"))
    supervision.restart()
    until(lambda: not supervision.marked_processes(), "the grandchild has ended")


def test_a_pid_that_another_process_has_got_is_neither_adopted_nor_ended(
    supervision: Supervision,
) -> None:
    run = idle(supervision.prompt("Hello"))
    supervision.supervisor.close()
    kill(run)
    until(lambda: not supervision.marked_processes(), "it has ended")
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        change_record(run.id, supervision, pid=stranger.pid)
        supervision.restart()
        assert ended(supervision.supervisor.get(run.id))[0] is Outcome.COMPLETED
        assert stranger.poll() is None
        # The same pid in the right time, without the mark of the run
        created = psutil.Process(stranger.pid).create_time()
        change_record(run.id, supervision, end=None, process_started_at=created)
        supervision.restart()
        assert ended(supervision.supervisor.get(run.id))[0] is Outcome.COMPLETED
        assert stranger.poll() is None
    finally:
        stranger.send_signal(signal.SIGKILL)
        stranger.wait()


def test_runs_that_had_ended_before_are_there_in_their_order(supervision: Supervision) -> None:
    session = new_id()
    ids = []
    for number in range(3):
        run = supervision.prompt(steps(["text", str(number)], ["exit after turn", 0]), session)
        ended(run)
        ids.append(run.id)
    records = [run.record for run in supervision.supervisor.of_session(session)]
    supervision.restart()
    runs = supervision.supervisor.of_session(session)
    assert [run.id for run in runs] == ids
    assert [run.record for run in runs] == records
    assert {run.phase for run in runs} == {Phase.ENDED}
    assert supervision.supervisor.live() == []


def test_a_start_that_was_cut_off_is_recorded_as_interrupted(supervision: Supervision) -> None:
    run_id = uuid.uuid4().hex
    record = RunRecord(run_id, new_id(), str(supervision.sandbox.project), ("claude",), 1.0, 0)
    RunFolder.create(supervision.runs_dir, run_id).store(record)
    supervision.restart()
    assert ended(supervision.supervisor.get(run_id))[0] is Outcome.INTERRUPTED


# Runs that cannot be adopted------------------------------------------------------------------


def test_without_a_runs_folder_there_is_nothing_to_adopt(supervision: Supervision) -> None:
    assert supervision.restart().live() == []


@pytest.mark.parametrize("content", [None, "", "null", "[]", '{"version": 99}', '{"version": 1}'])
def test_unreadable_folder_is_kept_and_logged(
    supervision: Supervision, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = idle(supervision.prompt("Hello")).id
    strange = RunFolder.create(supervision.runs_dir, "d" * 32)
    if content is not None:
        strange.record_path.write_text(content)
    before = sorted(path.name for path in strange.path.iterdir())
    with caplog.at_level(logging.WARNING):
        supervision.restart()
    assert supervision.supervisor.get(run_id).live
    assert str(strange.path) in caplog.text
    assert "ignoring it" in caplog.text
    assert sorted(path.name for path in strange.path.iterdir()) == before


def test_non_run_folders_are_skipped(
    supervision: Supervision, caplog: pytest.LogCaptureFixture
) -> None:
    supervision.runs_dir.mkdir(parents=True)
    (supervision.runs_dir / "notes.txt").touch()
    (supervision.runs_dir / ("E" * 32)).mkdir()
    supervision.restart()
    assert caplog.text == ""


def test_a_run_of_another_login_or_of_the_demo_is_ended_instead_of_taken_over(
    supervision: Supervision, tmp_path: Path
) -> None:
    run = idle(supervision.prompt("Hello"))
    supervision.restart(config_dir=tmp_path / "another login")
    taken_over = supervision.supervisor.get(run.id)
    assert taken_over.join(20)
    assert ended(taken_over)[:2] == (
        Outcome.COMPLETED,
        "Ended, because it belonged to another login.",
    )
    assert supervision.marked_processes() == []


def test_history_end_excludes_later_terminal_entries(supervision: Supervision) -> None:
    session_id = new_id()
    history = supervision.sandbox.config_dir / "projects" / "p" / f"{session_id}.jsonl"
    history.parent.mkdir(parents=True)
    run = idle(supervision.prompt("Hello", session_id))
    now = time.time()
    own, foreign = (
        json.dumps({"type": "user", "timestamp": datetime.fromtimestamp(at, UTC).isoformat()})
        for at in (now, now + 3600)
    )
    history.write_text(f'{own}\n{{"type": "mode"}}\n{foreign}\n')
    os.utime(history, (now + 3600, now + 3600))
    run.stop(by=BY)
    assert run.join(20)
    end = run.record.end
    assert end is not None
    assert history.read_bytes()[end.history_end :] == foreign.encode() + b"\n"


def test_prompt_counts_as_sent_while_a_page_reads_the_ended_run(
    supervision: Supervision,
) -> None:
    session_id, late = new_id(), new_id()
    run = idle(supervision.prompt(steps(["lines", 1000]), session_id))
    idle(supervision.prompt("late", session_id, late))
    run.stop(by=BY)
    assert run.join(20)
    (again,) = supervision.restart().of_session(session_id)
    reading = gevent.spawn(again.fold_new_lines, last=True)
    gevent.sleep(0)
    assert late in again.state.sent and again.state.waiting, "it has begun and is not through"
    assert again.has_sent(late), "what Claude took up is not sent again"
    reading.join()
