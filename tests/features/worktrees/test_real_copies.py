"""A worktree of the real CLI's own.

That it works in one of ours: see tests/features/agents/test_real_agents.py.
"""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from opcode_htmx.engines.claude.demo.script import Request, Step
from tests.support.environment import Sandbox, basic_header, find_claude, until
from tests.support.plain_git import GIT
from tests.support.server import Server

pytestmark = pytest.mark.timeout(180)


def scenes() -> list[Scene]:
    def enters(_: Request) -> list[Step]:
        return [ToolUse("EnterWorktree", {"name": "own"}), Text("I am in it.")]

    return [Scene("enter", "enter", enters)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, integration: None) -> Iterator[Server]:
    sandbox = Sandbox(tmp_path_factory.mktemp("copies") / "home").make().with_own_project()
    claude = find_claude()
    assert claude is not None
    allowed = '{"permissions": {"allow": ["EnterWorktree"]}}'
    (sandbox.config_dir / "settings.json").write_text(allowed)
    (sandbox.project / "tree.txt").write_text("apple\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for command in (("init", "-q", "-b", "main"), ("add", "-A"), (*who, "commit", "-qm", "x")):
        git(sandbox, *command)
    with MessagesApi(scenes()) as api:
        started = Server(sandbox, claude, api.url, OPCODE_ASK_AHEAD="0").start()
        try:
            yield started
        finally:
            started.close()


def git(sandbox: Sandbox, *arguments: str) -> str:
    environment = {"PATH": sandbox.environment()["PATH"], "HOME": str(sandbox.home)}
    return subprocess.run(
        [*GIT, *arguments],
        cwd=sandbox.project,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def get(server: Server, path: str) -> Any:
    answer = requests.get(f"{server.url}{path}", headers=basic_header(), timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def begin(server: Server, words: str, **more: str) -> str:
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    form = {"folder": str(server.sandbox.project), "prompt": words, "project": "", **ids, **more}
    answer = server.post("/sessions", form)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].partition("#")[0]


def test_a_worktree_that_claude_has_entered_is_recognised(server: Server) -> None:
    session = begin(server, "Enter it.")
    until(lambda: "I am in it." in server.get(session).text, "Claude has answered")
    session_id = re.findall(r"[0-9a-f-]{36}", session)[-1]

    def entered() -> Any:
        return next((e for e in get(server, "/api/worktrees") if session_id in e["session_ids"]), 0)

    found = until(entered, "its line is in the history")
    assert found["origin"] == "claude"
    assert found["path"].endswith("/.claude/worktrees/own")
    assert "copy-mark" in server.get(session).text
