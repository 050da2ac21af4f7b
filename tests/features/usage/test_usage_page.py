"""Usage: the page, its export, its chart, and the API."""

from __future__ import annotations

import csv
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.engines.plan_limits import LimitWindow
from opcode_htmx.features.usage.amounts import short, worked
from opcode_htmx.features.usage.chart import MOST_BARS, chart_of
from opcode_htmx.features.usage.limits import PlanLimits
from opcode_htmx.sessions.index.usage.figures import DayCosts
from tests.features.usage.history import FORMULA, HOUR, data, text_of, write_history, write_index
from tests.sessions.index.histories import ONE, TWO, Session
from tests.sessions.index.spending import spend
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox, until, write_stand_in
from tests.support.pages.browser import Phone
from tests.support.pages.page_checks import smaller_than_a_thumb, sticks_out, violations
from tests.support.populated import LONG_WORD
from tests.support.server import Server

DOLLARS = 0.006
"""Of one answer of `spend`."""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """One for tests that change nothing."""
    sandbox = Sandbox(tmp_path_factory.mktemp("read") / "home").make()
    write_history(sandbox)
    write_index(sandbox)
    stand_in = write_stand_in(sandbox.home / "claude")
    with app_of(sandbox, stand_in, OPCODE_SEARCH_INDEX="1", jobs=False) as app:
        yield client_of(app)


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
    html = reader.get("/usage?range=all").text
    assert 'aria-label="Cost by' in html, "the chart needs no script"
    model = re.search(r'href="(/usage\?[^"]*model=claude-opus-5-5[^"]*)"', html)
    assert model
    assert "Remove the model" in reader.get(model[1].replace("&amp;", "&")).text


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
def test_page_fits_small_screens_in_both_themes(
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
    phone = Phone(browser, server)
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
            page.set_viewport_size({"width": 320, "height": 700})
            assert not sticks_out(page), path
            assert not smaller_than_a_thumb(page), path
            if path != "/":  # at which tests/app/pages looks, without the limits
                assert not violations(page), path
            page.emulate_media(color_scheme="dark")
            assert not violations(page, "color-contrast"), path
    finally:
        phone.close()
        server.close()
