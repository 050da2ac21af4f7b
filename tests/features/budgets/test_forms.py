"""The forms of budgets where files are damaged, and where two phones use them."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from opcode_htmx.runs.budgets import book as budget_book
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import Limits, Scope, Standing
from opcode_htmx.sessions.folder_labels import shortened
from tests.sessions.index.histories import ONE, Session
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox


@pytest.fixture
def app(sandbox: Sandbox, stand_in: Path) -> Iterator[Flask]:
    with app_of(sandbox, stand_in) as app:
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return client_of(app)


def test_the_page_says_that_the_limits_cannot_be_read_and_sets_them_again(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    (sandbox.state / budget_book.LIMITS).write_text('{"day": NaN}')
    assert "The budgets cannot be read" in client.get("/budgets").text
    assert client.post("/budgets", data={"run": "12345.67", "day": "2.50"}).status_code == 303
    page = client.get("/budgets").text
    assert "cannot be read" not in page
    assert 'value="12345.67"' in page
    assert 'value="2.50"' in page


def test_a_session_whose_pause_cannot_be_read_asks_and_goes_on(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    session = Session(sandbox.config_dir, ONE, str(sandbox.project))
    session.prompt("Water the trees")
    session.answer("Watered.")
    holds = sandbox.state / budget_book.HOLDS
    holds.mkdir()
    (holds / f"{ONE}.json").write_text('{"scope": "day", "spent": NaN}')
    address = f"/projects/{session.path.parent.name}/sessions/{ONE}"
    page = client.get(address).text
    assert "Paused by a budget. Which one is not known any more: its file is damaged." in page
    assert f'formaction="/budgets/held/{ONE}/go-on"' in page
    assert "$0.00" not in page
    assert client.post(f"/budgets/held/{ONE}/go-on").status_code == 303
    assert "Paused by a budget" not in client.get(address).text


def test_a_session_is_free_once_its_budget_is_cleared(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    session = Session(sandbox.config_dir, ONE, str(sandbox.project))
    session.prompt("Water the trees")
    session.answer("Watered.")
    book = BudgetBook(sandbox.state)
    book.set_limits(Limits(day=0.1))
    book.spending.record("r1", ONE, sandbox.project, 0.5, before=0.0)
    (standing,) = book.standings("r1", sandbox.project)
    book.set_hold(ONE, "r1", standing)
    address = f"/projects/{session.path.parent.name}/sessions/{ONE}"
    assert "Paused by a budget" in client.get(address).text
    assert client.post("/budgets", data={"day": ""}).status_code == 303
    assert "Paused by a budget" not in client.get(address).text
    book.check(ONE, sandbox.project)


@pytest.fixture
def watered(sandbox: Sandbox) -> str:
    """The address of a session that is not running."""
    session = Session(sandbox.config_dir, ONE, str(sandbox.project))
    session.prompt("Water the trees")
    session.answer("Watered.")
    return f"/projects/{session.path.parent.name}/sessions/{ONE}"


@pytest.mark.parametrize("scope", [Scope.DAY, Scope.PROJECT])
def test_where_a_budget_of_the_day_is_used_up_the_page_says_that_no_prompt_is_sent(
    client: FlaskClient, sandbox: Sandbox, watered: str, scope: Scope
) -> None:
    book = BudgetBook(sandbox.state)
    book.set_limits(Limits(**{scope: 0.5}))
    assert "Ask to continue." in client.get(watered).text
    book.spending.record("r1", ONE, sandbox.project, 0.6, before=0.0)
    page = client.get(watered).text
    assert "Not running. Nothing is sent: budget used up" in page
    link = (
        f'<a class="button button-primary" href="/budgets#b-{scope}">Allow more under Budgets</a>'
    )
    assert link in page
    assert f'id="b-{scope}"' in client.get("/budgets").text
    form = {"prompt": "and now?", "prompt_id": "11111111-1111-4111-8111-111111111111"}
    for headers in ({}, {"HX-Request": "true"}):
        refused = client.post(f"{watered}/prompt", data=form, headers=headers)
        assert refused.status_code == 409
        link = f'<a href="/budgets#b-{scope}">Allow more under Budgets</a>, or wait for tomorrow.'
        assert f"is used up. {link}" in refused.text
    book.add(scope, sandbox.project, 0.3)
    page = client.get(watered).text
    assert ("Ask to continue." in page, "budget used up" in page) == (True, False)


def test_a_pause_shows_what_is_spent_and_allowed_by_now(
    client: FlaskClient, sandbox: Sandbox, watered: str
) -> None:
    book = BudgetBook(sandbox.state)
    book.set_limits(Limits(day=0.5))
    book.spending.record("r1", ONE, sandbox.project, 0.6, before=0.0)
    book.set_hold(ONE, "r1", Standing(Scope.DAY, 0.6, 0.5))

    def card() -> str:
        html = client.get(watered).text.partition('aria-label="Paused by a budget">')[2]
        return html.partition("</section>")[0]

    assert "Paused: the $0.50 for the day is used up.</b> $0.60 so far." in card()
    assert 'name="more" value="0.35"' in card() and ">Go on with $0.35 more<" in card()
    assert 'href="/budgets#b-day">Budgets<' in card()
    book.spending.record("r1", ONE, sandbox.project, 0.7, before=0.0)  # a late cost
    assert "is used up.</b> $0.70 so far." in card()
    assert ">Go on with $0.45 more<" in card()
    book.add(Scope.DAY, sandbox.project, 0.1)  # for another session
    assert "the $0.60 for the day is used up.</b> $0.70 so far." in card()
    book.add(Scope.DAY, sandbox.project, 0.4)
    assert "the $0.50 for the day was used up.</b> Now it is $0.70 of $1.00." in card()
    assert ">Go on<" in card()
    # what was on the button counts, and is refused where it is too little by now
    book.spending.record("r2", "another", sandbox.project, 0.4, before=0.0)
    refused = client.post(f"/budgets/held/{ONE}/go-on", data={"more": "0"})
    assert (refused.status_code, "Allow more under Budgets</a>" in refused.text) == (409, True)
    assert book.hold(ONE) and book.extra_today == 0.5
    assert ">Go on with $0.60 more<" in card()
    assert client.post(f"/budgets/held/{ONE}/go-on", data={"more": "0.60"}).status_code == 303
    assert book.hold(ONE) is None
    assert book.extra_today == pytest.approx(1.1)


@pytest.mark.parametrize("day", ["", "0.60"])
def test_what_was_allowed_more_today_is_shown_and_ends_with_its_budget(
    client: FlaskClient, sandbox: Sandbox, day: str
) -> None:
    book = BudgetBook(sandbox.state)
    book.set_limits(Limits(day=0.5))
    book.add(Scope.DAY, sandbox.project, 0.56)
    assert "You allowed $0.56 more for today" in client.get("/budgets").text
    # another budget is set: that of the day stays
    assert client.post("/budgets", data={"day": "0.50", "run": "1"}).status_code == 303
    assert "You allowed $0.56 more for today" in client.get("/budgets").text
    assert client.post("/budgets", data={"day": day, "run": "1"}).status_code == 303
    assert "more for today" not in client.get("/budgets").text
    assert client.post("/budgets", data={"day": "0.10", "run": "1"}).status_code == 303
    standing = book.standing_of_day()
    assert standing and standing.limit == 0.1


def test_what_was_allowed_more_today_in_projects_is_on_the_page_and_in_the_api(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    book = BudgetBook(sandbox.state)
    orchard, meadow = sandbox.home / "orchard", sandbox.home / "mead\udcffow"
    book.set_limits(Limits(day=5.0, project=0.5))
    book.add(Scope.DAY, orchard, 2.0)
    book.add(Scope.PROJECT, orchard, 0.25)
    book.spending.record("r1", ONE, orchard, 0.6, before=0.0)
    book.spending.record("r2", "another", meadow, 0.7, before=0.0)
    page = re.sub(r"<[^>]+>", "", client.get("/budgets").text)
    assert f"You allowed more for today in {shortened(orchard)} ($0.25); another budget" in page
    found = client.get("/api/budgets").get_json()["data"]
    assert found["extra_today"] == 2.0
    assert [(each["spent_today"], each["extra_today"]) for each in found["projects"]] == [
        (0.7, 0.0),
        (0.6, 0.25),
    ]
    assert found["projects"][1]["path"] == str(orchard)
    for number in range(7):
        book.add(Scope.PROJECT, sandbox.home / f"p{number}", 0.1)
    assert "and 3 more; another budget here ends that." in client.get("/budgets").text
    answer = client.put("/api/budgets", json={"day": 5, "project": 1}).get_json()["data"]
    assert (answer["extra_today"], {each["extra_today"] for each in answer["projects"]}) == (2, {0})
    assert "You allowed more" not in client.get("/budgets").text


def test_a_project_has_no_more_once_its_budget_changes(tmp_path: Path) -> None:
    book = BudgetBook(tmp_path)
    book.set_limits(Limits(day=5.0, project=1.0))
    book.add(Scope.PROJECT, tmp_path, 0.5)
    book.add(Scope.DAY, tmp_path, 2.0)
    book.set_limits(Limits(day=5.0, project=2.0))
    assert [each.limit for each in book.standings("r1", tmp_path)] == [2.0, 7.0]


def test_two_phones_do_not_undo_each_others_budgets(client: FlaskClient) -> None:
    form = client.get("/budgets").text
    seen = form.partition('name="seen" value="')[2].partition('"')[0]
    assert client.post("/budgets", data={"seen": seen, "day": "5"}).status_code == 303
    second = client.post("/budgets", data={"seen": seen, "run": "1"})
    assert second.status_code == 409
    assert "one run: no limit, a day: 5, a day in one project: no limit" in second.text
    assert 'name="run" value="1"' in second.text
    assert client.get("/api/budgets").get_json()["data"]["day"] == 5
    again = second.text.partition('name="seen" value="')[2].partition('"')[0]
    assert client.post("/budgets", data={"seen": again, "run": "1"}).status_code == 303
    found = client.get("/api/budgets").get_json()["data"]
    assert (found["run"], found["day"]) == (1, None)


def page_after(client: FlaskClient, **budgets: str) -> str:
    """The page that is shown once these are saved, in one line."""
    answer = client.post("/budgets", data=budgets)
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    page = client.get("/budgets", headers={"Cookie": cookie}).text
    return html.unescape(re.sub(r"<[^>]+>", "", page))


UNTIL = f"and takes no prompt until midnight ({time.strftime('%Z')}), unless you allow more."


def test_a_budget_of_a_day_that_is_used_up_already_is_saved_and_the_page_says_what_follows(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    book = BudgetBook(sandbox.state)
    book.spending.record("r1", ONE, sandbox.project, 1.26, before=0.0)
    said = f"Saved. Today has cost $1.26 already: Claude pauses at once in every project {UNTIL}"
    for day, is_said in (("1", True), ("2", False), ("", False)):
        page = page_after(client, day=day)
        assert ("Saved." in page, said in page) == (True, is_said), day
    book.set_limits(Limits(day=1.0))
    book.add(Scope.DAY, sandbox.project, 1)
    assert UNTIL not in page_after(client, day="1"), "more is allowed for today"
    assert said in page_after(client, day="0.25")


def test_a_budget_of_projects_that_is_used_up_already_names_those_that_stop_and_until_when(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    book = BudgetBook(sandbox.state)
    orchard, meadow = sandbox.home / "orchard", sandbox.home / "meadow"
    for number, (project, cost) in enumerate(((orchard, 1.26), (meadow, 0.5), (orchard, 1))):
        book.spending.record(f"r{number}", f"s{number}", project, cost, before=0.0)
    trees, grass = shortened(orchard), shortened(meadow)
    said = f"Used up for today already: {trees} ($2.26). Claude pauses there at once {UNTIL}"
    assert f"Saved. {said}" in page_after(client, project="2")
    assert UNTIL not in page_after(client, project="3"), "none is used up"
    assert UNTIL not in page_after(client)
    both = page_after(client, project="0.50")
    assert f"already: {trees} ($2.26), {grass} ($0.50). Claude pauses there at once" in both
    book.set_limits(Limits(project=2.0))
    book.add(Scope.PROJECT, orchard, 1)
    assert UNTIL not in page_after(client, project="2"), "more is allowed there for today"
    assert "used up" not in client.get("/budgets").text.lower(), "it is said once"


def test_a_budget_that_is_none_is_refused_with_what_was_typed(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    for form in ({"run": "-1"}, {"day": "a"}, {"project": "1e9"}, {"run": "0"}):
        answer = client.post("/budgets", data=form)
        assert (answer.status_code, "Write a budget in dollars" in answer.text) == (422, True), form
        (typed,) = form.values()
        assert f'value="{typed}"' in answer.text
    assert client.post("/budgets", data={"run": "$2,50"}).status_code == 303
    assert BudgetBook(sandbox.state).limits == Limits(run=2.5)


def shown(page: str) -> str:
    """Its text, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_a_pause_that_another_budget_keeps_names_both_and_leads_to_where_more_is_allowed(
    client: FlaskClient, sandbox: Sandbox, watered: str
) -> None:
    book = BudgetBook(sandbox.state)
    book.set_limits(Limits(day=0.3, project=0.2))
    book.spending.record("r1", ONE, sandbox.project, 1.74, before=0.0)
    book.spending.record("r2", "another", sandbox.home / "meadow", 0.57, before=0.0)
    book.set_hold(ONE, "r1", Standing(Scope.PROJECT, 1.74, 0.2))

    def card() -> str:
        return client.get(watered).text.partition('id="later"')[2].partition("</section>")[0]

    own = "the $0.20 for the day in this project is used up. $1.74 so far."
    assert f"Paused: {own} The $0.30 for the day is used up, too. $2.31 so far." in shown(card())
    assert "Go on" not in shown(card()), "it would be refused"
    assert 'href="/budgets#b-day">Allow more under Budgets<' in card()
    book.add(Scope.DAY, sandbox.project, 3)
    assert (f"Paused: {own}" in shown(card()), "too." in card()) == (True, False)
    assert ">Go on with $1.64 more<" in card()
    book.add(Scope.DAY, sandbox.project, -3)
    book.release(ONE)
    both = f"{own[0].upper()}{own[1:]} The $0.30 for the day is used up, too. $2.31 so far."
    assert f"{both} A prompt is not sent until you allow more, or until tomorrow." in shown(card())
    form = {"prompt": "and now?", "prompt_id": "11111111-1111-4111-8111-111111111111"}
    refused = client.post(f"{watered}/prompt", data=form)
    assert "The $0.30 for the day is used up, too. Allow more" in shown(refused.text)


def test_the_page_says_how_each_budget_of_a_day_stands(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    book = BudgetBook(sandbox.state)
    orchard, meadow = sandbox.home / "orchard", sandbox.home / "meadow"
    for number, (project, cost) in enumerate(((orchard, 1.26), (meadow, 0.5))):
        book.spending.record(f"r{number}", f"s{number}", project, cost, before=0.0)
    assert "Today so far: $1.76." in shown(client.get("/budgets").text)
    book.set_limits(Limits(day=2, project=0.5))
    book.add(Scope.PROJECT, orchard, 1)
    trees, grass = shortened(orchard), shortened(meadow)
    page = shown(client.get("/budgets").text)
    assert "Today so far: $1.76 of $2.00 A day in one project" in page, "not used up"
    assert f"{grass} : $0.50 of $0.50 – used up {trees} : $1.26 of $1.50" in page
    book.set_limits(Limits(day=1.5))
    page = shown(client.get("/budgets").text)
    assert ("Today so far: $1.76 of $1.50 – used up" in page, trees in page) == (True, False)
    book.set_limits(Limits(project=0.1))
    for number in range(7):
        book.spending.record(
            f"p{number}", f"p{number}", sandbox.home / f"p{number}", 0.05, before=0
        )
    assert "And 4 more." in client.get("/budgets").text
