"""An answer by a form, as a page without a script sends it: the page that follows has it."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from opcode_htmx.features.permissions import routes
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from tests.support.environment import Sandbox, until

pytestmark = [pytest.mark.usefixtures("integration"), pytest.mark.timeout(150)]


@pytest.mark.parametrize("decision", ["allow", "deny"])
@pytest.mark.parametrize("deaf", [False, True])
def test_the_page_after_an_answer_no_longer_asks_unless_claude_does_not_read(
    client: FlaskClient,
    shared_sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    decision: str,
    deaf: bool,
) -> None:
    monkeypatch.setattr(routes, "SHOWN_SECONDS", 0.0 if deaf else 60.0)
    may_read, wait = tmp_path / "may-read", Broadcast.wait
    steps = [["ask", f"ask-{uuid.uuid4()}", str(may_read)], ["text", "Done."]]
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    form = {"folder": str(shared_sandbox.project), "prompt": json.dumps(steps), **ids}
    address = client.post("/sessions", data=form).location.partition("#")[0]
    asks = re.compile(r'action="(/runs/[0-9a-f]+/asks/[^"]+)"')
    until(lambda: asks.search(client.get(address).text), "Claude asks")
    page = client.get(address).text
    found, reason = asks.search(page), re.search(r'form="answer" name="(reason-[^"]+)"', page)
    assert found and reason

    def wait_while_claude_reads(each: Broadcast, seen: int, timeout: float | None = None) -> int:
        if timeout is not None and not deaf:
            may_read.touch()  # only now: before it waits, Claude has not read the answer
        return wait(each, seen, timeout)

    with monkeypatch.context() as patched:
        patched.setattr(Broadcast, "wait", wait_while_claude_reads)
        words = {reason[1]: "Not in\r\nthis folder."}
        answer = client.post(found[1], data={"decision": decision, **words})
    assert (answer.status_code, answer.location) == (303, f"{address}#end")
    assert bool(asks.search(client.get(address).text)) == deaf
    may_read.touch()
    until(lambda: not asks.search(client.get(address).text), "Claude has read the answer")
    run = shared_sandbox.state / "runs" / found[1].split("/")[2]
    sent = json.loads((run / "in.ndjson").read_text().splitlines()[-1])["response"]["response"]
    assert sent.get("message") == (None if decision == "allow" else "Not in\nthis folder.")


def test_a_form_leads_back_to_the_open_request_and_so_to_its_words(
    client: FlaskClient, shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "SHOWN_SECONDS", 60.0)
    request_id, session_id = f"ask-{uuid.uuid4()}", str(uuid.uuid4())
    steps = [["ask", request_id], ["wait", "/nowhere"]]
    form = {"session_id": session_id, "prompt_id": str(uuid.uuid4())}
    started = form | {"folder": str(shared_sandbox.project), "prompt": json.dumps(steps)}
    address = client.post("/sessions", data=started).location.partition("#")[0]
    until(lambda: f'id="b-{request_id}"' in client.get(address).text, "Claude asks")
    sent = form | {"prompt": "And then?", "prompt_id": str(uuid.uuid4())}
    for door, fields in (("seen", {"block": ""}), ("options", {}), ("prompt", sent)):
        answer = client.post(f"{address}/{door}", data=fields)
        assert (answer.status_code, answer.location) == (303, f"{address}#b-{request_id}"), door
    found = re.search(rf'action="(/runs/[0-9a-f]+)/asks/{request_id}"', client.get(address).text)
    assert found
    assert client.post(f"{found[1]}/stop").location == f"{address}#end"
    assert client.post(f"{address}/seen", data={"block": ""}).location == f"{address}#end"
