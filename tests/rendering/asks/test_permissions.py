"""The texts of permission choices, and of the decisions taken."""

from __future__ import annotations

import time
from typing import Any

import pytest

from opcode_htmx.engines.claude.protocol.encoder import DENIED, KEEP_PLANNING, NO_ANSWER
from opcode_htmx.engines.messages import PermissionRequest
from opcode_htmx.rendering.asks.permissions import outside_path, suggestions_of, verdict
from opcode_htmx.transcript.blocks import AskBlock, AskState


def request(*suggestions: dict[str, Any], **fields: Any) -> PermissionRequest:
    known: dict[str, Any] = {
        "request_id": "r",
        "tool_name": "Bash",
        "input": {},
        "tool_use_id": "t",
        "description": "",
        "blocked_path": "",
    }
    return PermissionRequest(**{**known, **fields}, suggestions=suggestions)


def rules(*rules: dict[str, str], to: str = "localSettings", **more: str) -> dict[str, Any]:
    return {"type": "addRules", "rules": list(rules), "destination": to, **more}


def rule(tool: str, content: str | None = None) -> dict[str, str]:
    return {"toolName": tool} if content is None else {"toolName": tool, "ruleContent": content}


ACCEPT_EDITS = {"type": "setMode", "mode": "acceptEdits", "destination": "session"}


@pytest.mark.parametrize(
    ("suggestion", "words"),
    [
        (rules(rule("Bash", "npm test *")), "Always allow npm test * in this project"),
        (rules(rule("Bash", "npm run:*")), "Always allow npm run * in this project"),
        (rules(rule("Bash", "touch a.txt")), "Always allow touch a.txt in this project"),
        (
            rules(rule("Bash", "a *"), rule("Bash", "b"), rule("Bash", "c")),
            "Always allow a *, b and c in this project",
        ),
        (
            rules(rule("Read", "//etc/**"), to="session"),
            "Always allow reading /etc in this session",
        ),
        (rules(rule("Read", "//**"), to="session"), "Always allow reading / in this session"),
        (rules(rule("Edit", "/src/**")), "Always allow editing src in this project"),
        (rules(rule("Read", "~/notes/**")), "Always allow reading ~/notes in this project"),
        (
            rules(rule("WebFetch", "domain:example.com"), to="userSettings"),
            "Always allow fetching from example.com in all projects",
        ),
        (
            rules(rule("mcp__github__list_issues"), to="projectSettings"),
            "Always allow github: list_issues in this project, for all who work on it",
        ),
        (rules(rule("mcp__github")), "Always allow everything of github in this project"),
        (rules(rule("WebSearch")), "Always allow WebSearch in this project"),
        (rules(rule("Bash")), "Always allow every command in this project"),
        (rules(rule("Bash", "rm *"), behavior="deny"), "Always deny rm * in this project"),
        (rules(rule("Bash", "rm *"), to="elsewhere"), "Always allow rm *"),
        (ACCEPT_EDITS, "Always allow edits in this session"),
        (
            {"type": "addDirectories", "directories": ["/srv/a", "/b"], "destination": "session"},
            "Always allow work in /srv/a and work in /b in this session",
        ),
    ],
)
def test_suggestion_states_its_effect(suggestion: dict[str, Any], words: str) -> None:
    (found,) = suggestions_of(request(suggestion))
    assert str(found) == words


@pytest.mark.parametrize(
    "suggestion",
    [
        {},
        {"type": "addRules", "rules": []},
        {"type": "addRules", "rules": [rule("Bash", "a"), "odd"]},
        {"type": "addRules", "rules": "Bash"},
        {"type": "removeRules", "rules": [rule("Bash", "a")], "destination": "session"},
        {"type": "setMode", "mode": "unheard of"},
        {"type": "from a later release"},
    ],
)
def test_unknown_suggestion_is_not_offered_and_keeps_its_number(
    suggestion: dict[str, Any],
) -> None:
    found = suggestions_of(request(suggestion, ACCEPT_EDITS))
    assert [each.number for each in found] == [1]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"input": {"file_path": "/home/me/shop/app.py"}}, ""),
        ({"input": {"file_path": "/home/me/shopping/app.py"}}, "/home/me/shopping/app.py"),
        ({"input": {"path": "/etc"}}, "/etc"),
        ({"input": {"command": "x"}, "blocked_path": "/etc/hosts"}, "/etc/hosts"),
        ({"input": {"command": "x"}, "blocked_path": "/home/me/shop/a"}, ""),
        ({"input": {"file_path": "app.py"}}, ""),
        ({"input": {"file_path": 7}}, ""),
    ],
)
def test_a_path_outside_of_the_project_is_named(fields: dict[str, Any], path: str) -> None:
    assert outside_path(request(**fields), "/home/me/shop") == path


def decided(state: AskState, answer: dict[str, Any], at: float | None = None, **fields: Any) -> str:
    asked = request(rules(rule("Bash", "npm test *")), ACCEPT_EDITS, **fields)
    block = AskBlock(
        id="r",
        order="1",
        created=1,
        revision=1,
        request=asked,
        run_id="",
        state=state,
        answer=answer,
        answered_at=at,
    )
    return verdict(block)


NOON = time.mktime((2026, 11, 21, 12, 5, 0, 0, 0, -1))
PLAN = {"tool_name": "ExitPlanMode"}
QUESTION = {"tool_name": "AskUserQuestion", "input": {"questions": [{"question": "Which?"}]}}


@pytest.mark.parametrize(
    ("state", "answer", "fields", "words"),
    [
        (AskState.ALLOWED, {"behavior": "allow"}, {}, "Allowed"),
        (AskState.ALLOWED, {"behavior": "allow"}, {"at": NOON}, "Allowed · 12:05"),
        (
            AskState.ALLOWED,
            {"updatedPermissions": [rules(rule("Bash", "npm test *"))]},
            {},
            "Always allowed: npm test * in this project",
        ),
        (AskState.ALLOWED, {"updatedPermissions": "odd"}, {}, "Allowed"),
        (AskState.DENIED, {"message": DENIED}, {}, "Denied"),
        (AskState.DENIED, {"message": "Use <b>"}, {"at": NOON}, "Denied: Use <b> · 12:05"),
        (AskState.ALLOWED, {}, PLAN, "Approved"),
        (
            AskState.ALLOWED,
            {"updatedPermissions": [ACCEPT_EDITS]},
            PLAN,
            "Approved, edits accepted",
        ),
        (AskState.DENIED, {"message": KEEP_PLANNING}, PLAN, "Kept planning"),
        (AskState.DENIED, {"message": "Shorter"}, PLAN, "Kept planning: Shorter"),
        (AskState.DENIED, {"message": NO_ANSWER}, QUESTION, "Not answered"),
        (AskState.DENIED, {"message": "Later"}, QUESTION, "Not answered: Later"),
        (AskState.WITHDRAWN, {}, {}, "No longer asked"),
    ],
)
def test_decision_is_described(
    state: AskState, answer: dict[str, Any], fields: dict[str, Any], words: str
) -> None:
    assert decided(state, answer, **fields) == words
