"""What is left of the plan, and the costs that Claude reports."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.engines.claude.engine import ClaudeCodec
from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.engines.messages import ControlResponse, SystemEvent
from opcode_htmx.engines.plan_limits import LimitWindow
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.usage.limits import Limit, PlanLimits
from opcode_htmx.lib.identity import owner
from opcode_htmx.runs.events.types import TurnEnded, Usage
from tests.features.usage.history import HOUR, data, text_of
from tests.sessions.index.histories import ONE
from tests.support.apps.in_process import app_of
from tests.support.environment import USER, Sandbox, until


# What is left
def event(**info: Any) -> SystemEvent:
    return SystemEvent("rate_limit_event", "u", {"rate_limit_info": info})


def test_limits_are_read_from_claudes_lines_and_its_answer() -> None:
    codec = ClaudeCodec()
    line = event(status="rejected", rateLimitType="five_hour", resetsAt=1_800_000_000)
    assert codec.limits_in(line) == (LimitWindow("five_hour", 1.0, 1_800_000_000.0),)
    window = {"utilization": 0.25, "resetsAt": 1_800_000_000}
    both = event(status="allowed", unifiedWindows={"five_hour": window, "seven_day": window})
    assert [each.kind for each in codec.limits_in(both)] == ["five_hour", "seven_day"]
    assert codec.limits_in(event(status=7, rateLimitType=[], unifiedWindows=3)) == ()
    percent = {"utilization": 62.5, "resets_at": "2027-01-15T08:00:00+00:00"}
    answer: dict[str, object] = {
        "rate_limits": {"five_hour": percent, "seven_day": None, "seven_day_opus": 7}
    }
    expected = LimitWindow("five_hour", 0.625, 1_800_000_000.0)
    assert codec.limits_of(ControlResponse("r", True, answer, "")) == (expected,)
    assert codec.limits_of(ControlResponse("r", True, {"rate_limits": None}, "")) == ()
    assert codec.limits_of(ControlResponse("r", False, {}, "no")) == ()
    request = json.loads(codec.limits_line("r"))["request"]
    assert request == {"subtype": "get_usage", "skip_behaviors": True}


@pytest.mark.parametrize(
    ("used", "elapsed", "full_after"),
    [(0.5, 2.0, 2.0), (0.8, 2.0, 0.5), (0.2, 2.0, None), (1.0, 2.0, None), (0.5, 0.01, None)],
)
def test_pace_says_when_a_limit_is_used_up(
    used: float, elapsed: float, full_after: float | None
) -> None:
    at = 1_800_000_000.0
    limit = Limit(LimitWindow("five_hour", used, at + (5 - elapsed) * HOUR), at)
    expected = None if full_after is None else pytest.approx(at + full_after * HOUR)
    assert limit.full_at == expected


def test_limit_is_forgotten_when_it_was_reset(tmp_path: Path) -> None:
    limits = PlanLimits(tmp_path / "usage.json")
    limits.report([LimitWindow("five_hour", 0.5, 100.0)], at=50.0)
    limits.report([LimitWindow("five_hour", None, 100.0)], at=60.0)  # it says less
    assert [each.percent for each in limits.current(now=99.0)] == [50]
    assert limits.current(now=101.0) == []


def test_what_is_left_is_on_home_on_usage_in_the_status_and_at_the_api(
    app: Flask, client: FlaskClient, sandbox: Sandbox
) -> None:
    resets_at = time.time() + 2 * HOUR
    limits = PlanLimits(sandbox.state / "usage.json")
    limits.report([LimitWindow("five_hour", 0.9, resets_at)], at=time.time())
    assert "5-hour limit: 10 % left , at this rate until" in text_of(client, "/")
    assert "At this rate it lasts until" in text_of(client, "/usage")
    session = f"/projects/{project_id(sandbox.project)}/sessions/{ONE}"
    assert "5-hour limit 10 % left, resets" in text_of(client, session)
    (found,) = data(client, "/api/usage/limits")
    assert (found["kind"], found["used_percent"]) == ("five_hour", 90)
    assert datetime.fromisoformat(found["resets_at"]).timestamp() == pytest.approx(resets_at)


def test_cost_that_claude_reports_at_the_end_of_a_turn_is_kept(
    sandbox: Sandbox, stand_in: Path
) -> None:
    turn = TurnEnded(
        id=f"run.turn_ended.{ONE}",
        at=1.0,
        run_id="run",
        session_id=ONE,
        project_path="/work",
        by=owner(USER),
        prompt_ids=(),
        is_error=False,
        reason="completed",
        usage=Usage(1, 1, 0, 0, 0.25, 2.5, "claude-opus-5-5", 1),
    )
    limits = PlanLimits(sandbox.state / "usage.json")
    with app_of(sandbox, stand_in) as app:
        context: AppContext = app.extensions["opcode_context"]
        context.events.emit(turn)
        until(lambda: limits.cost_of(ONE), "it is kept", sleep=lambda: gevent.sleep(0.02))
    assert limits.cost_of(ONE) == 2_500_000_000_000


DAMAGED: tuple[dict[str, Any], ...] = (
    {"used": "x"},
    {"used": float("nan")},
    {"resets_at": 1e300},
    {"at": float("inf")},
    {"kind": None},
)


def test_damaged_limits_are_left_out(client: FlaskClient, sandbox: Sandbox) -> None:
    good = {"kind": "five_hour", "used": 0.5, "resets_at": time.time() + HOUR, "at": time.time()}
    path = sandbox.state / "usage.json"
    for limit in DAMAGED:
        path.write_text(json.dumps({"limits": [good], "costs": {}, "asked": 0}))
        assert "5-hour limit" in client.get("/usage").text
        path.write_text(json.dumps({"limits": [{**good, **limit}], "costs": {}, "asked": 0}))
        for page in ("/usage", "/"):
            answer = client.get(page)
            shown = (answer.status_code, "5-hour limit" in answer.text)
            assert shown == (200, False), (limit, page)
