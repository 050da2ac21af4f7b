"""One worker owns a run, all workers control it, and another one takes over when the owner dies."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from opcode_htmx.runs.control import shutdown
from opcode_htmx.runs.control.run import AlreadyAnswered, Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.supervisor import RunNotFound, Supervisor
from tests.runs.ends import end_of
from tests.support.cli.supervision import (
    BY,
    FOREVER,
    Supervision,
    idle,
    new_id,
    record_on_disk,
    sent,
    steps,
    texts,
    until,
)


@pytest.fixture
def other(supervision: Supervision) -> Supervisor:
    """The supervisor of another worker, which owns nothing yet."""
    supervision.restart()
    return supervision.beside()


def seen_by(other: Supervisor, run: Run) -> Run:
    """The state of a run at the other worker."""
    (found,) = other.of_session(run.record.session_id)
    assert found is not run
    return found


def test_a_run_is_there_for_the_other_worker_at_once(
    supervision: Supervision, other: Supervisor
) -> None:
    run = supervision.prompt("Hello")
    seen = seen_by(other, run)
    assert other.get(run.id) is seen
    assert [seen] == other.live() == other.newest()
    assert (run.owner is not None, seen.owner) == (True, None)


def test_output_reaches_both_workers(supervision: Supervision, other: Supervisor) -> None:
    run = idle(supervision.prompt("Hello"))
    seen = idle(seen_by(other, run))
    assert (seen.state.turns, seen.read_to) == (1, run.read_to)
    assert seen.record == run.record


def test_a_prompt_through_the_other_worker_goes_to_the_same_process(
    supervision: Supervision, other: Supervisor
) -> None:
    run = idle(supervision.prompt("one"))
    prompted = other.starts.prompt(
        run.record.session_id, supervision.sandbox.project, new_id(), "two", by=BY
    )
    assert prompted.id == run.id
    until(lambda: run.state.turns == 2, "both are answered")
    assert texts(run) == ["one", "two"]
    assert len(supervision.marked_processes()) == 1


def test_prompt_received_by_both_workers_is_sent_once(
    supervision: Supervision, other: Supervisor
) -> None:
    project, session, prompt_id = supervision.sandbox.project, new_id(), new_id()
    both = [
        gevent.spawn(each.starts.prompt, session, project, prompt_id, "once", by=BY)
        for each in (supervision.supervisor, other)
    ]
    run, seen = (each.get(timeout=20) for each in both)
    assert run.id == seen.id
    idle(run)
    assert texts(run) == ["once"]
    assert len(list(supervision.runs_dir.iterdir())) == len(supervision.marked_processes()) == 1


def test_a_question_is_answered_through_either_worker_but_once(
    supervision: Supervision, other: Supervisor
) -> None:
    run = supervision.prompt(steps(["ask", "r1"], FOREVER))
    seen = seen_by(other, run)
    until(lambda: "r1" in seen.state.asks, "the other one sees the question")
    seen.allow("r1", by=BY)
    until(lambda: run.phase is Phase.WORKING, "Claude goes on")
    for each in (run, seen):
        with pytest.raises(AlreadyAnswered):
            each.deny("r1", "no", by=BY)
    assert len(sent(run)) == 2


def test_stop_through_the_other_worker_ends_everything_and_says_why(
    supervision: Supervision, other: Supervisor
) -> None:
    run = supervision.prompt(steps(["grandchild"], ["deaf"], ["text", "so far"], FOREVER))
    until(lambda: texts(run) == ["so far"], "it has begun")
    seen = seen_by(other, run)
    seen.stop(Outcome.CANCELLED, "Stopped by you.", by=BY)
    assert seen.phase is Phase.STOPPING
    until(lambda: run.phase is not Phase.WORKING, "its owner heeds it")
    assert end_of(run) == end_of(seen) == (Outcome.CANCELLED, "Stopped by you.")
    assert not supervision.marked_processes()
    for each in (run, seen):
        with pytest.raises(RunNotLive, match="ended already"):
            each.stop(by=BY)


def test_first_of_two_stops_wins(supervision: Supervision, other: Supervisor) -> None:
    run = supervision.prompt(steps(FOREVER))
    until(lambda: run.phase is Phase.WORKING, "it works")
    seen = seen_by(other, run)
    seen.stop(Outcome.TIMED_OUT, "Its time was up.", by=BY)
    run.stop(Outcome.CANCELLED, "Stopped by you.", by=BY)
    assert end_of(run) == end_of(seen) == (Outcome.TIMED_OUT, "Its time was up.")


def test_a_record_is_new_also_where_its_file_has_the_number_of_the_one_before(
    supervision: Supervision, other: Supervisor
) -> None:
    run = supervision.prompt(steps(["text", "so far"], FOREVER))
    seen = seen_by(other, run)
    until(lambda: texts(seen) == ["so far"], "it is seen")
    seen.refresh_record()
    record = record_on_disk(run)
    end = {"outcome": "failed", "at": 1.0, "cause": "Ended.", "exit_status": 3, "history_end": 0}
    # in place, as the kernel would give the number of a removed file to the next one
    run.folder.record_path.write_text(json.dumps({**record, "end": end}))
    seen.refresh_record()
    assert seen.record.end is not None


def test_unrequested_end_is_seen_by_both_workers(
    supervision: Supervision, other: Supervisor
) -> None:
    run = supervision.prompt(steps(["text", "last words"], ["exit", 3]))
    seen = seen_by(other, run)
    assert end_of(seen) == end_of(run) == (Outcome.FAILED, "Claude ended with exit status 3.")
    assert seen.read_to == run.read_to


def test_a_run_whose_worker_has_died_is_taken_over_and_steered(
    supervision: Supervision, other: Supervisor
) -> None:
    run = idle(supervision.prompt("one"))
    seen = seen_by(other, run)
    supervision.supervisor.close()
    until(lambda: seen.owner, "it is taken over")
    other.starts.prompt(run.record.session_id, supervision.sandbox.project, new_id(), "two", by=BY)
    until(lambda: seen.state.turns == 2, "it is answered")
    seen.stop(by=BY)
    assert end_of(seen) == (Outcome.CANCELLED, "Stopped by you.")
    assert not supervision.marked_processes()


def test_a_run_that_dies_with_its_worker_is_recorded_by_the_other_one(
    supervision: Supervision, other: Supervisor
) -> None:
    run = supervision.prompt(steps(["grandchild"], ["text", "so far"], FOREVER))
    until(lambda: texts(run) == ["so far"], "it has begun")
    seen = seen_by(other, run)
    supervision.supervisor.close()
    assert run.record.pid is not None
    os.kill(run.record.pid, signal.SIGKILL)
    assert end_of(seen)[0] is Outcome.INTERRUPTED
    assert not supervision.marked_processes()


def test_stop_accepted_by_a_dead_worker_is_carried_out(
    supervision: Supervision, other: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = supervision.prompt(steps(["text", "so far"], FOREVER))
    until(lambda: texts(run) == ["so far"], "it has begun")
    with monkeypatch.context() as patched:
        patched.setattr(shutdown, "end", lambda *_, **__: None)
        run.stop(Outcome.CANCELLED, "Stopped by you.", by=BY)
        supervision.supervisor.close()
    assert end_of(seen_by(other, run)) == (Outcome.CANCELLED, "Stopped by you.")
    assert not supervision.marked_processes()


def test_a_stop_is_carried_out_by_the_next_server(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = supervision.prompt(steps(["text", "so far"], FOREVER))
    until(lambda: texts(run) == ["so far"], "it has begun")
    with monkeypatch.context() as patched:
        patched.setattr(shutdown, "end", lambda *_, **__: None)
        run.stop(Outcome.CANCELLED, "Stopped by you.", by=BY)
        supervision.supervisor.close()
    (again,) = supervision.restart().of_session(run.record.session_id)
    assert end_of(again) == (Outcome.CANCELLED, "Stopped by you.")


def test_viewer_at_another_worker_prevents_stop_on_leave(
    supervision: Supervision,
) -> None:
    grace = 0.6
    supervision.restart(keep_running=False, disconnect_grace=grace)
    other = supervision.beside(keep_running=False, disconnect_grace=grace)
    session = new_id()
    with other.viewers.viewing(session):
        run = supervision.prompt(steps(["text", "so far"], FOREVER), session)
        assert not run.join(4 * grace)
    left = time.time()
    assert end_of(run)[1].startswith("Ended, because nobody was looking")
    assert time.time() - left >= grace


def test_a_session_that_is_deleted_is_gone_for_the_other_worker(
    supervision: Supervision, other: Supervisor, tmp_path: Path
) -> None:
    run = idle(supervision.prompt("Hello"))
    run.stop(by=BY)
    assert end_of(run)
    seen = seen_by(other, run)
    assert end_of(seen)
    supervision.supervisor.forget(run.record.session_id)
    run.folder.path.rename(tmp_path / "away")
    assert other.of_session(run.record.session_id) == []
    with pytest.raises(RunNotFound):
        other.get(run.id)
    (tmp_path / "away").rename(run.folder.path)
    assert [each.id for each in other.of_session(run.record.session_id)] == [run.id]


def test_a_request_of_an_unknown_kind_is_refused_by_the_owner_alone(
    supervision: Supervision, other: Supervisor
) -> None:
    run = idle(supervision.prompt(steps(["request", "x1", "of_a_later_release"])))
    idle(seen_by(other, run))
    assert len(sent(run)) == 2


# --- Files left in the folder ---------------------------------------------------------------


def test_one_worker_at_a_time_owns_a_run(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run")
    lock = folder.own()
    assert lock is not None
    assert folder.own() is None
    os.close(lock)
    assert (again := folder.own()) is not None
    os.close(again)


def test_prompt_completed_by_another_worker_is_not_sent_again(
    supervision: Supervision, other: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id, prompt_id, text = new_id(), new_id(), steps(["text", "once"], ["exit", 0])
    exclusively = other.scheduler.exclusively

    @contextlib.contextmanager
    def late() -> Iterator[None]:
        run = supervision.prompt(text, session_id, prompt_id)
        assert run.join(20)
        with exclusively():
            yield

    monkeypatch.setattr(other.scheduler, "exclusively", late)
    other.starts.prompt(session_id, supervision.sandbox.project, prompt_id, text, by=BY)
    assert [texts(run) for run in other.of_session(session_id)] == [["once"]]
