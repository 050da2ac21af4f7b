"""What is done stands below what runs, and one tap marks all of it as seen, on every device."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.home import service
from opcode_htmx.runs.budgets.book import HOLDS, BudgetBook
from opcode_htmx.runs.budgets.figures import Scope, Standing
from opcode_htmx.runs.model.record import STOPPED, TAKEN_BACK, Outcome, RunEnd, RunRecord
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.sessions.storage.past_times import PastTimes
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from tests.sessions.index.histories import ONE, Session
from tests.support.apps.clearing import clear
from tests.support.apps.in_process import client_of
from tests.support.environment import Sandbox, runs_of, until


@pytest.fixture(scope="module")
def shared_jobs() -> bool:
    return True


@pytest.fixture
def sandbox(shared_home: Sandbox) -> Sandbox:
    return shared_home


@pytest.fixture
def app(shared_app: Flask, sandbox: Sandbox) -> Iterator[Flask]:
    """The app of all tests, which begins without sessions, runs and what was read."""
    yield shared_app
    clear(shared_app, sandbox, "runs", "marks.json", HOLDS)


def begin(client: FlaskClient, sandbox: Sandbox, *steps: object) -> str:
    """The address of a session whose prompt is these steps."""
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    form = {"folder": str(sandbox.project), "prompt": json.dumps(steps), **ids}
    answer = client.post("/sessions", data=form)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].partition("#")[0]


def rows(page: str, heading: str) -> list[str]:
    """The addresses of the sessions below a heading, without their fragments."""
    part = re.search(rf">{heading}</h[12]>(.*?)(?=<h[12]|$)", page, re.DOTALL)
    found = re.findall(r'<a class="row" href="([^"#]*)', part[1]) if part else []
    return [each.partition("?")[0] for each in found]


def wait_for(client: FlaskClient, heading: str, number: int, address: str = "/") -> str:
    """The page once it has so many sessions below a heading."""
    pages: list[str] = []

    def found() -> bool:
        pages.append(client.get(address).text)
        return len(rows(pages[-1], heading)) == number

    until(found, f"{number} × {heading}", sleep=lambda: gevent.sleep(0.05))
    return pages[-1]


def tap(client: FlaskClient, page: str) -> str:
    """Send the form that marks all as seen, as a browser without scripts does; where it leads."""
    form = re.search(r'<form class="all-seen"[^>]* action="([^"]*)">(.*?)</form>', page, re.DOTALL)
    assert form
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[2]))
    assert "csrf_token" in fields
    answer = client.post(form[1], data=fields)
    assert answer.status_code == 303
    return str(answer.headers["Location"])


LISTS = ("/", "/runs")


def test_what_is_done_stands_below_what_runs_until_one_tap(
    app: Flask, client: FlaskClient, sandbox: Sandbox
) -> None:
    asking = begin(client, sandbox, ["ask", "r1"])
    working = begin(client, sandbox, ["wait", "/nonexistent/for-ever"])
    failed = begin(client, sandbox, ["exit", 3])
    done = [begin(client, sandbox, ["text", "Done."]) for _ in range(2)]
    for address in LISTS:
        wait_for(client, "Needs you", 2, address)
        page = wait_for(client, "Done", 2, address)
        assert re.findall(">(Needs you|Running|Done)</h", page) == ["Needs you", "Running", "Done"]
        assert sorted(rows(page, "Needs you")) == sorted([asking, failed])
        assert rows(page, "Running") == [working]
        assert sorted(rows(page, "Done")) == sorted(done)
        assert "2<span" in page and "sessions need you, 2 are done</span>" in page
    beside = client.get(done[0]).text  # which counts as seen by that
    assert 'class="needs" ' in beside and "other sessions need you, 1 is done</span>" in beside
    page = wait_for(client, "Done", 1, "/runs")
    assert tap(client, page) == "/runs"
    other = client_of(app)  # another device
    for each in LISTS:
        page = other.get(each).text
        assert ">Done</h" not in page and "All seen" not in page
        assert len(rows(page, "Needs you")) == 2, "a failure stays until it is opened"
        assert "sessions need you</span>" in page


def test_archived_sessions_that_are_over_are_in_no_list_and_badge(
    app: Flask, client: FlaskClient, sandbox: Sandbox
) -> None:
    """One that waits for an answer is."""
    asking = begin(client, sandbox, ["ask", "r1"])
    failed = begin(client, sandbox, ["exit", 3])
    done = begin(client, sandbox, ["text", "Done."])
    wait_for(client, "Needs you", 2)
    wait_for(client, "Done", 1)
    context: AppContext = app.extensions["opcode_context"]
    archived = [each.rpartition("/")[2] for each in (asking, failed, done)]
    context.sessions.flags.archive(archived)
    for address in LISTS:
        page = client.get(address).text
        assert (rows(page, "Needs you"), rows(page, "Done")) == ([asking], [])
        assert "1<span" in page and "session needs you</span>" in page
    context.sessions.flags.archive(archived, archived=False)
    assert rows(client.get("/").text, "Done") == [done]


def test_a_session_that_a_budget_has_paused_needs_you_until_that_is_decided(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    paused = begin(client, sandbox, ["exit", 3])
    failed = begin(client, sandbox, ["exit", 3])
    wait_for(client, "Needs you", 2)
    session_id = paused.rpartition("/")[2]
    (run,) = runs_of(sandbox.state, session_id)
    book = BudgetBook(sandbox.state)
    book.set_hold(session_id, run.name, Standing(Scope.RUN, 2.04, 2.0))
    positions = ReadPositions(sandbox.state / "marks.json")
    for each in (paused, failed):
        positions.look(each.rpartition("/")[2])
    assert [rows(client.get(each).text, "Needs you") for each in LISTS] == [[paused]] * 2
    assert client.post(f"/budgets/held/{session_id}/stop").status_code == 303
    assert [rows(client.get(each).text, "Needs you") for each in LISTS] == [[], []]


def test_what_ends_after_the_page_was_shown_is_not_marked(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    begin(client, sandbox, ["text", "Done."])
    shown = wait_for(client, "Done", 1)
    assert "badge-quiet" in shown and "session is done</span>" in shown
    later = begin(client, sandbox, ["text", "Done later."])
    wait_for(client, "Done", 2)
    assert tap(client, shown) == "/"
    assert rows(client.get("/").text, "Done") == [later]


@pytest.fixture
def most_rows(monkeypatch: pytest.MonkeyPatch) -> int:
    """Those of each part of the start page."""
    monkeypatch.setattr(service, "MOST_RUNS", 2)
    return service.MOST_RUNS


def test_sessions_that_need_a_person_and_have_no_row_are_counted_with_the_others(
    client: FlaskClient, sandbox: Sandbox, most_rows: int
) -> None:
    for number in range(most_rows + 2):
        begin(client, sandbox, ["ask", f"r{number}"])
    wait_for(client, "Needs you", most_rows + 2, "/runs")
    page = client.get("/").text
    assert len(rows(page, "Needs you")) == most_rows
    needing = page.partition('id="needs-you"')[2].partition('id="running"')[0]
    assert needing.count(">2 more<") == 1
    assert page.count(" more<") == 1


def test_the_tap_marks_also_those_that_have_no_row(
    client: FlaskClient, sandbox: Sandbox, most_rows: int
) -> None:
    for _ in range(most_rows + 1):
        begin(client, sandbox, ["text", "Done."])
    wait_for(client, "Done", most_rows + 1, "/runs")
    page = client.get("/").text
    assert len(rows(page, "Done")) == most_rows
    assert page.count(">1 more<") == 1
    tap(client, page)
    assert ">Done</h" not in client.get("/runs").text


def test_a_form_without_a_time_is_refused_with_a_sentence(client: FlaskClient) -> None:
    for data in ({}, {"until": "x"}, {"until": "9" * 30}):
        answer = client.post("/runs/seen", data=data)
        assert (answer.status_code, "Load the page again." in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("cause", "shown"),
    [("Ended by the command make end-runs.", True), (STOPPED, False), (TAKEN_BACK, False)],
)
def test_row_of_a_session_that_others_have_ended_says_so(
    app: Flask, client: FlaskClient, sandbox: Sandbox, cause: str, shown: bool
) -> None:
    """Its question has gone, and the person has seen nothing of that."""
    session = Session(sandbox.config_dir, ONE, str(sandbox.project))
    session.prompt("Water the trees")
    end = RunEnd(Outcome.CANCELLED, time.time() + 1, cause, 0, 0)
    project, config_dir = str(sandbox.project), str(sandbox.config_dir)
    folder, run_id = RunFolder.create(sandbox.state / "runs", ".new"), uuid.uuid4().hex
    folder.store(RunRecord(run_id, ONE, project, (), 0.0, 0, 1, 1.0, end, config_dir))
    folder.publish(run_id)
    context: AppContext = app.extensions["opcode_context"]
    until(context.runs.newest, "it is read", sleep=lambda: gevent.sleep(0.05))
    page = client.get("/").text
    assert rows(page, "Recent")
    assert (cause in page) == shown


@pytest.mark.parametrize(("words", "shown"), [("Water the  trees", ""), ("I did.", "I did.")])
def test_row_does_not_say_its_prompt_twice(tmp_path: Path, words: str, shown: str) -> None:
    session = Session(tmp_path)
    session.prompt("Water the trees")
    summary = sessions.summary_of(session.path)
    assert summary
    row = service._row(summary, {}, PastTimes(), {session.path: words})
    assert (row.title, row.words) == ("Water the trees", shown)
