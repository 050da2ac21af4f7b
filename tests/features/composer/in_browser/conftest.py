"""A server with the real Claude CLI and a scripted model."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
    ToolUse,
    Turn,
)
from tests.features.composer.in_browser.page import WORDS
from tests.support.environment import Server


@pytest.fixture
def gate() -> threading.Event:
    """Holds the answer to "hold" in its middle until it is set."""
    return threading.Event()


@pytest.fixture
def api(gate: threading.Event) -> Iterator[MessagesApi]:
    scenes = (
        Scene("hold", "hold", [Text(WORDS, gate=gate)]),
        Scene("file", "Attached files", [_read, _have_read]),
        Scene("anything", "", [lambda request: (Text(f"You said: {request.prompt}"),)]),
    )
    with MessagesApi(scenes, keep_requests=100) as running:
        yield running
        gate.set()


def _read(request: Request) -> Turn:
    return (ToolUse("Read", {"file_path": request.prompt.rpartition("- ")[2].strip()}),)


def _have_read(request: Request) -> Turn:
    return (Text(f"It says: {request.last_tool_result and request.last_tool_result.text}"),)


@pytest.fixture
def server_settings() -> dict[str, str]:
    return {"OPCODE_ASK_AHEAD": "0"}


@pytest.fixture
def server(real_server: Server) -> Server:
    return real_server
