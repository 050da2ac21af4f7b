"""A whole session as a file to take along: Markdown, HTML, or Claude's own lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from flask import Response, send_file, stream_template

from opcode_htmx.features.session_admin.standalone_html import (
    POLICY,
    WholeBlocks,
    style_address,
    with_parts,
)
from opcode_htmx.lib.cooperative import yielding
from opcode_htmx.rendering import to_markdown
from opcode_htmx.sessions.lookup import (
    NOTHING_NOTED,
    NoHistory,
    SessionLookup,
    title_of,
)
from opcode_htmx.sessions.views import SessionView, SessionViews
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.web.http.disposition import save_as

_NO_WORD = re.compile(r"[^A-Za-z0-9]+")

STYLES = ("style.css", "session.css")

NO_FOLDER = "a folder that is not known"


class Exports:
    def __init__(self, lookup: SessionLookup, screens: SessionViews, static: Path) -> None:
        """`static` is the folder of the stylesheets, which an HTML file takes along."""
        self._lookup = lookup
        self._screens = screens
        self._static = static

    def of(self, project_id: str, session_id: str, ending: str) -> Response:
        """The session in the form that `ending` names: md, html or jsonl.

        Raises ProjectNotFound, SessionNotFound, NoHistory.
        """
        if ending == "jsonl":
            return self._jsonl(project_id, session_id)
        screen, blocks = self._opened(project_id, session_id)
        name = self._lookup.title(project_id, session_id) or title_of(blocks)
        if ending == "html":
            return _download(self._html(screen, name, blocks), "text/html", name, ending)
        return _download(
            to_markdown.document(name, screen.folder or NO_FOLDER, blocks),
            "text/markdown",
            name,
            ending,
        )

    def _opened(self, project_id: str, session_id: str) -> tuple[SessionView, list[Block]]:
        screen = self._lookup.screen(project_id, session_id)
        screen.conversation.refresh()
        return screen, list(screen.conversation.blocks())

    def _html(self, screen: SessionView, name: str, blocks: list[Block]) -> Iterator[str]:
        return stream_template(
            "export.html",
            title=name,
            folder=screen.folder or NO_FOLDER,
            blocks=with_parts(blocks),
            render=WholeBlocks(self._screens.environment, screen.folder).block,
            policy=POLICY,
            style=style_address(self._static / each for each in STYLES),
        )

    def _jsonl(self, project_id: str, session_id: str) -> Response:
        path = self._lookup.history_file(project_id, session_id)
        if path is None:
            raise NoHistory(NOTHING_NOTED)
        name = self._lookup.title(project_id, session_id) or session_id
        return send_file(
            path,
            mimetype="application/x-ndjson",
            as_attachment=True,
            download_name=_file_name(name, "jsonl"),
            max_age=0,
        )


def _download(pieces: Iterator[str], mimetype: str, name: str, ending: str) -> Response:
    response = Response(yielding(pieces), mimetype=mimetype)
    save_as(response, _file_name(name, ending))
    return response


def _file_name(title: str, ending: str) -> str:
    plain = _NO_WORD.sub("-", title).strip("-")[:60] or "session"
    return f"{plain}.{ending}"
