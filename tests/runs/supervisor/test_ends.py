"""Ends of runs: how they ended is recorded, and nothing of them is left."""

from __future__ import annotations

import gc
import signal
import time

import gevent
import psutil
import pytest

from opcode_htmx.runs.control.run import RunNotLive
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.policies import limit_monitor as limits_module
from opcode_htmx.runs.policies.limit_monitor import Limits
from tests.runs.supervisor.watching import asked, ended, pid_of
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
from tests.support.environment import PATIENCE

BUSY = 4.0
"""The allowance of a busy machine on top of a deadline; without one these runs would not end."""


def test_failed_claude_is_recorded_with_its_status_and_stderr(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["stderr", "first"], ["stderr", "no credit left"], ["exit", 3]))
    assert ended(run) == (Outcome.FAILED, "Claude ended with exit status 3.")
    assert record_on_disk(run)["end"]["exit_status"] == 3
    assert run.folder.error_lines(20) == ["first", "no credit left"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_claude_that_is_killed_from_outside_is_interrupted(
    supervision: Supervision, number: signal.Signals
) -> None:
    run = idle(supervision.prompt("Hello"))
    psutil.Process(pid_of(run)).send_signal(number)
    assert ended(run) == (Outcome.INTERRUPTED, f"Claude was ended from outside by {number.name}.")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_claude_that_exits_as_shells_do_when_signalled_is_interrupted(
    supervision: Supervision, number: signal.Signals
) -> None:
    run = supervision.prompt(steps(["exit", 128 + number]))
    assert ended(run) == (Outcome.INTERRUPTED, f"Claude was ended from outside by {number.name}.")


def test_a_signal_without_a_name_ends_a_run_like_any_other(supervision: Supervision) -> None:
    number = signal.SIGRTMIN + 1
    run = supervision.prompt(steps(["signal", number]))
    assert ended(run) == (Outcome.FAILED, f"Claude crashed with signal {number}.")


def test_a_stop_cancels_the_run(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["text", "I will"], FOREVER))
    until(lambda: run.phase is Phase.WORKING, "it works")
    run.stop(by=BY)
    assert run.phase is Phase.STOPPING
    run.stop(by=BY)  # a second tap
    assert ended(run) == (Outcome.CANCELLED, "Stopped by you.")
    requests = [line for line in sent(run) if line["type"] == "control_request"]
    assert [request["request"] for request in requests] == [
        {"subtype": "interrupt", "cancel_queued": True}
    ]


def test_a_run_that_is_being_stopped_takes_no_answer(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["deaf"], ["ask", "r1"], FOREVER))
    asked(run)
    run.stop(by=BY)
    with pytest.raises(RunNotLive):
        run.allow("r1", by=BY)


def test_an_idle_run_is_stopped_without_an_interrupt(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    run.stop(by=BY)
    assert ended(run)[0] is Outcome.CANCELLED
    assert [line["type"] for line in sent(run)] == ["user"]


def test_claude_that_ignores_sigterm_is_killed_with_its_descendants(
    supervision: Supervision,
) -> None:
    supervision.restart(stop_deadline=1.0)
    run = supervision.prompt(steps(["deaf"], ["grandchild"], ["text", "ready"], FOREVER))
    until(lambda: len(supervision.marked_processes()) == 2, "the grandchild lives")
    until(lambda: texts(run) == ["ready"], "it ignores SIGTERM")
    began = time.monotonic()
    run.stop(by=BY)
    assert ended(run)[0] is Outcome.CANCELLED
    assert time.monotonic() - began < 1.0 + BUSY  # a sweep takes 0.7 s at most
    until(lambda: not supervision.marked_processes(), "nothing is left")


def test_a_claude_that_does_not_read_is_stopped_in_time(supervision: Supervision) -> None:
    supervision.restart(stop_deadline=1.0)
    run = supervision.prompt(steps(["deaf"], ["text", "ready"], FOREVER))
    until(lambda: texts(run) == ["ready"], "it ignores SIGTERM")
    stuck = gevent.spawn(run.prompt, new_id(), "x" * 1_000_000, by=BY)
    gevent.sleep(0.05)
    began = time.monotonic()
    run.stop(by=BY)
    assert ended(run)[0] is Outcome.CANCELLED
    assert time.monotonic() - began < 1.0 + BUSY
    gevent.joinall([stuck], timeout=PATIENCE)
    assert isinstance(stuck.exception, RunNotLive)


def test_leftover_processes_end_with_claude(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["grandchild"], ["exit after turn", 0]))
    assert ended(run)[0] is Outcome.COMPLETED
    until(lambda: not supervision.marked_processes(), "the grandchild has ended")


def test_an_idle_run_ends_after_its_time_and_says_how_long_that_was(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_module, "CHECK_SECONDS", 0.05)
    supervision.restart(limits=Limits(idle_timeout=0.6))
    busy = supervision.prompt(steps(FOREVER))
    run = idle(supervision.prompt("Hello"))
    assert ended(run) == (
        Outcome.COMPLETED,
        "Ended after 0.01 idle minutes; a prompt resumes it.",
    )
    assert busy.live


def test_a_run_whose_folder_was_removed_ends_all_the_same(
    supervision: Supervision, caplog: pytest.LogCaptureFixture
) -> None:
    run = idle(supervision.prompt("Hello"))
    for path in run.folder.path.iterdir():
        path.unlink()
    run.folder.path.rmdir()
    with pytest.raises(RunNotLive, match="has been removed"):
        run.prompt(new_id(), "Hello", by=BY)
    run.stop(by=BY)
    assert run.join(30)
    assert run.phase is Phase.ENDED
    assert "could not record the end of run" in caplog.text


def test_many_runs_leak_no_descriptor_and_no_process(supervision: Supervision) -> None:
    def run_once() -> None:
        ended(supervision.prompt(steps(["exit after turn", 0])))

    run_once()
    gc.collect()
    before = psutil.Process().num_fds()
    for _ in range(3):
        gevent.joinall([gevent.spawn(run_once) for _ in range(3)], raise_error=True)
    gc.collect()
    until(lambda: psutil.Process().num_fds() <= before, "what waits for the disk is done")
    until(lambda: not supervision.marked_processes(), "no process is left")
    assert len(list(supervision.runs_dir.iterdir())) == 10
