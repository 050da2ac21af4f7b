"""Sockets that are closed at the end of a test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.runs.policies.over_http import Sockets


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    """Closes the registered connections at the end."""
    with contextlib.ExitStack() as stack:

        def keep(client: Any) -> Any:
            stack.callback(client.ws.shutdown)
            return client

        yield keep
