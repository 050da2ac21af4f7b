"""The forms of budgets: what was allowed more, two phones, and budgets that are used up."""

from __future__ import annotations

import html
import re
import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import Limits, Scope
from opcode_htmx.sessions.folder_labels import shortened
from tests.features.budgets.forms.shown import shown
from tests.sessions.index.histories import ONE
from tests.support.environment import Sandbox


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
