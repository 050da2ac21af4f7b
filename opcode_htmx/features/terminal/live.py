"""The socket of a terminal's viewer: output at the viewer's pace, and what is typed.

Messages to the page are binary: a letter (see lib/pty/records.py), the cursor behind it as a
float64, and the content; before them comes one JSON text, `{"head": offset}`. The page sends what
is typed as binary messages, and JSON texts: `{"size": [columns, rows]}`, `{"seen": offset}` once it
has shown the output up to there, `{"answer": text}` for what its terminal says by itself.

A viewer is sent no more than WINDOW bytes that it has not shown yet. One that falls behind in a
flood goes on at the newest segment, with a fresh screen.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import struct
import time
from itertools import groupby
from typing import TYPE_CHECKING

import gevent
from flask import request
from gevent.queue import Queue

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.pty import messages
from opcode_htmx.lib.pty.records import Damaged, Kind, Record
from opcode_htmx.lib.pty.segments import SegmentReader
from opcode_htmx.lib.surrogates import json_bytes
from opcode_htmx.sessions.terminals.model import NoSuchTerminal, TerminalEnded, TerminalsOff
from opcode_htmx.sessions.terminals.pipes import Keyboard
from opcode_htmx.sessions.terminals.services import TerminalServices
from opcode_htmx.web.auth.gate import current_identity, login_id
from opcode_htmx.web.http.forms import whole_number
from opcode_htmx.web.websocket.registry import NORMAL, POLICY_VIOLATION, SERVICE_RESTART, close
from opcode_htmx.web.websocket.router import SocketRouter

if TYPE_CHECKING:  # imported with the first socket
    from simple_websocket import Server

log = logging.getLogger(__name__)

WINDOW = 256 * 1024
READ_BYTES = 64 * 1024
MOST_BEHIND = 2
"""Segments that a viewer may be behind, once it has caught up for the first time."""
HEARTBEAT_SECONDS = 15.0
YOUNG_SECONDS = 10.0
"""A program that has just started still waits for the answers to what it has asked its terminal."""
_HEAD = struct.Struct(">cd")
MOST_TYPED = 64
"""Messages of a page that the program has not read yet; then no more are taken."""


def register(router: SocketRouter, services: TerminalServices) -> None:
    sockets = router.sockets

    @router.route("/terminal/<terminal_id>/live")
    def terminal_output(ws: Server, terminal_id: str) -> None:
        from simple_websocket import ConnectionClosed

        sockets.add(ws, login_id())
        code = SERVICE_RESTART
        try:
            services.allow(current_identity())
            cursor = whole_number(request.args.get("cursor", ""), digits=15)
            if _serve(ws, services, terminal_id, cursor):
                code = NORMAL
        except (ConnectionClosed, ConnectionError):
            pass  # the page is gone; it reconnects with its cursor
        except (NoSuchTerminal, TerminalsOff):
            close(ws, POLICY_VIOLATION)
        finally:
            sockets.remove(ws, code)


def _serve(ws: Server, services: TerminalServices, terminal_id: str, cursor: int | None) -> bool:
    """Serve one viewer; whether it has seen the end. Raises ConnectionClosed, NoSuchTerminal."""
    terminal = services.terminals.get(terminal_id)
    output = services.terminals.output_of(terminal_id)
    is_young = time.time() - terminal.record.created_at < YOUNG_SECONDS
    known = cursor is not None and cursor <= terminal.end_of_output
    ws.send(json_bytes({"head": 0 if is_young else terminal.end_of_output}).decode())
    with services.watch.watching(output) as changes:
        viewer = Viewer(ws, SegmentReader(output, (cursor or 0) if known else 0), changes)
        if known:
            viewer.continues()
        try:
            keyboard = Keyboard(output.parent, secrets.token_bytes(messages.VIEWER_BYTES))
        except TerminalEnded:
            return viewer.send_output(None)
        with contextlib.closing(keyboard):
            greenlets = [gevent.spawn(viewer.listen, keyboard), gevent.spawn(viewer.type, keyboard)]
            try:
                return viewer.send_output(keyboard)
            finally:
                gevent.killall(greenlets)


class Viewer:
    """One page that shows a terminal."""

    def __init__(self, ws: Server, reader: SegmentReader, changes: Broadcast) -> None:
        self._ws = ws
        self._reader = reader
        self._changes = changes
        self._shown = reader.offset
        """What the page has shown; it has been sent what lies before the reader's offset."""
        self._is_fresh = True
        """Whether the page needs the state of the terminal before anything else."""
        self._is_at_records = True
        """Whether what is read has begun where a record does: what is none then is damaged."""
        self._catches_up = True
        """Whether the page has not shown yet what was there when it came."""
        self._is_damaged = False
        """Whether the log says so."""
        self._typed: Queue[bytes] = Queue(MOST_TYPED)

    def continues(self) -> None:
        """The page still has the screen of its cursor."""
        self._is_fresh = self._is_at_records = False

    # --- to the page ------------------------------------------------------------------------

    def send_output(self, keyboard: Keyboard | None) -> bool:
        """Send what there is and what comes, until the end, or until the page goes.

        Without a keyboard the terminal has ended. Whether all was sent. Raises ConnectionClosed.
        """
        lacks_part = False
        while self._ws.connected:
            version = self._changes.version
            if self._reader.offset - self._shown < WINDOW:
                found = self._next()
                if not found and (keyboard is None or not keyboard.is_live()):
                    found = self._next()  # what was written just before
                    if not found:
                        return True
                self._send(found)
                if found and found[-1].kind is Kind.END:
                    return True
                lacks_part |= any(_is_cut(each) for each in found)
                if found:
                    continue
                self._catches_up = False
                if lacks_part and keyboard:
                    # The screen lacks what an editor has drawn earlier
                    keyboard.order(messages.redraw())
                    lacks_part = False
            if self._changes.wait(version, HEARTBEAT_SECONDS) == version:
                self._ws.send("{}")
        return False

    def _next(self) -> list[Record]:
        """The next records; those of the newest segment after a gap, or far behind.

        Behind a damaged one, those of the next segment once it has begun: until then none.
        With a cursor that is none, those of the newest segment.
        """
        is_behind = not self._catches_up and self._reader.segments_ahead() > MOST_BEHIND
        try:
            found, gap = ([], True) if is_behind else self._reader.read(READ_BYTES)
            if gap and not self._is_fresh:
                found = self._of_newest()
            elif gap:
                self._shown = found[0].end if found else self._reader.offset
        except Damaged as error:
            try:
                # A wrong cursor is in the middle of a record
                can_go_on = self._reader.segments_ahead() or not self._is_at_records
                found = self._of_newest() if can_go_on else []
            except Damaged:
                found = []
            self._log_damage(error)
        return found

    def _of_newest(self) -> list[Record]:
        """The first records of the newest segment, with a fresh screen. Raises Damaged."""
        self._is_fresh = self._is_at_records = True
        self._reader.skip_to_newest()
        self._shown = self._reader.offset
        return self._reader.read(READ_BYTES)[0]

    def _log_damage(self, error: Damaged) -> None:
        if not self._is_damaged:
            log.warning("the output of a terminal is damaged at %d: %s", self._reader.offset, error)
        self._is_damaged = True

    def _send(self, found: list[Record]) -> None:
        for kind, group in groupby(found, key=lambda each: each.kind):
            several = list(group)
            content = b"".join(each.content for each in several)
            if kind is Kind.STATE:
                if not self._is_fresh:
                    continue
                self._is_fresh, content = False, several[0].content
            elif kind is Kind.SIZE:
                content = several[-1].content
            self._ws.send(_HEAD.pack(kind.value, several[-1].end) + content)

    # --- from the page ----------------------------------------------------------------------

    def listen(self, keyboard: Keyboard) -> None:
        """Take messages of the page until it goes."""
        from simple_websocket import ConnectionClosed

        try:
            while self._ws.connected:
                message = self._ws.receive()
                if isinstance(message, bytes):
                    self._typed.put(message)
                elif message:
                    self._obey(message, keyboard)
        except (ConnectionClosed, OSError, TerminalEnded):
            pass
        finally:
            self._changes.notify()

    def type(self, keyboard: Keyboard) -> None:
        """Type what has come, as fast as the program reads, and report to the page how much it was.

        A page sends no more than the room that was reported to it, so that its other messages are
        not held up.
        """
        from simple_websocket import ConnectionClosed

        count = 0
        try:
            while True:
                data = self._typed.get()
                keyboard.type(data)
                count += len(data)
                self._ws.send(json_bytes({"took": count}).decode())
        except (ConnectionClosed, OSError, TerminalEnded):
            pass

    def _obey(self, text: str, keyboard: Keyboard) -> None:
        try:
            message = bounded_json.loads(text, levels=4)
        except ValueError:
            return
        match message:
            case {"seen": int(offset)} if 0 <= offset <= self._reader.offset:
                self._shown = max(self._shown, offset)
                keyboard.order(messages.seen(offset))
                self._changes.notify()
            case {"size": [int(columns), int(rows)]}:
                keyboard.resize(columns, rows)
            case {"answer": str(answer)}:
                keyboard.answer(answer.encode("utf-8", "replace"))


def _is_cut(record: Record) -> bool:
    """Whether a record is a state with modes that were set before what is kept."""
    return record.kind is Kind.STATE and bool(record.restores)
