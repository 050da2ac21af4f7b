"""Agents with the real CLI: what is denied is denied, hooks fire, the project stays untouched."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from opcode_htmx.engines.claude.demo.script import Request, Step
from opcode_htmx.engines.claude.files.history import project_id
from tests.support.environment import Sandbox, basic_header, find_claude, runs_of, until
from tests.support.plain_git import GIT
from tests.support.server import Server

pytestmark = pytest.mark.timeout(180)

SEEN: list[Request] = []


def scenes(project: Path) -> list[Scene]:
    def calls(_: Request) -> list[Step]:
        return [
            ToolUse("Write", {"file_path": str(project / "new"), "content": "x"}),
            ToolUse("Bash", {"command": "touch new", "description": "t"}),
            ToolUse("WebFetch", {"url": "http://127.0.0.1:9/", "prompt": "x"}),
            ToolUse("Read", {"file_path": str(project / "secret.env")}),
            ToolUse("Read", {"file_path": str(project / "tree.txt")}),
            Text("All of it was tried."),
        ]

    def writes(request: Request) -> list[Step]:
        place = Path(request.working_directory or "/nowhere")
        return [
            ToolUse("Write", {"file_path": str(place / "made.txt"), "content": "a\nb\n"}),
            Text("It is written."),
        ]

    def noted(turns: Any) -> Any:
        def of(request: Request) -> Any:
            SEEN.append(request)
            return turns(request)

        return of

    return [Scene("try", "try all", noted(calls)), Scene("write", "write", noted(writes))]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, integration: None) -> Iterator[Server]:
    sandbox = Sandbox(tmp_path_factory.mktemp("agents") / "home").make()
    claude = find_claude()
    assert claude is not None
    (sandbox.project / "tree.txt").write_text("apple\n")
    (sandbox.project / "secret.env").write_text("KEY=1\n")
    # rules of the person's own, which must not weaken an agent's
    allowed = {"permissions": {"allow": ["Bash", "Write", "WebFetch", "Read"]}}
    (sandbox.config_dir / "settings.json").write_text(json.dumps(allowed))
    with MessagesApi(scenes(sandbox.project)) as api:
        started = Server(sandbox, claude, api.url, OPCODE_ASK_AHEAD="0").start()
        try:
            yield started
        finally:
            started.close()


def call(server: Server, method: str, path: str, status: int = 200, **body: Any) -> Any:
    answer = requests.request(
        method,
        f"{server.url}/api/agents{path}",
        headers=basic_header(),
        json=body or None,
        timeout=60,
    )
    assert answer.status_code == status, answer.text
    return answer.json().get("data")


def made(server: Server, **fields: object) -> int:
    values = {"name": "Pruner", "system_prompt": "You are the PRUNER.", **fields}
    number: int = call(server, "POST", "", 201, **values)["id"]
    return number


def over(server: Server, run: int) -> dict[str, Any]:
    """The run with its figures, once its turn has ended and that is noted."""

    def ended() -> Any:
        found = call(server, "GET", f"/runs/{run}/metrics")
        return found if found["completed_at"] else None

    found: dict[str, Any] = until(ended, "the run is over")
    return found


def results(server: Server, run: int) -> list[tuple[bool, str]]:
    """Whether each tool call was refused, and its result."""
    lines = call(server, "GET", f"/sessions/{run}/output").splitlines()
    contents = [
        entry["message"]["content"] for entry in map(json.loads, lines) if entry["type"] == "user"
    ]
    return [
        (part.get("is_error", False), json.dumps(part["content"]))
        for content in contents
        if isinstance(content, list)
        for part in content
        if part["type"] == "tool_result"
    ]


def test_denied_tools_are_denied_hooks_fire_and_the_project_stays_untouched(
    server: Server,
) -> None:
    project, mark = server.sandbox.project, server.sandbox.home / "hooked"
    before = sorted(path.name for path in project.rglob("*"))
    hook = {"type": "command", "command": f"cat >> {mark}"}
    agent = made(
        server,
        enable_file_write=False,
        closed_paths=["*.env"],
        hooks={"PreToolUse": [{"matcher": "Read", "hooks": [hook]}]},
    )
    run = call(
        server, "POST", f"/{agent}/execute", 202, project_path=str(project), task="Try all of it."
    )
    found = over(server, run)
    assert found["status"] == "completed"
    refused = results(server, run)
    assert [is_error for is_error, _ in refused] == [True, True, True, True, False]
    assert all("is disabled for this session" in text for _, text in refused[:3])
    assert "denied by your permission settings" in refused[3][1]
    assert "apple" in refused[4][1]
    assert "PRUNER" in json.dumps(SEEN[-1].body["system"])
    assert "tree.txt" in mark.read_text()
    assert sorted(path.name for path in project.rglob("*")) == before
    assert (found["metrics"]["files_changed"], found["output"]) == (0, "All of it was tried.")
    assert found["metrics"]["total_tokens"] > 0
    assert found["metrics"]["cost_usd"] > 0

    session, profiles = found["session_id"], server.sandbox.state / "profiles"
    address = f"/projects/{project_id(project)}/sessions/{session}"
    fork = (
        server.post(f"{address}/fork", {}).headers["Location"].partition("#")[0].rpartition("/")[2]
    )
    assert json.loads((profiles / fork / "settings.json").read_text())["permissions"]["deny"]
    before_clear = set(profiles.iterdir())
    prompt = {"prompt": "/clear", "prompt_id": str(uuid.uuid4())}
    assert server.post(f"{address}/prompt", prompt).status_code == 303
    until(lambda: set(profiles.iterdir()) - before_clear, "its new session has the limits, too")

    # a session keeps its limits when a person continues it, and after its agent is gone
    call(server, "DELETE", f"/{agent}")
    call(server, "POST", f"/sessions/{run}/kill")
    body = {"project_path": str(project), "session_id": session, "prompt": "Try all again."}
    answer = requests.post(
        f"{server.url}/api/sessions/resume", json=body, headers=basic_header(), timeout=60
    )
    assert answer.status_code == 202, answer.text
    until(lambda: len(runs_of(server.sandbox.state, session)) == 2, "a second process")
    until(lambda: len(results(server, run)) == 10, "all was tried again")
    assert [is_error for is_error, _ in results(server, run)[5:]] == [True, True, True, True, False]
    assert call(server, "GET", f"/runs/{run}")["agent_name"] == "Pruner"
    assert server.get(f"/agents/runs/{run}").status_code == 200


def git(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        [*GIT, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_an_agent_works_in_a_worktree_of_its_own(server: Server) -> None:
    project = server.sandbox.with_own_project().project
    environment = {"PATH": server.sandbox.environment()["PATH"], "HOME": str(server.sandbox.home)}
    (project / "tree.txt").write_text("apple\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for command in (("init", "-q"), ("add", "-A"), (*who, "commit", "-qm", "x")):
        git(project, environment, *command)
    agent = made(server, name="Gärtner & Söhne", default_task="Write it.")
    run = call(server, "POST", f"/{agent}/execute", 202, project_path=str(project), worktree=True)
    assert "result" in streamed(server, run)
    found = over(server, run)
    assert found["status"] == "completed", found
    place = Path(found["working_path"])
    assert place.is_relative_to(project / ".claude" / "worktrees")
    assert (place / "made.txt").read_text() == "a\nb\n"
    assert not (project / "made.txt").exists()
    assert found["metrics"]["files_changed"] == 1
    assert found["metrics"]["lines_added"] == 2
    status = git(project, environment, "status", "--short")
    assert status == ""
    page = server.get(f"/agents/runs/of/{found['session_id']}").text
    assert "Worktree" in page
    assert "Gärtner &amp; Söhne" in server.get("/runs").text
    is_killed_once(server, run)


def streamed(server: Server, run: int) -> list[str]:
    """The types of the lines of its output, which is streamed until the run is over."""
    stream = requests.get(
        f"{server.url}/api/agents/sessions/{run}/output/stream",
        headers=basic_header(),
        stream=True,
        timeout=60,
    )
    return [json.loads(line)["type"] for line in stream.iter_lines()]


def is_killed_once(server: Server, run: int) -> None:
    """Its process waits for a prompt, is ended, and is none any more."""
    assert call(server, "GET", f"/sessions/{run}/status") == "completed"
    assert call(server, "GET", f"/sessions/{run}/output/live")
    assert call(server, "POST", f"/sessions/{run}/kill") is True
    until(
        lambda: call(server, "GET", f"/sessions/{run}/output/live") == "", "its process has ended"
    )
    assert call(server, "POST", f"/sessions/{run}/kill") is False
    assert call(server, "GET", f"/sessions/{run}/status") == "completed"


def test_without_network_each_command_is_asked_for_and_a_stopped_run_is_cancelled(
    server: Server,
) -> None:
    agent = made(server, name="Offline", permission_mode="acceptEdits")
    project = server.sandbox.project
    run = call(
        server, "POST", f"/{agent}/execute", 202, project_path=str(project), task="Try all of it."
    )
    # although the person's own settings allow all commands
    until(lambda: "touch new" in server.get("/runs").text, "the command is asked for")
    assert call(server, "GET", f"/sessions/{run}/status") == "running"
    assert call(server, "POST", f"/sessions/{run}/kill") is True
    assert over(server, run)["status"] == "cancelled"
    (project / "new").unlink()
