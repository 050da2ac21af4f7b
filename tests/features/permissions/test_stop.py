"""Stop by a form, as a page without a script sends it: the page that follows shows the end."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from flask.testing import FlaskClient

from opcode_htmx.features.attention import routes as attention_routes
from opcode_htmx.features.permissions import routes
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.following.followed_run import FollowedRun
from tests.support.environment import Sandbox, until

pytestmark = [pytest.mark.usefixtures("integration"), pytest.mark.timeout(150)]


@pytest.mark.parametrize("deaf", [False, True])
def test_the_page_after_stop_shows_the_end_or_says_that_it_takes_a_moment(
    client: FlaskClient, shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, deaf: bool
) -> None:
    monkeypatch.setattr(routes, "SHOWN_SECONDS", 0.0 if deaf else 60.0)
    steps = [["deaf"], ["text", "Hello."]] if deaf else [["text", "Hello."]]
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    form = {"folder": str(shared_sandbox.project), "prompt": json.dumps(steps), **ids}
    address = client.post("/sessions", data=form).location.partition("#")[0]
    until(lambda: "Ready for the next prompt" in client.get(address).text, "Claude waits")
    button = r'formaction="(/runs/[0-9a-f]+/stop)"[^>]*>End Claude</button>'
    stop = re.search(button, client.get(address).text)
    assert stop, "its menu has it"
    answer = client.post(stop[1])
    assert (answer.status_code, answer.location) == (303, f"{address}#end")
    page = client.get(address).text
    hint = "Refresh shows when it has."
    assert ("Stopped by you." in page, "Stopping…" in page, hint in page) == (not deaf, deaf, deaf)


@pytest.mark.parametrize("address", ["/", "/runs"])
@pytest.mark.parametrize("follows", [False, True])
def test_a_list_after_stop_shows_the_end_unless_it_follows_by_itself(
    client: FlaskClient,
    shared_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    follows: bool,
) -> None:
    waited: list[float | None] = []

    def join(run: Run, timeout: float | None = None) -> bool:
        waited.append(timeout)
        return FollowedRun.join(run, timeout)

    monkeypatch.setattr(Run, "join", join)
    monkeypatch.setattr(routes, "SHOWN_SECONDS", 60.0)
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    form = {"folder": str(shared_sandbox.project), "prompt": '[["wait", "/no"]]', **ids}
    session = client.post("/sessions", data=form).location.partition("#")[0]
    session_id = session.rpartition("/")[2]
    assert "Refresh shows what Claude has done." in client.get(session).text

    def rows() -> list[str]:
        return [each for each in client.get(address).text.split("<li ") if session_id in each]

    row = rows()[0]
    stop = re.search(r'action="(/runs/[0-9a-f]+/stop\?\w+=1)"', row)
    assert stop, "its menu has Stop"
    answer = client.post(stop[1], data={"follows": "1"} if follows else {})
    assert (answer.status_code, answer.location) == (303, address)
    assert (60.0 in waited) is not follows
    if not follows:
        assert not [row for row in rows() if "Stopping…" in row]


def test_the_list_after_stop_all_shows_the_end(
    client: FlaskClient, shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention_routes, "SHOWN_SECONDS", 60.0)
    for _ in range(2):
        ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
        form = {"folder": str(shared_sandbox.project), "prompt": '[["wait", "/no"]]', **ids}
        assert client.post("/sessions", data=form).status_code == 303
    assert client.post("/runs/stop-all").location == "/runs"
    assert "Nothing is running" in client.get("/runs").text
