"""A form that is refused keeps what was typed; a budget that nobody means is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox
from tests.support.pages import dom

CRON = {"kind": "cron", "cron": "0 7 * * *", "zone": "UTC"}


@pytest.fixture
def client(sandbox: Sandbox, stand_in: Path) -> Iterator[FlaskClient]:
    with app_of(sandbox, stand_in, jobs=False) as app:
        yield client_of(app)


def test_what_is_wrong_in_the_form_leaves_the_words(client: FlaskClient, sandbox: Sandbox) -> None:
    typed = {
        "prompt": "Water the trees",
        "folder": str(sandbox.project),
        "kind": "cron",
        "cron": "0 7 * * *",
        "zone": "UTC",
    }
    for wrong, sentence in (
        ({"agent": "gardener"}, "The number of an agent is a whole number."),
        ({"agent": "7"}, "This agent is not there any more."),
        ({"budget": "0.009"}, "A budget is from $0.01 to $10,000."),
    ):
        answer = client.post("/schedules", data={**typed, **wrong})
        assert answer.status_code == 422
        assert sentence in answer.text
        assert "Water the trees</textarea>" in answer.text
    assert client.post("/schedules", data={**typed, "budget": "0.01"}).status_code == 303
    body = {
        "prompt": "Water the trees",
        "project_path": str(sandbox.project),
        "timing": {"kind": "cron", "cron": "0 7 * * *"},
        "budget_usd": 0.001,
    }
    assert client.post("/api/schedules", json=body).status_code == 422


def test_a_schedule_is_paused_started_and_deleted_by_the_buttons_of_its_page(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    form = {"prompt": "Look at the open issues", "folder": str(sandbox.project), **CRON}
    one = client.post("/schedules", data=form).headers["Location"]

    def press(words: str) -> str:
        """The page to which the form of a button leads, with its notice."""
        address, fields = dom.form_of(client.get(one).text, words)
        answer = client.post(address, data=fields)
        assert answer.status_code == 303
        notice = {"Cookie": (answer.headers.get("Set-Cookie") or "").partition(";")[0]}
        return client.get(answer.headers["Location"], headers=notice).text

    assert "Paused: nothing is started" in press("Pause")
    assert "Paused: nothing is started" not in press("Go on")
    assert "It starts within a second." in press("Run now")
    assert "Deleted “Look at the open issues”." in press("Delete")
    assert client.get(one).status_code == 404


@pytest.mark.parametrize(
    ("days", "clock", "expression"),
    [
        (["mon", "tue", "wed", "thu", "fri"], "07:00", "0 7 * * MON-FRI"),
        (["sun"], "18:05", "5 18 * * SUN"),
        (["mon", "wed"], "00:30", "30 0 * * MON,WED"),
        (["sat", "sun", "mon", "tue", "wed"], "09:00", "0 9 * * MON,TUE,WED,SAT,SUN"),
        (["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "23:59", "59 23 * * *"),
    ],
)
def test_days_of_the_week_need_no_cron_expression(
    client: FlaskClient, sandbox: Sandbox, days: list[str], clock: str, expression: str
) -> None:
    typed = {
        "prompt": "Water the trees",
        "folder": str(sandbox.project),
        "zone": "Europe/Berlin",
        "kind": "days",
        "clock": clock,
        **{f"day_{each}": "on" for each in days},
    }
    one = client.post("/schedules", data=typed).headers["Location"]
    (found,) = client.get("/api/schedules").get_json()["data"]
    assert (found["timing"]["kind"], found["timing"]["cron"]) == ("cron", expression)
    page = client.get(f"{one}/edit").text
    assert 'value="days" id="kind-days" checked' in page
    assert f'name="clock" value="{clock}"' in page
    checked = re.findall(r'name="day_(\w+)" value="on" checked', page)
    assert sorted(checked) == sorted(days)


def test_an_expression_beyond_days_stays_one(client: FlaskClient, sandbox: Sandbox) -> None:
    for expression in (
        "0 7 1 * *",
        "*/5 7 * * MON",
        "0 7 * * MON#1",
        "0 7 * * 1",
    ):
        form = {"prompt": "Water", "folder": str(sandbox.project), "zone": "UTC"}
        answer = client.post("/schedules", data={**form, "kind": "cron", "cron": expression})
        assert answer.status_code == 303, answer.text
        page = client.get(f"{answer.headers['Location']}/edit").text
        assert 'value="cron" id="kind-cron" checked' in page
        assert f'name="cron" value="{expression}"' in page


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"clock": "07:00"}, "Choose at least one day."),
        ({"day_mon": "on", "clock": "25:00"}, "Choose the time of day."),
        ({"day_mon": "on", "clock": "٠٧:٠٠"}, "Choose the time of day."),
        ({"day_mon": "on"}, "Choose the time of day."),
    ],
)
def test_days_without_a_day_or_a_time_are_refused(
    client: FlaskClient, sandbox: Sandbox, fields: dict[str, str], sentence: str
) -> None:
    form = {"prompt": "Water", "folder": str(sandbox.project), "zone": "UTC", "kind": "days"}
    answer = client.post("/schedules", data={**form, **fields})
    assert (answer.status_code, sentence in answer.text) == (422, True)
    assert 'value="days" id="kind-days" checked' in answer.text


def test_a_damaged_schedule_is_named_on_the_page(client: FlaskClient, sandbox: Sandbox) -> None:
    folder = sandbox.state / "schedules"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{'7' * 32}.json").write_text('{"id": 7}')
    page = client.get("/schedules").text
    assert "1 schedule cannot be read and will not start." in page
    assert f"{'7' * 32}.json" in page
    assert client.get("/api/schedules").get_json()["data"] == []
    assert client.get(f"/schedules/{'7' * 32}").status_code == 404


def test_a_budget_is_shown_as_it_was_typed(client: FlaskClient, sandbox: Sandbox) -> None:
    typed = {"prompt": "Water", "folder": str(sandbox.project), "zone": "UTC", "kind": "cron"}
    for budget, shown in (("2.50", "$2.50"), ("5", "$5.00"), ("0.125", "$0.125")):
        form = {**typed, "cron": "0 7 * * *", "budget": budget}
        one = client.post("/schedules", data=form).headers["Location"]
        assert shown in client.get(one).text
        assert f'name="budget" value="{budget}"' in client.get(f"{one}/edit").text
