"""Claude's output under a supervisor: complete, and in the way of no other run."""

from __future__ import annotations

import json
import time
from pathlib import Path

import gevent

from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from tests.runs.supervisor.watching import ended
from tests.support.cli.supervision import FOREVER, Supervision, idle, new_id, steps, texts, until
from tests.support.environment import PATIENCE


def test_flood_arrives_complete_and_delays_no_other_run(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["lines", 20_000]))
    longest, before = 0.0, time.thread_time()
    while run.phase is not Phase.IDLE:
        gevent.sleep(0.001)
        longest, before = max(longest, time.thread_time() - before), time.thread_time()
    assert texts(run) == [f"line {number}" for number in range(20_000)]
    assert (run.state.turns, run.state.waiting) == (1, {})
    assert longest < 1.0  # no other run has waited for the end of the flood


def test_a_line_in_two_halves_is_one_line(supervision: Supervision) -> None:
    run = idle(supervision.prompt(steps(["half", "all of it", 0.2])))
    assert texts(run) == ["all of it"]
    assert run.state.turns == 1


def test_a_line_of_five_megabytes_arrives_whole(supervision: Supervision) -> None:
    run = idle(supervision.prompt(steps(["big", 5_000_000])))
    assert [len(text) for text in texts(run)] == [5_000_000]
    assert run.state.turns == 1


def test_last_line_without_a_newline_is_read(supervision: Supervision) -> None:
    result = json.dumps({"type": "result", "subtype": "success"})
    run = supervision.prompt(steps(["raw", result], ["exit", 0]))
    assert ended(run)[0] is Outcome.COMPLETED
    assert run.state.turns == 1


def test_lines_that_are_no_messages_disturb_nothing(supervision: Supervision) -> None:
    run = idle(supervision.prompt(steps(["raw", "no json\n\n{\n"], ["text", "well"])))
    assert run.state.turns == 1


def test_waiter_is_woken_by_a_new_line(supervision: Supervision, tmp_path: Path) -> None:
    session, go_on = new_id(), tmp_path / "go-on"
    run = supervision.prompt(steps(["wait", str(go_on)]), session)
    until(lambda: run.phase is Phase.WORKING, "it works")
    gevent.sleep(0.1)
    seen = supervision.supervisor.changes(session).version
    go_on.touch()
    assert run.changed.wait(seen, timeout=PATIENCE) > seen


def test_stderr_is_kept_and_reported(supervision: Supervision) -> None:
    run = supervision.prompt(steps(["stderr", "careful"], FOREVER))
    until(lambda: run.folder.error_lines(5) == ["careful"], "stderr is kept")
