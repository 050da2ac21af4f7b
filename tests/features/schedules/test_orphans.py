"""Schedules whose session or folder is gone say so; two phones do not undo each other's changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.sessions.index.histories import ONE, Session
from tests.support.apps.in_process import app_of, client_of
from tests.support.environment import Sandbox

CRON = {"kind": "cron", "cron": "0 7 * * *", "zone": "UTC"}


@pytest.fixture
def client(sandbox: Sandbox, stand_in: Path) -> Iterator[FlaskClient]:
    with app_of(sandbox, stand_in, jobs=False) as app:
        yield client_of(app)


def revision_of(page: str) -> str:
    found = re.search(r'name="revision" value="([0-9a-f]+)"', page)
    assert found
    return found[1]


def test_a_schedule_whose_session_was_deleted_says_so_and_can_be_deleted(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    session = Session(sandbox.config_dir, ONE, str(sandbox.project))
    session.prompt("Water the trees")
    body = {"prompt": "Go on", "session_id": ONE, "timing": {"kind": "cron", "cron": "0 7 * * *"}}
    made = client.post("/api/schedules", json=body).get_json()["data"]
    one, gone = f"/schedules/{made['id']}", "Its session was deleted, so nothing is sent."
    for address in ("/schedules", one):
        assert gone not in client.get(address).text
    session.path.unlink()
    for address in ("/schedules", one, f"{one}/edit"):
        answer = client.get(address)
        assert (answer.status_code, gone in answer.text) == (200, not address.endswith("edit"))
    for verb in ("pause", "resume", "run", "send", "cancel"):
        answer = client.post(f"{one}/{verb}")
        assert (answer.status_code, answer.headers["Location"][:10]) == (303, "/schedules")
    assert client.get("/api/schedules").get_json()["data"] == []


def test_a_schedule_whose_folder_is_gone_says_so(client: FlaskClient, sandbox: Sandbox) -> None:
    folder = sandbox.project / "gone"
    folder.mkdir()
    form = {"prompt": "Water the trees", "folder": str(folder), **CRON}
    one = client.post("/schedules", data=form).headers["Location"]
    folder.rmdir()
    for address in ("/schedules", one):
        assert "Nothing starts: " in client.get(address).text
    folder.mkdir()
    assert "Nothing starts: " not in client.get(one).text


def test_a_schedule_that_another_phone_has_changed_is_not_overwritten_unseen(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    form = {"prompt": "Water the trees", "folder": str(sandbox.project), **CRON}
    one = client.post("/schedules", data=form).headers["Location"]
    revision = revision_of(client.get(f"{one}/edit").text)
    client.post(f"{one}/pause")  # is kept, whatever the form holds
    first = {**form, "revision": revision, "prompt": "Water the roses"}
    assert client.post(f"{one}/edit", data=first).status_code == 303
    second = {**form, "revision": revision, "prompt": "Water the lawn"}
    checked = client.post(f"{one}/edit", data={**second, "check": "1"})
    assert revision_of(checked.text) == revision, "a look at the times is no look at the change"
    answer = client.post(f"{one}/edit", data=second)
    assert answer.status_code == 409
    assert "was changed meanwhile" in answer.text
    assert "Water the lawn</textarea>" in answer.text
    (found,) = client.get("/api/schedules").get_json()["data"]
    assert (found["prompt"], found["paused"]) == ("Water the roses", True)
    second["revision"] = revision_of(answer.text)
    assert client.post(f"{one}/edit", data=second).status_code == 303
    (found,) = client.get("/api/schedules").get_json()["data"]
    assert (found["prompt"], found["paused"]) == ("Water the lawn", True)
