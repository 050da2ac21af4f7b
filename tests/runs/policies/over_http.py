"""Prompts sent to a server, and its messages of one type."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import requests

from tests.support.clients.json_client import JsonClient
from tests.support.server import Server

Start = Callable[..., Server]
Sockets = Callable[[Any], Any]


def prompt_at(server: Server, path: str, text: str, **more: str) -> requests.Response:
    form = {"prompt": text, "prompt_id": str(uuid.uuid4()), **more}
    return server.post(f"{path}/prompt", form)


def of_type(client: JsonClient, kind: str) -> str:
    found = client.until(kind)
    return str(found.get("message") or found.get("error"))
