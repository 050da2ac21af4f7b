"""Several workers of one server show and steer the same runs, and outlive one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .support import Sandbox, Server

WORKERS = 2


@pytest.fixture
def server(
    start_server: Callable[..., Server], sandbox: Sandbox, stand_in: Path
) -> Iterator[Server]:
    yield start_server(sandbox, stand_in, OPCODE_WORKERS=f"{WORKERS}")
