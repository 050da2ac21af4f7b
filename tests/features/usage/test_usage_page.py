"""Usage: the page, its export, the API, and what is left of the plan."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import expect

from opcode_htmx.engines.claude.engine import ClaudeCodec
from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.engines.messages import ControlResponse, SystemEvent
from opcode_htmx.engines.plan_limits import LimitWindow
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.usage.amounts import short, worked
from opcode_htmx.features.usage.chart import MOST_BARS, chart_of
from opcode_htmx.features.usage.limits import Limit, PlanLimits
from opcode_htmx.lib.identity import owner
from opcode_htmx.runs.events.types import TurnEnded, Usage
from opcode_htmx.sessions.index.indexer import Indexer
from opcode_htmx.sessions.index.usage.figures import DayCosts
from tests.sessions.index.histories import ONE, TWO, Session
from tests.sessions.index.spending import spend
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import USER, Sandbox, Server, until, write_stand_in
from tests.support.pages.browser import Phone
from tests.support.pages.page_checks import smaller_than_a_thumb, sticks_out, violations
from tests.support.populated import LONG_WORD

FORMULA = '=HYPERLINK("http://example.org")'
DOLLARS = 0.006
"""Of one answer of `spend`."""
HOUR = 3600.0


def write_history(sandbox: Sandbox) -> None:
    """Three answers in two projects, one of them of an unknown model, and one of a subagent."""
    shop = Session(sandbox.config_dir, ONE, str(sandbox.project))
    shop.prompt(FORMULA)
    spend(shop, "m1")
    spend(shop, "m2", model="claude-unheard-of")
    shop.write(json.dumps({"type": "cost-state", "totalCostUSD": 0.5}) + "\n")
    agent = shop.of_agent("done")
    message = {"id": "m3", "model": "claude-opus-5-5", "usage": {"input_tokens": 1_500}}
    line = {"type": "assistant", "cwd": shop.cwd, "timestamp": "2026-11-18T09:00:00.000Z"}
    with agent.open("a") as file:
        file.write(json.dumps({**line, "message": message}) + "\n")
    infra = Session(sandbox.config_dir, TWO, str(sandbox.home / "work" / "infra"))
    infra.prompt("Look at the network")
    spend(infra, "m4", at=86_400)


def write_index(sandbox: Sandbox) -> None:
    path = sandbox.state / "index" / "sessions.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    indexer = Indexer(path, sandbox.config_dir)
    for _ in indexer.look():
        pass
    indexer.close()


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path) -> Iterator[Flask]:
    """The app over an index of `write_history`, which no process keeps."""
    write_history(sandbox)
    write_index(sandbox)
    with app_of(sandbox, stand_in, OPCODE_SEARCH_INDEX="1", jobs=False) as app:
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return client_of(app)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """One for tests that change nothing."""
    sandbox = Sandbox(tmp_path_factory.mktemp("read") / "home").make()
    write_history(sandbox)
    write_index(sandbox)
    stand_in = write_stand_in(sandbox.home / "claude")
    with app_of(sandbox, stand_in, OPCODE_SEARCH_INDEX="1", jobs=False) as app:
        yield client_of(app)


def text_of(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^<>]*>", " ", answer.text.partition("<main")[2]).split())


def data(client: FlaskClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.get_json()["data"]


# The page


def test_page_shows_the_sums_and_says_what_is_unknown(reader: FlaskClient) -> None:
    page = text_of(reader, "/usage?range=all")
    for part in (
        "$0.02 + unknown",
        "1 answer came from claude-unheard-of , whose price is not known. It is not in the cost.",
        "claude-unheard-of unknown",
        "Subagents $0.01",
        "What Claude Code says Claude Code, in 1 session $0.50",
        "Days begin at midnight of the server",
    ):
        assert part in page, page
    assert "$0.00" not in page


def test_page_lists_few_of_many_models_and_leads_to_more(
    sandbox: Sandbox, client: FlaskClient
) -> None:
    session = Session(
        sandbox.config_dir, "33333333-3333-4333-8333-333333333333", str(sandbox.project)
    )
    for number in range(40):
        spend(session, f"many{number}", model=f"made-up-{number}")
    write_index(sandbox)
    whole = client.get("/usage?range=all").text
    assert whole.count("made-up-") < 40
    assert "and others, whose price" in " ".join(re.sub(r"<[^<>]*>", "", whole).split())
    assert "all=models#models" in whole
    more = text_of(client, "/usage?range=all&all=models")
    assert all(f"made-up-{number} " in more for number in range(40))


@pytest.mark.parametrize(
    ("query", "answers"),
    [
        ("range=all", 4),
        ("since=2026-11-19", 1),
        ("until=2026-11-18&since=2026-11-18", 3),
        (f"session=-home-me/{ONE}", 0),
        ("model=claude-opus-5-5&range=all", 3),
        ("range=7", 0),
    ],
)
def test_page_is_limited_to_what_its_address_says(
    reader: FlaskClient, query: str, answers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opcode_htmx.features.usage.query.today", lambda: 30_000)
    page = text_of(reader, f"/usage?{query}")
    found = re.findall(r"(\d+) answers? ·", page.partition("Models")[2].partition("Sessions")[0])
    assert sum(map(int, found)) == answers
    assert ("Nothing was used" in page) == (not answers)


@pytest.mark.parametrize(
    "query", ["range=9", "since=yesterday", "since=2026-12-01&until=2026-11-01", "session=x"]
)
def test_address_that_means_nothing_is_refused_with_a_sentence(
    reader: FlaskClient, query: str
) -> None:
    assert reader.get(f"/usage?{query}").status_code == 422


def test_page_says_that_the_index_is_off_or_in_the_making(sandbox: Sandbox, stand_in: Path) -> None:
    with app_of(sandbox, stand_in) as app:
        assert "OPCODE_SEARCH_INDEX=1" in text_of(client_of(app), "/usage")
        stats = data(client_of(app), "/api/usage")
        assert (stats["progress"], stats["total_sessions"]) == (0, 0)
    with app_of(sandbox, stand_in, OPCODE_SEARCH_INDEX="1", jobs=False) as app:
        client = client_of(app)
        assert "being read for the first time" in text_of(client, "/usage")
        assert client.get("/usage/export.csv").text.count("\n") == 1
        assert data(client, "/api/usage/sessions") == []
        write_history(sandbox)
        write_index(sandbox)
        assert data(client, "/api/usage")["progress"] == 1
        assert "of your sessions are read" not in text_of(client, "/usage?range=all")
        set_progress(sandbox, 100, 40)
        assert "40 % of your sessions are read" in text_of(client, "/usage?range=all")


def set_progress(sandbox: Sandbox, total: int, done: int) -> None:
    with closing(sqlite3.connect(sandbox.state / "index" / "sessions.sqlite")) as database:
        database.execute("UPDATE progress SET bytes = ?, bytes_read = ?", (total, done))
        database.commit()


def test_session_and_project_lead_to_their_usage(client: FlaskClient, sandbox: Sandbox) -> None:
    project = f"/projects/{project_id(sandbox.project)}"
    page = client.get(f"{project}/sessions/{ONE}").text
    link = re.search(r'href="(/usage\?session=[^"]+)"', page)
    assert link
    usage = text_of(client, link[1])
    assert "Claude Code $0.50 This page, of the same $0.01 Difference $0.49" in usage
    assert "/usage?project=" in client.get(project).text


# Export


def test_export_has_all_groups_and_no_formula(reader: FlaskClient) -> None:
    answer = reader.get("/usage/export.csv?range=all&by=session")
    assert answer.mimetype == "text/csv"
    assert 'filename="usage-by-session.csv"' in answer.headers["Content-Disposition"]
    rows = {row["session"]: row for row in csv.DictReader(answer.text.splitlines())}
    assert set(rows) == {ONE, TWO}
    assert rows[ONE]["title"] == f"'{FORMULA}"
    assert rows[ONE]["cost_usd"] == "0.012"
    assert rows[ONE]["cost_by_claude_code_usd"] == "0.5"
    models = reader.get("/api/usage/export?by=model").text.splitlines()
    (unknown,) = [row for row in csv.DictReader(models) if row["model"] == "claude-unheard-of"]
    assert (unknown["cost_usd"], unknown["answers_of_unknown_cost"]) == ("", "1")


# The API


def test_stats_have_the_fields_of_the_references_client(reader: FlaskClient) -> None:
    found = data(reader, "/api/usage")
    assert found["total_cost"] == pytest.approx(3 * DOLLARS)
    assert (found["total_sessions"], found["total_input_tokens"]) == (2, 4_500)
    models = {each["model"]: each["total_cost"] for each in found["by_model"]}
    assert models == {"claude-opus-5-5": pytest.approx(3 * DOLLARS), "claude-unheard-of": None}
    assert [each["date"] for each in found["by_date"]] == sorted(
        (each["date"] for each in found["by_date"]), reverse=True
    )
    assert {each["project_name"] for each in found["by_project"]} >= {"infra"}
    last_day = found["by_date"][0]["date"]
    by_range = data(reader, f"/api/usage/range?startDate={last_day}&endDate={last_day}")
    assert by_range["total_cost"] == pytest.approx(DOLLARS)


def test_sessions_and_details_are_listed(reader: FlaskClient) -> None:
    found = data(reader, "/api/usage/sessions?order=asc")
    assert [each["session_id"] for each in found] == [ONE, TWO]
    assert [each["cost_by_claude_code"] for each in found] == [0.5, None]
    entries = data(reader, "/api/usage/details")
    assert sorted((each["agent"], each["cost"] is None) for each in entries) == [
        ("", False),
        ("", False),
        ("", True),
        ("agent", False),
    ]
    desktop = ("timestamp", "model", "input_tokens", "output_tokens", "cache_creation_tokens")
    assert all(
        {*desktop, "cache_read_tokens", "cost", "session_id", "project_path"} <= each.keys()
        for each in entries
    )
    stats = data(reader, "/api/usage")
    assert sum(each["cost"] or 0.0 for each in entries) == pytest.approx(stats["total_cost"])
    assert sum(each["input_tokens"] for each in entries) == stats["total_input_tokens"]
    assert len(data(reader, "/api/usage/details?limit=1")) == 1
    assert reader.get("/api/usage/sessions?since=soon").status_code == 422


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


# Amounts and charts


def test_amounts_are_short() -> None:
    assert [short(each) for each in (0, 999, 12_345, 4_560_000, 123_000_000)] == [
        *("0", "999", "12.3k", "4.56M", "123M"),
    ]
    assert [worked(each) for each in (5, 720, 12_000, 432_000)] == [
        *("5 s", "12 min", "3 h 20 min", "120 h"),
    ]


@pytest.mark.parametrize(("span", "size"), [(1, 1), (62, 1), (63, 7), (434, 7), (3_000, 56)])
def test_chart_has_few_bars_and_all_of_the_cost(span: int, size: int) -> None:
    days = {20_000 + number: DayCosts(3, 1, 10) for number in range(span)}
    chart = chart_of(days, None, None)
    assert chart
    assert chart.days_of_bar == size
    assert len(chart.bars) <= MOST_BARS
    assert sum(each.amount for each in chart.bars) == 3 * span
    assert all(0 <= each.top <= 100 and each.agents + each.main <= 100.1 for each in chart.bars)


# In a browser


@pytest.mark.browser
@pytest.mark.timeout(180)
def test_page_fits_small_screens_in_both_themes_and_needs_no_script(
    browser: Any, tmp_path_factory: pytest.TempPathFactory, integration: None
) -> None:
    sandbox = Sandbox(tmp_path_factory.mktemp("usage") / "home").make()
    write_history(sandbox)
    three = "33333333-3333-4333-8333-333333333333"
    long = Session(sandbox.config_dir, three, str(sandbox.home / "work" / LONG_WORD[:200]))
    long.prompt(LONG_WORD)
    spend(long, "m5", model=f"claude-{LONG_WORD[:150]}")
    claude = write_stand_in(tmp_path_factory.mktemp("bin") / "claude")
    server = Server(sandbox, claude, "http://127.0.0.1:9", OPCODE_SEARCH_INDEX="1").start()
    phone = Phone(browser, server, java_script_enabled=True)
    without = Phone(browser, server, java_script_enabled=False)
    try:
        until(lambda: "Cost by" in server.get("/usage?range=all").text, "it is counted")
        limits = PlanLimits(sandbox.state / "usage.json")
        window = LimitWindow("five_hour", 0.9, time.time() + 2 * HOUR)
        limits.report([window], at=time.time())
        page = phone.page
        for path in ("/usage?range=all", "/"):
            page.emulate_media(color_scheme="light")
            page.goto(server.url + path)
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            for width in (390, 360, 320):
                page.set_viewport_size({"width": width, "height": 700})
                assert not sticks_out(page), (width, path)
                assert not smaller_than_a_thumb(page), (width, path)
            assert not violations(page), path
            page.emulate_media(color_scheme="dark")
            assert not violations(page, "color-contrast"), path
        plain = without.page
        plain.goto(f"{server.url}/usage?range=all")
        expect(plain.get_by_role("img", name=re.compile("^Cost by"))).to_be_visible()
        plain.get_by_role("link", name="claude-opus-5-5").click()
        expect(plain.get_by_role("link", name="Remove the model")).to_be_visible()
    finally:
        phone.close()
        without.close()
        server.close()


@pytest.mark.parametrize(
    "limit",
    [
        {"used": "x"},
        {"used": float("nan")},
        {"resets_at": 1e300},
        {"at": float("inf")},
        {"kind": None},
    ],
)
def test_damaged_limits_are_left_out(
    client: FlaskClient, sandbox: Sandbox, limit: dict[str, Any]
) -> None:
    good = {"kind": "five_hour", "used": 0.5, "resets_at": time.time() + HOUR, "at": time.time()}
    path = sandbox.state / "usage.json"
    path.write_text(json.dumps({"limits": [good], "costs": {}, "asked": 0}))
    assert "5-hour limit" in client.get("/usage").text
    path.write_text(json.dumps({"limits": [{**good, **limit}], "costs": {}, "asked": 0}))
    for page in ("/usage", "/"):
        answer = client.get(page)
        assert (answer.status_code, "5-hour limit" in answer.text) == (200, False)
