"""Sessions over the API, chats with them, and what is said in these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psutil
import requests

from tests.support.clients.json_client import JsonClient, Message, connected
from tests.support.environment import PASSWORD, USER, processes_of, runs_of
from tests.support.server import Server

StartServer = Callable[..., Server]
BASE = "/api/claude/sessions"


def processes(server: Server, session_id: str) -> list[psutil.Process]:
    """The living ones of a session's runs."""
    state = server.sandbox.state
    runs = runs_of(state, session_id)
    return [process for run in runs for process in processes_of(state, run.name)]


def ask(server: Server, method: str, path: str = "", **more: Any) -> requests.Response:
    url = server.url + BASE + path
    return requests.request(method, url, auth=(USER, PASSWORD), timeout=20, **more)


def create(server: Server, **wanted: str) -> str:
    response = ask(server, "POST", json=wanted)
    assert response.status_code == 201, response.text
    return str(response.json()["data"]["id"])


def chat(server: Server, session_id: str) -> Any:
    return connected(server, f"{BASE}/{session_id}/chat")


def say(client: JsonClient, words: str) -> None:
    client.send(type="user_message", content=words)


def words(messages: list[Message], kind: str = "text_delta") -> str:
    return "".join(each["content"] for each in messages if each["type"] == kind)
