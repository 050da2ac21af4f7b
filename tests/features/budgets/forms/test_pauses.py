"""The forms of a pause: decided on where its file is damaged, and with what is allowed by now."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from opcode_htmx.features.budgets import service
from opcode_htmx.runs.budgets import book as budget_book
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import Limits, Scope, Standing
from tests.features.budgets.forms.shown import shown
from tests.sessions.index.histories import ONE, Session
from tests.support.environment import Sandbox


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
    holds.mkdir(exist_ok=True)
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
    for unreadable in ("1,000", "1e9", "-1", "nan", "0.60 ", "100001"):
        refused = client.post(f"/budgets/held/{ONE}/go-on", data={"more": unreadable})
        assert (refused.status_code, "Reload the page" in refused.text) == (422, True), unreadable
    assert book.hold(ONE) and book.extra_today == 0.5
    assert client.post(f"/budgets/held/{ONE}/go-on", data={"more": "0.60"}).status_code == 303
    assert book.hold(ONE) is None
    assert book.extra_today == pytest.approx(1.1)


def test_what_a_button_offers_can_be_read_however_long_it_is(
    client: FlaskClient, sandbox: Sandbox, watered: str
) -> None:
    book = BudgetBook(sandbox.state)
    book.set_hold(ONE, "r1", Standing(Scope.RUN, 2.0, 54321.123456789), was_working=False)
    assert 'name="more" value="54321.123456789"' in client.get(watered).text
    assert service.shown_more("54321.123456789") == pytest.approx(54321.123456789)


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
