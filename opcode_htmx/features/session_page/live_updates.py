"""The page's socket: wait for a new snapshot, send the difference, advance the cursor.

It only reads; commands are POSTs. There is no queue: a slow viewer gets fewer and larger
differences, and one that was disconnected gets each changed block once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import gevent
from flask import request
from gevent.event import Event

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.features.session_page.snapshots import FrameScheduler, PageSnapshot, panel_digest
from opcode_htmx.lib.surrogates import encoded
from opcode_htmx.markup.addresses import loopback
from opcode_htmx.runs.policies.viewer_presence import ViewerPresence
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.views import SessionView
from opcode_htmx.transcript.conversation.cursor import Cursor
from opcode_htmx.web.auth.gate import login_id
from opcode_htmx.web.http.forms import previews_of
from opcode_htmx.web.origin import hosts
from opcode_htmx.web.websocket.registry import (
    POLICY_VIOLATION,
    SERVICE_RESTART,
    TextFrame,
    close,
    send_text,
)
from opcode_htmx.web.websocket.router import SocketRouter

if TYPE_CHECKING:  # imported with the first socket
    from simple_websocket import Server

HEARTBEAT_SECONDS = 15.0
"""Keeps proxies from closing the socket, and shows the page that it is connected."""


def register(
    router: SocketRouter,
    lookup: SessionLookup,
    viewers: ViewerPresence,
    frames: FrameScheduler,
) -> None:
    sockets = router.sockets

    @router.route("/projects/<project_id>/sessions/<session_id>/live")
    def live(ws: Server, project_id: str, session_id: str) -> None:
        from simple_websocket import ConnectionClosed

        sockets.add(ws, login_id())
        try:
            cursor = Cursor.parse(request.args.get("cursor", ""))
            view = lookup.read(project_id, session_id)
            if view.conversation.lacks(cursor):
                view = lookup.view(project_id, session_id, whole=True)
            view.learn()
            with viewers.viewing(session_id):
                _serve(ws, view, cursor, frames, request.args.get("panel", ""))
        except ConnectionClosed:
            pass  # the page is gone; it reconnects with its cursor
        except (sessions.ProjectNotFound, sessions.SessionNotFound):
            close(ws, POLICY_VIOLATION)  # reconnecting would not help
        finally:
            # 1000, the code of a handler that returns, would keep the page from reconnecting
            sockets.remove(ws, SERVICE_RESTART)


def _serve(
    ws: Server, view: SessionView, cursor: Cursor, frames: FrameScheduler, panel: str
) -> None:
    host = hosts.host_name(request.host) or ""
    wake = Event()
    reader = gevent.spawn(_read_until_closed, ws, wake)

    def goes_on() -> bool:
        return bool(ws.connected) and not view.conversation.gone

    try:
        for message in updates(frames, view, cursor, wake, goes_on, panel):
            send_text(ws, _for_host(message, host, view.address))
    finally:
        reader.kill()


def _for_host(message: TextFrame, host: str, address: str) -> TextFrame:
    """The message for the page at the path `address`, which was asked for by the name `host`."""
    if not loopback.may_be_in(message.frame):
        return message
    text = loopback.for_host(message.text, host, previews_of(address))
    return message if text == message.text else TextFrame(encoded(text))


def _read_until_closed(ws: Server, wake: Event) -> None:
    """Wake the viewer when its socket closes; ignore what the page sends."""
    from simple_websocket import ConnectionClosed

    try:
        while ws.connected:
            ws.receive()
    except (ConnectionClosed, OSError):
        pass
    finally:
        wake.set()


def updates(
    frames: FrameScheduler,
    view: SessionView,
    cursor: Cursor,
    wake: Event,
    while_: Callable[[], bool],
    panel: str = "",
) -> Iterator[TextFrame]:
    """The messages that bring a viewer at `cursor` up to date, each when it is due.

    `wake` is for this viewer alone; setting it checks `while_` again. `panel` is the digest of the
    elements around the transcript that the viewer has; the first message leaves them out if they
    are still the same.
    """
    had: PageSnapshot | None = None
    with frames.producing(view, wake) as producer:
        sent_at = time.monotonic()
        while while_() and not producer.over:
            wake.clear()
            snapshot = producer.snapshot
            if snapshot is not had and snapshot is not None:
                is_known = had is None and panel == panel_digest(snapshot.around)
                message = producer.message(snapshot, cursor, snapshot if is_known else had)
                had, cursor = snapshot, snapshot.cursor
                if snapshot.written_at is not None:
                    frames.rendered(time.time() - snapshot.written_at)
                sent_at = time.monotonic()
                yield message
            elif not wake.wait(max(0.0, sent_at + HEARTBEAT_SECONDS - time.monotonic())):
                sent_at = time.monotonic()
                yield frames.message("", [], cursor)
