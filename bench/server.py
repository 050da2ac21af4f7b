"""The server of a benchmark, isolated as in the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.environment import Sandbox, Server

NOBODY = "http://127.0.0.1:9"
"""The address of an API where nothing listens."""


@contextmanager
def running_server(sandbox: Sandbox, claude: Path, **settings: str) -> Iterator[Server]:
    """The app under gunicorn with `claude` as the CLI; it and its runs end with the block."""
    server = Server(sandbox, claude, NOBODY, **settings)
    try:
        yield server.start()
    finally:
        server.close()
