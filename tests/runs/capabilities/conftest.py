"""A scripted model for capabilities."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with MessagesApi((Scene("any", "", [Text("Yes.")]),), keep_requests=100) as running:
        yield running
