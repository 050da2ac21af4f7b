"""A whole session as a file to take along: Markdown, HTML, or Claude's own lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from flask import Response, send_file, stream_template

from ..hub import paced
from ..view import source
from ..view.blocks import Block
from ..view.export import POLICY, WholeBlocks, style_address, with_parts
from ..view.screens import Screen, Screens
from .disposition import save_as
from .pages import SessionLookup, title_of

_NO_WORD = re.compile(r"[^A-Za-z0-9]+")

STYLES = ("style.css", "session.css")

NO_FOLDER = "a folder that is not known"
NOTHING_NOTED = "Claude has noted nothing of this session yet. Try again in a moment."


class NoHistory(Exception):
    """There is no history file yet, and without it this cannot be done."""


class Exports:
    def __init__(self, lookup: SessionLookup, screens: Screens, static: Path) -> None:
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
            source.document(name, screen.folder or NO_FOLDER, blocks), "text/markdown", name, ending
        )

    def _opened(self, project_id: str, session_id: str) -> tuple[Screen, list[Block]]:
        screen = self._lookup.screen(project_id, session_id)
        screen.conversation.refresh()
        return screen, list(screen.conversation.blocks())

    def _html(self, screen: Screen, name: str, blocks: list[Block]) -> Iterator[str]:
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
    response = Response(paced(pieces), mimetype=mimetype)
    save_as(response, _file_name(name, ending))
    return response


def _file_name(title: str, ending: str) -> str:
    plain = _NO_WORD.sub("-", title).strip("-")[:60] or "session"
    return f"{plain}.{ending}"
