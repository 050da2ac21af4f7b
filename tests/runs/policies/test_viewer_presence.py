"""Runs without viewers: they go on, or end after the grace period, as chosen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.policies import viewer_presence
from opcode_htmx.runs.policies.limit_monitor import Limits
from opcode_htmx.runs.policies.viewer_presence import ViewerPresence
from tests.support.cli.supervision import (
    FOREVER,
    Supervision,
    idle,
    new_id,
    steps,
    until,
)

GRACE = 2.0

Begin = Callable[..., Run]


@pytest.fixture
def supervision(supervision: Supervision) -> Supervision:
    supervision.restart(keep_running=False, disconnect_grace=GRACE)
    return supervision


def working(supervision: Supervision, session_id: str = "") -> Run:
    """One that was looked at until it works: on a busy machine that may take longer than GRACE."""
    session_id = session_id or new_id()
    with supervision.supervisor.viewers.viewing(session_id):
        run = supervision.prompt(steps(["text", "I will"], FOREVER), session_id)
        until(lambda: run.phase is Phase.WORKING, "it works")
    return run


def outcome(run: Run) -> tuple[Outcome, str]:
    assert run.record.end is not None
    return run.record.end.outcome, run.record.end.cause


def test_run_without_viewers_ends_after_the_grace_with_its_cause(supervision: Supervision) -> None:
    began = time.time()
    run = supervision.prompt(steps(FOREVER))  # that nobody has ever looked at
    assert run.join(30)
    assert time.time() - began >= GRACE
    assert outcome(run) == (
        Outcome.CANCELLED,
        "Ended, because nobody was looking for 2 seconds.",
    )
    assert not supervision.marked_processes()


def test_a_run_that_was_idle_when_it_was_left_is_completed(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    assert run.join(30)
    assert outcome(run)[0] is Outcome.COMPLETED


def test_run_ends_after_the_last_viewer_has_left(
    supervision: Supervision,
) -> None:
    run = working(supervision)
    session = run.record.session_id
    with supervision.supervisor.viewers.viewing(session):
        with supervision.supervisor.viewers.viewing(session):
            assert not run.join(1.5 * GRACE)
        assert not run.join(1.5 * GRACE)
    left = time.time()
    assert run.join(30)
    assert time.time() - left >= GRACE


def test_run_continues_when_a_viewer_returns_within_the_grace(supervision: Supervision) -> None:
    run = working(supervision)
    session = run.record.session_id
    for _ in range(5):  # together longer than the grace
        with supervision.supervisor.viewers.viewing(session):
            gevent.sleep(0)
        assert not run.join(0.3 * GRACE)
    with supervision.supervisor.viewers.viewing(session):
        assert not run.join(1.5 * GRACE)
        assert run.phase is Phase.WORKING


def test_page_without_a_socket_counts_as_viewer_from_its_request(supervision: Supervision) -> None:
    run = working(supervision)
    for _ in range(5):
        supervision.supervisor.viewers.seen(run.record.session_id)
        assert not run.join(0.3 * GRACE)
    assert run.join(30)


def test_only_the_session_without_viewers_ends(supervision: Supervision) -> None:
    run, other = working(supervision), working(supervision)
    with supervision.supervisor.viewers.viewing(other.record.session_id):
        assert run.join(30)
        assert other.live


def test_choice_for_a_session_overrides_the_server_default(
    supervision: Supervision,
) -> None:
    session = new_id()
    supervision.supervisor.options.choose(session, keep_running=True)
    run = working(supervision, session)
    assert not run.join(2 * GRACE)
    supervision.supervisor.options.choose(session, keep_running=False)
    assert run.join(30)


def test_run_continues_without_viewers_by_default(supervision: Supervision) -> None:
    supervision.restart(keep_running=True)
    assert not working(supervision).join(2 * GRACE)


def test_choice_survives_a_restart_and_the_grace_starts_again(
    supervision: Supervision,
) -> None:
    supervision.restart(keep_running=True)
    session = new_id()
    supervision.supervisor.options.choose(session, keep_running=False)
    before = working(supervision, session)
    with supervision.supervisor.viewers.viewing(session):
        gevent.sleep(1.2 * GRACE)
        began = time.time()
        supervision.restart()
    run = supervision.supervisor.get(before.id)
    assert run.join(30)
    assert time.time() - began >= GRACE
    assert "nobody was looking" in outcome(run)[1]


def test_the_grace_is_not_that_of_a_clock_that_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = [1000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], time=lambda: 1_000_000 * now[0])
    monkeypatch.setattr(viewer_presence, "time", clock)
    ended: list[str] = []
    run: Any = SimpleNamespace(
        id="run",
        phase=Phase.IDLE,
        record=SimpleNamespace(session_id="s", created_at=0.0),
        stop=lambda outcome, cause, by: ended.append(cause),
    )
    viewers = ViewerPresence(tmp_path, lambda: [run], lambda _: False, lambda: None, grace=60)
    for passed, is_seen in ((1, True), (59, True), (59, False), (1, True), (59, False)):
        now[0] += passed
        if is_seen:
            viewers.seen("s")
            os.utime(tmp_path / "s", (now[0], now[0]))
        viewers.check()
        assert not ended
    now[0] += 1
    viewers.check()
    assert ended


def test_a_run_that_waits_for_an_answer_outlives_the_idle_timeout(supervision: Supervision) -> None:
    supervision.restart(keep_running=True, limits=Limits(idle_timeout=0.2))
    waiting = supervision.prompt(steps(["ask", "r1"], FOREVER))
    until(lambda: waiting.phase is Phase.WAITING, "it asks")
    idler = idle(supervision.prompt("Hello"))
    assert idler.join(30)
    assert waiting.phase is Phase.WAITING
    assert list(waiting.state.asks) == ["r1"]
