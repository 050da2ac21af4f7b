"""A server that counts, and raw sockets to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.features.session_page.test_live_updates import begin
from tests.support.clients.raw_socket import RawSocket
from tests.support.environment import Sandbox, write_stand_in
from tests.support.server import Server
from tests.web.websocket.hostile.counting_server import CountingServer

PATIENCE = 2
"""Seconds for which a viewer of these tests' server may take nothing."""


@pytest.fixture(scope="package")
def server(integration: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CountingServer]:
    folder = tmp_path_factory.mktemp("hostile")
    sandbox, claude = Sandbox(folder / "home").make(), write_stand_in(folder / "claude")
    settings = {"OPCODE_VIEWER_TIMEOUT": str(PATIENCE)}
    server = CountingServer(sandbox, claude, "http://127.0.0.1:9", **settings)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def raw(server: CountingServer) -> Iterator[Callable[..., RawSocket]]:
    """Opens raw sockets, and closes them at the end."""
    with ExitStack() as stack:

        def open_(path: str, **options: int) -> RawSocket:
            return stack.enter_context(closing(RawSocket(server, path, **options)))

        yield open_


def addresses(server: Server) -> dict[str, str]:
    """The page's socket and the two of programs, of one session that runs."""
    page = begin(server, "hello")
    return {
        "page": f"{page}/live",
        "commands": "/ws/claude",
        "chat": f"/api/claude/sessions/{page.rpartition('/')[2]}/chat",
    }


@pytest.fixture(scope="package")
def sockets(server: CountingServer) -> dict[str, str]:
    return addresses(server)
