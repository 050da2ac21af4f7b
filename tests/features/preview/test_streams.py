"""WebSockets and events of real dev servers pass the proxy, as long as the login lasts."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import websocket

from tests.features.preview.conftest import Dev
from tests.support.environment import PATIENCE, until


@contextlib.contextmanager
def connected(dev: Dev, preview: str, **changes: str) -> Iterator[Any]:
    """A WebSocket to the dev server, as a browser opens it."""
    cookie = "; ".join(f"{each.name}={each.value}" for each in dev.client.cookies)
    sent: dict[str, Any] = {
        "origin": preview.rstrip("/"),
        "cookie": f"{cookie}; theme=dark",
        **changes,
    }
    without: dict[str, Any] = {} if sent["origin"] else {"suppress_origin": True}
    address = f"{preview.replace('http', 'ws', 1)}hmr?token=1"
    ws: Any = websocket.create_connection(address, timeout=PATIENCE, **sent, **without)
    try:
        yield ws
    finally:
        ws.close()


def test_a_websocket_passes_frames_both_ways_and_nothing_of_ours(kept_dev: Dev) -> None:
    origin = kept_dev.open()
    with connected(kept_dev, origin) as ws:
        for said in ("hello", "x" * 300_000):
            ws.send(said)
            assert ws.recv() == said
        ws.send_binary(b"\x00\xff" * 1000)
        assert ws.recv() == b"\x00\xff" * 1000
        ws.send("headers")
        found = dict(json.loads(ws.recv()))
        assert found["Origin"] == f"http://localhost:{kept_dev.port}"
        assert found["Cookie"] == "theme=dark"
    until((kept_dev.folder / "socket-ended").exists, "the dev server sees the end")
    for refused in ({"origin": "http://127.0.0.1:1"}, {"origin": ""}, {"cookie": "theme=dark"}):
        with (
            pytest.raises(websocket.WebSocketBadStatusException),
            connected(kept_dev, origin, **refused),
        ):
            pass


def test_events_come_at_once_and_the_dev_server_learns_that_the_browser_has_gone(
    kept_dev: Dev,
) -> None:
    origin = kept_dev.open()
    with kept_dev.client.get(f"{origin}events", stream=True, timeout=PATIENCE) as answer:
        assert next(answer.iter_content(None)) == b"data: 1\n\n"
    until((kept_dev.folder / "events-ended").exists, "the dev server sees the end")


def test_what_is_under_way_ends_with_the_login(dev: Dev) -> None:
    origin = dev.open()
    with connected(dev, origin) as ws:
        ws.send("hello")
        assert ws.recv() == "hello"
        dev.end_login()
        with pytest.raises((websocket.WebSocketException, ConnectionError)):
            ws.recv()
    assert dev.client.get(origin, timeout=PATIENCE).status_code == 401
