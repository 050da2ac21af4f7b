"""What a person does is logged with the actor, in one format, without prompts and secrets."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from opcode_htmx.engines.claude.files import history
from tests.support.clients import api
from tests.support.environment import PASSWORD, USER, Sandbox, until
from tests.support.server import Server

LINE = re.compile(r"INFO opcode_htmx\.audit: actor=(\S+) action=(\S+) session=(\S+) run=(\S+)(.*)")
SECRET = "a-word-that-nobody-may-log"


def acts(server: Server) -> list[tuple[str, ...]]:
    """Actor, action and session of each act so far."""
    log = server.log.read_text(encoding="utf-8")
    lines = [line for line in log.splitlines() if "opcode_htmx.audit" in line]
    matches = [LINE.fullmatch(line) for line in lines]
    assert all(matches), lines
    return [match.groups()[:3] for match in matches if match]


def test_what_is_done_to_sessions_and_settings_is_logged(
    start_server: Callable[..., Server], sandbox: Sandbox, stand_in: Path
) -> None:
    settings = sandbox.project / ".claude" / "settings.json"
    settings.parent.mkdir()
    hooks = {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}
    settings.write_text(json.dumps({"hooks": hooks}))
    session_id = str(uuid.uuid4())
    prompt = json.loads(api.prompt(SECRET, sandbox.project))
    entry = {**prompt, "uuid": str(uuid.uuid4()), "parentUuid": None, "sessionId": session_id}
    api.session(sandbox.config_dir, sandbox.project, api.line(entry), session_id)
    server = start_server(sandbox, stand_in)
    base = f"/projects/{history.project_id(sandbox.project)}/sessions/{session_id}"

    def post(path: str, **form: str) -> requests.Response:
        answer = server.post(path, form)
        assert answer.status_code in (303, 307), answer.text
        return answer

    def put(path: str, body: Any) -> None:
        url, basic = f"{server.url}{path}", (USER, PASSWORD)
        assert requests.put(url, json=body, auth=basic, timeout=20).ok

    post(f"{base}/rename", title=SECRET)
    post(f"{base}/options", was_model="", model=SECRET)
    post(f"{base}/flags", act="tags", tags="a tag")
    post(f"{base}/fork")
    ids = {"prompt": SECRET, "prompt_id": str(uuid.uuid4())}
    post(f"{base}/trust", **ids, decision="without")
    digest = re.findall(r'name="digest" value="([^"]+)"', trust_page(server, base))
    post(f"{base}/trust", **ids, decision="trust", digest=digest[0])
    deleted = post(f"{base}/delete").headers["Location"].partition("deleted=")[2]
    post(f"/trash/{deleted}/restore")
    put("/api/settings/claude", {"settings": {"env": {"A": SECRET}}})
    put("/api/settings/system-prompt", {"content": SECRET})
    actor = f"{USER}/basic"
    about = (
        *("session.rename", "session.options", "session.tags", "session.fork"),
        *("trust.decline", "trust.accept"),
        *("session.delete", "session.restore"),
    )
    expected = [(actor, action, session_id) for action in about]
    expected += [(actor, "settings.write", "-")] * 2
    until(lambda: len(acts(server)) >= len(expected), "all is logged")
    assert acts(server) == expected
    log = server.log.read_text(encoding="utf-8")
    assert SECRET not in log
    assert PASSWORD not in log


def trust_page(server: Server, base: str) -> str:
    """The page to decide on, for a prompt that could not be sent."""
    form = {"prompt": SECRET, "prompt_id": str(uuid.uuid4())}
    answer = server.post(f"{base}/draft", {**form, "by": "test"})
    assert answer.status_code == 204
    return server.get(f"{base}/trust").text
