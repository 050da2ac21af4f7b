"""/api/claude/sessions: make a session, list sessions, end one, export one."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import url_for
from werkzeug.wrappers import Response

from opcode_htmx.api.rest.refusals import CANNOT_END, FORBIDDEN, NOT_FOUND
from opcode_htmx.api.schema import responses
from opcode_htmx.api.schema.chat_messages import NewChat
from opcode_htmx.api.schema.requests import ExportQuery
from opcode_htmx.api.service.chats import Chats, Summary
from opcode_htmx.sessions.export.exporter import MEDIA_TYPES, SessionExporter
from opcode_htmx.sessions.lookup import NoHistory
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.disposition import download
from opcode_htmx.web.rest.endpoint import Endpoint

TAG = "Chats"
ADDRESS = "/api/claude/sessions"


class ChatSessionsApi:
    def __init__(self, chats: Chats, exporter: SessionExporter) -> None:
        self._chats = chats
        self._exporter = exporter

    def endpoints(self) -> tuple[Endpoint, ...]:
        one = f"{ADDRESS}/{{session_id}}"
        return (
            Endpoint(
                method="POST",
                path=ADDRESS,
                tag=TAG,
                summary="Make a session, without a process until it is prompted",
                handler=self.create,
                response=responses.ChatSession,
                body=NewChat,
                refusals={403: FORBIDDEN},
                status=201,
            ),
            Endpoint(
                method="GET",
                path=ADDRESS,
                tag=TAG,
                summary="The sessions that were made here and those that have a run, newest first",
                handler=self.all,
                response=list[responses.ChatSession],
            ),
            Endpoint(
                method="GET",
                path=one,
                tag=TAG,
                summary="One session",
                handler=self.one,
                response=responses.ChatSession,
                refusals=NOT_FOUND,
            ),
            Endpoint(
                method="DELETE",
                path=one,
                tag=TAG,
                summary="End a session: answers when its processes are gone",
                handler=self.end,
                response=responses.EndedChat,
                refusals=CANNOT_END,
                description="Its history stays. A session that was never prompted is forgotten.",
            ),
            Endpoint(
                method="GET",
                path=f"{one}/export",
                tag=TAG,
                summary="A session as a file",
                handler=self.export,
                response=str,
                query=ExportQuery,
                refusals={**NOT_FOUND, 409: "Nothing has been said in it yet."},
                media=tuple(MEDIA_TYPES.values()),
            ),
        )

    def create(self, body: NewChat) -> responses.ChatSession:
        return _session(self._chats.summary(self._chats.create(body)))

    def all(self) -> list[responses.ChatSession]:
        return [_session(each) for each in self._chats.all()]

    def one(self, session_id: str) -> responses.ChatSession:
        return _session(self._chats.summary(self._chats.session_id(session_id)))

    def end(self, session_id: str) -> responses.EndedChat:
        found = self._chats.session_id(session_id)
        self._chats.end(found, current_identity())
        return responses.EndedChat(id=found, status="ended")

    def export(self, session_id: str, query: ExportQuery) -> Response:
        found = self._chats.session_id(session_id)
        if not self._chats.has_begun(found):
            raise NoHistory("Nothing has been said in this session yet.")
        project_id = self._chats.place(found).claude_folder
        file = self._exporter.export(project_id, found, query.format)
        return download(file.content, file.media_type, file.file_name)


def _session(found: Summary) -> responses.ChatSession:
    own = url_for("api.get_claude_sessions_session_id", session_id=found.id)
    page = url_for("session_page.session", project_id=found.project_id, session_id=found.id)
    return responses.ChatSession(
        id=found.id,
        title=found.title,
        workingDir=found.folder,
        status=found.status,
        createdAt=_time(found.created_at),
        lastActivity=_time(found.last_activity),
        links=responses.ChatLinks(self=own, chat=f"{own}/chat", export=f"{own}/export", page=page),
    )


def _time(seconds: float) -> str:
    """In ISO 8601, as the reference implementations write it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
