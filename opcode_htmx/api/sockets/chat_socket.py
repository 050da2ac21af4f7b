"""/api/claude/sessions/<id>/chat: one session on one socket, in both directions.

The newest messages of the past come first; from there on the client reads the files at its own
pace.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path

import gevent
from simple_websocket import ConnectionClosed, Server

from opcode_htmx.api.schema.chat_messages import (
    FROM_CHAT,
    Beat,
    ChatCancel,
    ElicitationResponse,
    FromChat,
    PermissionResponse,
    Resize,
    UserMessage,
)
from opcode_htmx.api.service.chats import Chats
from opcode_htmx.api.service.session_lines import Item, SessionLines
from opcode_htmx.api.service.terminal_sizes import ResizeTerminals
from opcode_htmx.api.sockets.chat_events import ChatEventEncoder, Message
from opcode_htmx.api.sockets.incoming import object_in, one_of
from opcode_htmx.api.sockets.json_socket import (
    JsonWebSocket,
    error_message,
    serving,
    text_frame,
)
from opcode_htmx.api.sockets.stream_lines import stream_lines
from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.engines.claude.files.lineage import Lineage
from opcode_htmx.engines.claude.protocol import encoder, json_lines
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer, yielding
from opcode_htmx.lib.surrogates import json_bytes
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.web.http.errors import details_of
from opcode_htmx.web.websocket.registry import POLICY_VIOLATION, OpenSockets
from opcode_htmx.web.websocket.router import SocketRouter

BACKLOG = 200
"""How many messages of the past a client gets."""
PING_SECONDS = 30.0
CHECK_SECONDS = 15.0
"""How often a chat checks whether its session was deleted."""
OVER = 1000
WHERE = "in a chat"


def register(
    router: SocketRouter,
    sockets: OpenSockets,
    chats: Chats,
    refusals: tuple[type[Exception], ...],
    resize: ResizeTerminals,
) -> None:
    """Add the route. `refusals` are the exceptions whose text is for the client."""

    @router.route("/api/claude/sessions/<session_id>/chat")
    def chat(ws: Server, session_id: str) -> None:
        with serving(ws, sockets, WHERE) as wire:
            try:
                ChatSocket(wire, chats, chats.session_id(session_id), refusals, resize).serve()
            except sessions.SessionNotFound as error:
                wire.close_with(POLICY_VIOLATION, str(error))


def beat(wire: JsonWebSocket, every: float = PING_SECONDS) -> None:
    """Ping the client until it is gone."""
    try:
        while wire.open:
            gevent.sleep(every)
            wire.send(type="ping")
    except ConnectionClosed:
        pass


class ChatSocket:
    """One client of one session."""

    def __init__(
        self,
        wire: JsonWebSocket,
        chats: Chats,
        session_id: str,
        refusals: tuple[type[Exception], ...],
        resize: ResizeTerminals,
    ) -> None:
        self._wire = wire
        self._resize = resize
        self._chats = chats
        self._supervisor = chats.supervisor
        self._session_id = session_id
        self._refusals: tuple[type[Exception], ...] = refusals
        self._own: set[str] = set()
        """The ids of the prompts that came over this socket, which are not repeated to it."""

    def serve(self) -> None:
        """Send messages and carry out commands until the client goes. Raises ConnectionClosed."""
        about = self._chats.summary(self._session_id)
        self._wire.send(
            type="connected",
            sessionId=self._session_id,
            title=about.title,
            workingDir=about.folder,
            status=about.status,
        )
        follower, pulse = gevent.spawn(self._follow), gevent.spawn(beat, self._wire)
        try:
            while True:
                self._handle(self._wire.receive())
        finally:
            gevent.killall([follower, pulse])

    # --- from the client --------------------------------------------------------------------

    def _handle(self, text: str | bytes) -> None:
        try:
            self._carry_out(one_of(FROM_CHAT, "type", object_in(text)))
        except self._refusals as error:
            about = {"sessionId": self._session_id, **details_of(error)}
            self._wire.send(**error_message(str(error), "content", **about))

    def _carry_out(self, message: FromChat) -> None:
        match message:
            case UserMessage():
                prompt_id = message.prompt_id or str(uuid.uuid4())
                self._own.add(prompt_id)
                self._chats.prompt(
                    self._session_id, message.content, prompt_id, message, self._wire.by
                )
            case PermissionResponse():
                run = self._chats.runs.newest_run(self._session_id)
                if message.allow:
                    run.allow(message.request_id, by=self._wire.by)
                else:
                    run.deny(
                        message.request_id, message.message or encoder.DENIED, by=self._wire.by
                    )
            case ElicitationResponse():
                run = self._chats.runs.newest_run(self._session_id)
                run.answer_elicitation(
                    message.request_id, message.action, message.content, by=self._wire.by
                )
            case ChatCancel():
                self._chats.runs.newest_run(self._session_id).stop(by=self._wire.by)
            case Resize():
                count = self._resize(self._session_id, message.cols, message.rows, self._wire.by)
                self._wire.send(
                    type="resized",
                    sessionId=self._session_id,
                    cols=message.cols,
                    rows=message.rows,
                    terminals=count,
                )
            case Beat(type="ping"):
                self._wire.send(type="pong")
            case Beat():
                pass

    # --- to the client ----------------------------------------------------------------------

    def _follow(self) -> None:
        events = ChatEventEncoder(self._session_id)
        lines = SessionLines(self._supervisor, self._session_id, needs_messages=True)

        def frames(item: Item) -> Iterator[bytes]:
            for message in events.messages(item):
                if message.get("promptId") not in self._own:
                    yield _frame(message)

        def goes_on() -> bool:
            return not self._chats.is_gone(self._session_id)

        try:
            with self._supervisor.viewers.viewing(self._session_id):
                self._send_backlog(lines, events)
                stream_lines(self._wire, lines, frames, goes_on, CHECK_SECONDS)
            if self._wire.open:
                words = "The session was ended before its first prompt, or deleted."
                gone = {"type": "ended", "outcome": "gone", "content": words}
                self._wire.send(**gone, sessionId=self._session_id)
                self._wire.close(OVER)
        except ConnectionClosed:
            pass
        except Exception:
            self._wire.fail(WHERE)
        finally:
            lines.close()

    def _send_backlog(self, lines: SessionLines, events: ChatEventEncoder) -> None:
        """Send the newest messages of the past, and the number of those before them."""
        newest: deque[Message] = deque(maxlen=BACKLOG)
        count = 0
        of_runs = (events.messages(item) for item in lines.read())
        slicer = TimeSlicer()
        for messages in chain(self._history(events), of_runs):
            for message in messages:
                newest.append(message)
                count += 1
            slicer.step()
        open_asks = [ask for ask in events.asks.values() if ask not in newest]
        sent = [*newest, *open_asks]
        backlog: Message = {"type": "backlog", "skipped": count - len(sent), "count": len(sent)}
        first = {**backlog, "sessionId": self._session_id}
        self._wire.write(map(_frame, [first, *sent, *events.go_live()]))

    def _history(self, events: ChatEventEncoder) -> Iterator[Iterator[Message]]:
        """The messages from before the first run that is still here."""
        path = self._chats.history_file(self._session_id)
        if path is None:
            return
        left = _taken_back(path)
        reader = LineReader(path)
        for run in self._supervisor.of_session(self._session_id)[:1]:
            reader.limit(run.record.history_start)
        for line in reader.read():
            if not left or json_lines.uuid_of(line.data) not in left:
                yield events.line(line.data)


def _taken_back(path: Path) -> Collection[str]:
    """The uuids of the history entries that are not on Claude's current branch."""
    lineage = Lineage()
    for line in yielding(LineReader(path).read()):
        if found := json_lines.read(line.data):
            lineage.add(found.content)
    return lineage.left(lineage.leaf).keys()


def _frame(message: Message) -> bytes:
    return text_frame(json_bytes(message))
