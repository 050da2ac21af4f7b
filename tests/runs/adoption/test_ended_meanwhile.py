"""What has become of runs that ended without a server, and of folders that are none."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest
from gevent import subprocess

from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome, RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from tests.runs.adoption.servers import ServeAndKill, ended, kill, wrote
from tests.support.cli.supervision import (
    BY,
    FOREVER,
    Supervision,
    idle,
    new_id,
    steps,
    until,
)


def change_record(run_id: str, supervision: Supervision, **fields: Any) -> None:
    path = supervision.runs_dir / run_id / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **fields}))


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


def test_unreadable_folders_are_kept_and_logged(
    supervision: Supervision, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = idle(supervision.prompt("Hello")).id
    contents = (None, "", "null", "[]", '{"version": 99}', '{"version": 1}')
    strange = [
        RunFolder.create(supervision.runs_dir, f"{number:032x}") for number in range(len(contents))
    ]
    for folder, content in zip(strange, contents, strict=True):
        if content is not None:
            folder.record_path.write_text(content)
    before = sorted(path for folder in strange for path in folder.path.iterdir())
    with caplog.at_level(logging.WARNING):
        supervision.restart()
    assert supervision.supervisor.get(run_id).live
    for folder, content in zip(strange, contents, strict=True):
        said = [each for each in caplog.messages if str(folder.path) in each]
        assert any("ignoring it" in each for each in said), content
    assert sorted(path for folder in strange for path in folder.path.iterdir()) == before


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
