"""/api/claude/sessions: make a session, list them, end one, take one along."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from opcode_htmx.api.schema.envelope import answer, body, query
from opcode_htmx.api.schema.requests import NewChat
from opcode_htmx.api.schema.responses import ExportQuery
from opcode_htmx.api.service.chats import Chats, Summary
from opcode_htmx.features.session_admin.exports import Exports
from opcode_htmx.sessions.lookup import NoHistory


def blueprint(chats: Chats, exports: Exports) -> Blueprint:
    chat = Blueprint("chat", __name__, url_prefix="/api/claude/sessions")

    @chat.post("")
    def create() -> Response:
        session_id = chats.create(body(NewChat))
        return answer(told(chats.summary(session_id)), 201)

    @chat.get("")
    def every() -> Response:
        return answer([told(each) for each in chats.all()])

    @chat.get("/<session_id>")
    def one(session_id: str) -> Response:
        return answer(told(chats.summary(chats.session_id(session_id))))

    @chat.delete("/<session_id>")
    def end(session_id: str) -> Response:
        found = chats.session_id(session_id)
        chats.end(found)
        return answer({"id": found, "status": "ended"})

    @chat.get("/<session_id>/export")
    def export(session_id: str) -> Response:
        found, wanted = chats.session_id(session_id), query(ExportQuery)
        if not chats.has_begun(found):
            raise NoHistory("Nothing has been said in this session yet.")
        return exports.of(chats.place(found).claude_folder, found, wanted.format)

    return chat


def told(session: Summary) -> dict[str, object]:
    """What a client is told of a session."""
    here = url_for("chat.one", session_id=session.id)
    page = url_for("session_page.session", project_id=session.project_id, session_id=session.id)
    return {
        "id": session.id,
        "title": session.title,
        "workingDir": session.folder,
        "status": session.status,
        "createdAt": _time(session.created_at),
        "lastActivity": _time(session.last_activity),
        "links": {
            "self": here,
            "chat": f"{here}/chat",
            "export": f"{here}/export",
            "page": page,
        },
    }


def _time(seconds: float) -> str:
    """In ISO 8601, as the reference implementations write it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
