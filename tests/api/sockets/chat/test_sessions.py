"""/api/claude/sessions: sessions created, listed, ended and exported."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.sockets.chat.chats import BASE, ask, chat, create, processes, say, words
from tests.support.cli.supervision import steps
from tests.support.environment import runs_of
from tests.support.server import Server


def test_a_session_is_made_without_a_process_and_listed(server: Server) -> None:
    sandbox, others = server.sandbox, ask(server, "GET").json()["data"]
    response = ask(
        server, "POST", json={"workingDir": str(sandbox.project), "title": "Plums", "model": "opus"}
    )
    made = response.json()["data"]
    assert response.status_code == 201
    assert (made["title"], made["status"]) == ("Plums", "created")
    assert made["workingDir"] == str(sandbox.project)
    assert made["links"]["chat"] == f"{BASE}/{made['id']}/chat"
    listed = ask(server, "GET").json()["data"]
    assert [each for each in listed if each not in others] == [made]
    assert ask(server, "GET", f"/{made['id']}").json()["data"] == made
    assert runs_of(sandbox.state, made["id"]) == []


def test_a_session_without_a_folder_works_where_tasks_work(server: Server) -> None:
    session_id = create(server)
    about = ask(server, "GET", f"/{session_id}").json()["data"]
    assert about["workingDir"] == str(server.sandbox.project)


def test_the_title_the_model_and_the_mode_reach_claude(server: Server) -> None:
    session_id = create(server, title="Plums", model="opus", permissionMode="plan")
    with chat(server, session_id) as client:
        say(client, steps(["report"]))
        client.until("turn_complete")
        arguments = json.loads(words(client.messages))["arguments"]
    assert arguments[arguments.index("--session-id") + 1] == session_id
    assert arguments[arguments.index("--model") + 1] == "opus"
    assert arguments[arguments.index("--permission-mode") + 1] == "plan"


def test_a_session_that_was_never_prompted_outlives_the_server(server: Server) -> None:
    session_id = create(server, title="Plums")
    server.kill()
    server.start()
    assert ask(server, "GET", f"/{session_id}").json()["data"]["title"] == "Plums"
    with chat(server, session_id) as client:
        say(client, "hello")
        client.until("turn_complete")
        assert words(client.messages) == "hello"


def test_delete_ends_all_processes_before_it_answers(server: Server) -> None:
    session_id = create(server)
    with chat(server, session_id) as client:
        say(client, steps(["text", "one"], ["grandchild"], ["wait", "/nowhere"]))
        client.until("text_delta")
        assert ask(server, "DELETE", f"/{session_id}").json()["data"]["status"] == "ended"
        assert processes(server, session_id) == []
        assert client.until("ended")["outcome"] == "cancelled"
        say(client, "and on")
        client.until("turn_complete")
    assert ask(server, "DELETE", f"/{session_id}").status_code == 200


def test_delete_forgets_a_session_that_never_began_and_closes_its_chats(server: Server) -> None:
    session_id = create(server)
    with chat(server, session_id) as client:
        client.until("backlog")
        assert ask(server, "DELETE", f"/{session_id}").status_code == 200
        assert client.until("ended")["outcome"] == "gone"
        assert client.close_code() == 1000
    assert ask(server, "GET", f"/{session_id}").status_code == 404


@pytest.mark.parametrize(
    ("wanted", "status", "said"),
    [
        ({"workingDir": "/nowhere"}, 422, "outside the folders"),
        ({"workingDir": ""}, 422, "workingDir"),
        ({"title": "x" * 201}, 422, "title"),
        ({"model": "--help"}, 422, "model"),
        ({"permissionMode": "bypassPermissions"}, 403, "Bypass"),
        ({"permissionMode": "yolo"}, 422, "permissionMode"),
        ({"folder": "x"}, 422, "folder"),
        ([], 422, "object"),
    ],
)
def test_a_session_that_cannot_be_made_is_refused_with_a_sentence(
    server: Server, wanted: Any, status: int, said: str
) -> None:
    before = ask(server, "GET").json()["data"]
    response = ask(server, "POST", json=wanted)
    assert response.status_code == status
    assert response.json()["success"] is False
    assert said in response.json()["error"]
    assert ask(server, "GET").json()["data"] == before


@pytest.mark.parametrize("session_id", ["00000000-0000-4000-8000-000000000000", "x", "..%2f..%2f"])
def test_a_session_that_is_not_known_is_not_found(server: Server, session_id: str) -> None:
    for method in ("GET", "DELETE"):
        response = ask(server, method, f"/{session_id}")
        assert (response.status_code, response.json()["success"]) == (404, False)
    assert ask(server, "GET", f"/{session_id}/export").status_code == 404
    if "%" not in session_id:
        with chat(server, session_id) as client:
            assert "no session" in client.messages[0]["message"]
            assert client.close_code() == 1008


def test_export_of_a_session_without_a_run_is_refused(server: Server) -> None:
    session_id = create(server)
    for format_, status in (("md", 409), ("html", 409), ("jsonl", 409), ("pdf", 422)):
        response = ask(server, "GET", f"/{session_id}/export?format={format_}")
        assert (response.status_code, response.json()["success"]) == (status, False)
