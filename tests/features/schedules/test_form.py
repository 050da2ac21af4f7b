"""A form that is refused keeps what was typed; a budget that nobody means is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.support.environment import Sandbox, basic_header
from tests.support.in_process import app_of


@pytest.fixture
def client(sandbox: Sandbox, stand_in: Path) -> Iterator[FlaskClient]:
    with app_of(sandbox, stand_in, jobs=False) as app:
        client = app.test_client(use_cookies=False)
        client.environ_base["HTTP_AUTHORIZATION"] = basic_header()["Authorization"]
        yield client


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
