"""Stop by a form, as a page without a script sends it: the page that follows shows the end."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from flask.testing import FlaskClient

from opcode_htmx.features.permissions import routes
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
    stop = re.search(r'formaction="(/runs/[0-9a-f]+/stop)"', client.get(address).text)
    assert stop
    answer = client.post(stop[1])
    assert (answer.status_code, answer.location) == (303, f"{address}#end")
    page = client.get(address).text
    hint = "Refresh shows when it has."
    assert ("Stopped by you." in page, "Stopping…" in page, hint in page) == (not deaf, deaf, deaf)
