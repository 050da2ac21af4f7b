"""A hostile project at the endpoints of programs, rules that are allowed, and a browser."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from tests.security.projects.hostile_project import HostileProject, make_hostile
from tests.security.projects.trust_doors.deciding import (
    HOOK_RUNS,
    SENTENCE,
    is_trusted,
    keep_hooks_only,
    old_session,
)
from tests.support.clients.json_client import JsonClient, connected
from tests.support.environment import PASSWORD, USER, until
from tests.support.pages.browser import Phone
from tests.support.server import Server

# --- programs -------------------------------------------------------------------------------


def execute(server: Server, folder: Path, **more: Any) -> requests.Response:
    body = {"project_path": str(folder), "prompt": "hello", **more}
    url = f"{server.url}/api/sessions/execute"
    return requests.post(url, json=body, auth=(USER, PASSWORD), timeout=20)


def test_rest_refuses_with_the_list_and_takes_the_decision(
    server: Server, untouched: HostileProject
) -> None:
    refusal = execute(server, untouched.folder)
    assert refusal.status_code == 409
    found = refusal.json()
    assert SENTENCE in found["error"]
    assert found["trust"]["folder"] == str(untouched.folder)
    listed = {(item["kind"], item["name"]): item["text"] for item in found["trust"]["items"]}
    assert listed["hook", "Stop"] == untouched.command("hook-Stop")
    assert not is_trusted(server, untouched.folder)
    assert execute(server, untouched.folder, trust=True, untrusted=True).status_code == 422
    started = execute(server, untouched.folder, untrusted=True)
    assert started.status_code == 202
    ends_turn(server, started.json()["data"]["session_id"])


def ends_turn(server: Server, session_id: str) -> None:
    def lines() -> str:
        return server.get(f"/api/sessions/{session_id}/output").text

    until(lambda: '\\"type\\":\\"result\\"' in lines(), "the turn ends")


def test_rest_starts_with_the_settings_of_a_project_that_it_says_to_trust(
    server: Server, hostile: HostileProject
) -> None:
    keep_hooks_only(hostile)
    started = execute(server, hostile.folder, trust=True)
    assert started.status_code == 202
    until(lambda: hostile.ran() >= HOOK_RUNS, "its hooks run")
    assert is_trusted(server, hostile.folder)


def test_the_command_socket_refuses_with_the_list_and_takes_the_decision(
    server: Server, untouched: HostileProject
) -> None:
    with connected(server) as client:
        command = {"command_type": "execute", "project_path": str(untouched.folder)}
        client.send(**command, prompt="hello")
        refusal = client.until("error")
        assert SENTENCE in refusal["message"]
        assert refusal["trust"]["items"]
        client.send(**command, prompt="hello", untrusted=True)
        assert client.until("completion")["status"] == "success"


def test_a_chat_refuses_with_the_list_and_takes_the_decision(
    server: Server, untouched: HostileProject
) -> None:
    chats = f"{server.url}/api/claude/sessions"
    body = {"workingDir": str(untouched.folder)}
    made = requests.post(chats, json=body, auth=(USER, PASSWORD), timeout=20)
    path = f"/api/claude/sessions/{made.json()['data']['id']}/chat"
    with connected(server, path) as client:
        client.send(type="user_message", content="hello")
        assert client.until("error")["trust"]["items"]
        client.send(type="user_message", content="hello", untrusted=True)
        client.until(lambda message: "Yes." in json.dumps(message))


def test_a_task_in_a_hostile_folder_is_refused_with_the_list(
    server: Server, tmp_path: Path
) -> None:
    hostile = make_hostile(server.sandbox.project, tmp_path / "traces")
    with connected(server) as client:
        client.send(prompt="hello", meta="TASK-1")
        frames = [json.loads(frame) for frame in client.frames()]
        assert client.code == 1008
    assert frames[-1]["trust"]["items"]
    assert done_task(server, untrusted=True) == 1000
    assert hostile.ran() == set()


def done_task(server: Server, **choice: bool) -> int:
    with connected(server) as client:
        client.send(prompt="hello", meta="TASK-1", **choice)
        client.frames()
        return client.code


# --- rules that a person allows -------------------------------------------------------------


def test_rule_allowed_for_the_project_is_not_asked_again_after_a_restart(
    server: Server,
) -> None:
    folder = server.sandbox.home / "work" / uuid.uuid4().hex
    settings = folder / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"env": {"TREES": "many"}}))
    with connected(server) as client:
        session_id = started_session(client, folder, "run it", trust=True)
        ask = client.until("permission_request")
        local = [
            number
            for number, each in enumerate(ask["suggestions"])
            if each.get("destination") == "localSettings"
        ]
        assert local, ask
        client.send(
            command_type="permission",
            request_id=ask["request_id"],
            decision="allow",
            suggestions=local,
        )
        client.until("completion")
        client.send(command_type="cancel", session_id=session_id)
        client.until(lambda message: "Stopped by you" in json.dumps(message))
        assert "Bash(" in (folder / ".claude" / "settings.local.json").read_text()
        client.send(
            command_type="resume",
            project_path=str(folder),
            session_id=session_id,
            prompt="hello",
        )
        answer = client.until(lambda message: message["type"] in ("start", "error"))
        assert answer["type"] == "start", answer


def started_session(client: JsonClient, folder: Path, prompt: str, **more: bool) -> str:
    client.send(command_type="execute", project_path=str(folder), prompt=prompt, **more)
    return str(client.until("start")["session_id"])


# --- in a browser ---------------------------------------------------------------------------


@pytest.mark.browser
def test_a_person_reads_the_list_and_goes_back_or_starts_without_it(
    server: Server, untouched: HostileProject, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(server)
    page = phone.page
    page.goto(f"/new?folder={untouched.folder}")
    page.get_by_role("textbox", name="Prompt").fill("prune the trees")
    phone.button("Send").click()
    expect(page.get_by_role("heading", name="Trust this project?")).to_be_visible()
    expect(page.get_by_text(untouched.command("hook-Stop"))).to_be_visible()
    page.wait_for_load_state()  # without its styles, a page is wide
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("prune the trees")
    phone.button("Send").click()
    phone.button("Start without the project’s settings").click()
    page.wait_for_url("**/sessions/**")
    expect(page.get_by_role("log")).to_contain_text("Yes.")


@pytest.mark.browser
def test_a_prompt_in_an_old_session_waits_in_the_composer_for_the_decision(
    server: Server, untouched: HostileProject, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(server)
    page = phone.page
    phone.forgiven.append("409")
    page.goto(old_session(server, untouched.folder).address)
    page.get_by_role("textbox", name="Prompt").fill("and the hedge")
    phone.button("Send").click()
    expect(page.get_by_role("heading", name="Trust this project?")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("and the hedge")
    phone.button("Send").click()
    phone.button("Start without the project’s settings").click()
    expect(page.get_by_role("log")).to_contain_text("Yes.")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("")
