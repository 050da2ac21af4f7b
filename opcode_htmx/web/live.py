"""The page's socket: wait until there is more to see, send the difference, move the cursor.

It only reads; commands are POSTs. There is no queue: a viewer that is slow gets fewer and larger
differences, and one that was away gets each changed block once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import gevent
from flask import render_template, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server

from ..claude import sessions
from ..runs.leaving import Leaving
from ..view.conversation import Cursor
from ..view.screens import Screen
from .access import login_id
from .pages import SessionLookup
from .sockets import POLICY_VIOLATION, SERVICE_RESTART, OpenSockets, close

FRAME_SECONDS = 0.04
HEARTBEAT_SECONDS = 15.0
"""Keeps proxies from dropping the socket, and tells the page that it is not cut off."""

LOOK_ROUND_SECONDS = 3.0
"""How often a viewer looks at what nobody tells it of."""


def register(sock: Sock, lookup: SessionLookup, sockets: OpenSockets, leaving: Leaving) -> None:
    @sock.route("/projects/<project_id>/sessions/<session_id>/live")  # type: ignore[untyped-decorator]
    def live(ws: Server, project_id: str, session_id: str) -> None:
        sockets.add(ws, login_id())
        try:
            screen = lookup.screen(project_id, session_id)
            with leaving.viewing(session_id):
                _serve(ws, screen)
        except ConnectionClosed:
            pass  # the phone has gone; it comes back with its cursor
        except (sessions.ProjectNotFound, sessions.SessionNotFound):
            close(ws, POLICY_VIOLATION)  # to come back would not help
        finally:
            sockets.remove(ws)
            # 1000, the code of a handler that returns, would tell the page not to come back
            close(ws, SERVICE_RESTART)


def _serve(ws: Server, screen: Screen) -> None:
    cursor = Cursor.parse(request.args.get("cursor", ""))
    reader = gevent.spawn(_read_until_closed, ws, screen)

    def goes_on() -> bool:
        return bool(ws.connected) and not screen.conversation.gone

    try:
        for message in updates(screen, cursor, while_=goes_on):
            _send(ws, message)
    finally:
        reader.kill()


def _send(ws: Server, message: str) -> None:
    try:
        ws.send(message)
    except OSError as error:
        raise ConnectionClosed from error


def _read_until_closed(ws: Server, screen: Screen) -> None:
    """Wake the viewer when its socket closes; what the page sends means nothing."""
    try:
        while ws.connected:
            ws.receive()
    except (ConnectionClosed, OSError):
        pass
    finally:
        screen.conversation.changed.notify()


def updates(screen: Screen, cursor: Cursor, while_: Callable[[], bool]) -> Iterator[str]:
    """The messages that bring a viewer at `cursor` up to date, each when it is due."""
    conversation = screen.conversation
    shown: dict[str, str] = {}
    while while_():
        began = time.monotonic()
        seen = conversation.changed.version
        conversation.refresh()
        fragments = screen.fragments.changes(conversation.changes_since(cursor))
        newer = conversation.cursor
        needed = screen.needs()  # asked first: what changes while the rest is made is seen below
        elements = screen.aside()
        around = [html for name, html in elements.items() if shown.get(name) != html]
        if fragments or around or newer != cursor:
            cursor, shown = newer, {**elements}
            yield _message(fragments, around, cursor)
        # Changes gather for a frame, so that a flood is a few large messages
        gevent.sleep(max(0.0, began + FRAME_SECONDS - time.monotonic()))
        spoke = time.monotonic()
        while conversation.changed.wait(seen, LOOK_ROUND_SECONDS) == seen and while_():
            # What a terminal adds to the session meanwhile, and what happens in other sessions,
            # is told by nobody
            conversation.refresh()
            if conversation.cursor != cursor or needed != screen.needs():
                break
            if time.monotonic() - spoke >= HEARTBEAT_SECONDS:
                spoke = time.monotonic()
                yield _message("", [], cursor)


def _message(fragments: str, around: Sequence[str], cursor: Cursor) -> str:
    return render_template(
        "update.html", fragments=fragments, around=around, cursor=cursor, now=time.time()
    )
