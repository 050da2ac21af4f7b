"""No permission answer enables bypass mode where the server does not allow it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.runs.model.permission_updates import BYPASS, BypassNotAllowed, check
from tests.security.content.rendering import (
    ask_line,
    buttons,
    folded,
    page_of,
)
from tests.support.clients.json_client import JsonClient, connected
from tests.support.environment import Sandbox, until
from tests.support.server import Server

MODE = {"type": "setMode", "mode": BYPASS, "destination": "session"}
RULE = {"toolName": "Bash", "ruleContent": "ls *"}
HARMLESS = {"type": "addRules", "rules": [RULE], "behavior": "allow", "destination": "session"}

REFUSED: list[dict[str, Any]] = [
    MODE,
    *({**MODE, "destination": where} for where in ("localSettings", "userSettings", "odd", 7)),
    {"type": "setMode", "defaultMode": BYPASS},
    {"type": "setMode", "permissionMode": f" {BYPASS} "},
    {"type": "setDefaultMode", "value": BYPASS},
    {"type": "addSettings", "settings": {"permissions": {"defaultMode": BYPASS}}},
    {"type": "of tomorrow", "what": [[{"a": BYPASS}]]},
    {"type": "setMode", "mode": "yolo"},
    {"type": "setMode", "mode": None},
    {"type": "setMode", "mode": [BYPASS]},
    {"type": "setMode"},
    {"type": "setMode", "mode": "BypassPermissions"},
    *(
        {"type": kind, "rules": [RULE, {"toolName": tool}], "behavior": "allow"}
        for kind in ("addRules", "replaceRules")
        for tool in ("*", " ** ", "")
    ),
    {"type": "addRules", "rules": ["*"]},
]
ALLOWED: list[dict[str, Any]] = [
    HARMLESS,
    *({"type": "setMode", "mode": mode} for mode in ("default", "acceptEdits", "plan", "dontAsk")),
    {"type": "addRules", "rules": [{"toolName": "*"}], "behavior": "deny"},
    {"type": "addDirectories", "directories": ["/srv"], "destination": "session"},
]


def is_refused(update: dict[str, Any]) -> bool:
    try:
        check([HARMLESS, update], allow_bypass=False)
    except BypassNotAllowed:
        return True
    return False


def test_update_that_disables_asking_is_refused() -> None:
    assert [update for update in REFUSED if not is_refused(update)] == []
    for update in REFUSED:
        check([HARMLESS, update], allow_bypass=True)


@pytest.mark.parametrize("update", ALLOWED)
def test_update_that_keeps_asking_is_accepted(update: dict[str, Any]) -> None:
    check([update], allow_bypass=False)


def test_refused_updates_are_not_offered() -> None:
    asks = ask_line("Bash", {"command": "ls"}, permission_suggestions=[*REFUSED, HARMLESS])
    decisions = buttons(page_of(folded([asks])))
    offered = {name: words for name, words in decisions.items() if name.startswith("always-")}
    assert offered == {f"always-{len(REFUSED)}": "Always allow ls * in this session"}


def test_bypass_mode_is_offered_where_the_server_allows_it() -> None:
    asks = ask_line("Bash", {"command": "ls"}, permission_suggestions=[MODE])
    offered = buttons(page_of(folded([asks]), allow_bypass=True))["always-0"]
    assert offered == "Always allow everything, without asking, in this session"


# --- every door of a real server --------------------------------------------------------------

SUGGESTIONS = [MODE, HARMLESS]


@contextmanager
def asking(server: Server, request_id: str) -> Iterator[tuple[JsonClient, str, str]]:
    """A session that waits for an answer: a client of it, its id and that of its run."""
    ask = json.loads(ask_line("Bash", {"command": "ls"}, permission_suggestions=SUGGESTIONS))
    steps = [["say", {**ask, "request_id": request_id}], ["wait", "/no/such/file"]]
    with connected(server) as client:
        folder = str(server.sandbox.project)
        client.send(command_type="execute", project_path=folder, prompt=json.dumps(steps))
        start = client.until("start")
        client.until("permission_request")
        yield client, start["session_id"], start["run_id"]


def answers(server: Server, run_id: str) -> str:
    """The answers to requests that went to Claude."""
    lines = (server.sandbox.state / "runs" / run_id / "in.ndjson").read_text(encoding="utf-8")
    return "".join(each for each in lines.splitlines() if '"control_response"' in each)


def test_no_endpoint_forwards_bypass_mode(shared_server: Server) -> None:
    with asking(shared_server, "r1") as (client, session_id, run_id):
        address = f"/runs/{run_id}/asks/r1"
        page = shared_server.get(f"/api/sessions/{session_id}/output").text
        assert BYPASS in page, "Claude suggests it"
        refused = shared_server.post(address, {"decision": "always-0"})
        assert refused.status_code == 403
        assert "OPCODE_ALLOW_BYPASS=1" in refused.text
        by_htmx = shared_server.post(address, {"decision": "always-0"}, {"HX-Request": "true"})
        assert by_htmx.status_code == 403
        assert "error-note" in by_htmx.text
        client.send(
            command_type="permission",
            session_id=session_id,
            request_id="r1",
            decision="allow",
            suggestions=[1, 0],
        )
        assert "OPCODE_ALLOW_BYPASS=1" in client.until("error")["message"]
        assert answers(shared_server, run_id) == ""
        assert shared_server.post(address, {"decision": "always-1"}).status_code == 303
        until(lambda: '"updatedPermissions"' in answers(shared_server, run_id), "it is answered")
        assert BYPASS not in answers(shared_server, run_id)


def test_a_server_that_allows_it_passes_it_on(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server]
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_ALLOW_BYPASS="1", IS_SANDBOX="1")
    with asking(server, "r1") as (_, _, run_id):
        answer = server.post(f"/runs/{run_id}/asks/r1", {"decision": "always-0"})
        assert answer.status_code == 303
        until(lambda: BYPASS in answers(server, run_id), "it is answered")
