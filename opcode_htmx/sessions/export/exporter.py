"""Export a whole session: its file name, its media type, and its content in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.sessions.lookup import (
    NOTHING_NOTED,
    NoHistory,
    SessionLookup,
    title_of,
)
from opcode_htmx.sessions.views import SessionView, SessionViews
from opcode_htmx.transcript.blocks import Block

Format = Literal["md", "html", "jsonl"]

MEDIA_TYPES: dict[Format, str] = {
    "md": "text/markdown",
    "html": "text/html",
    "jsonl": "application/x-ndjson",
}
STYLES = ("style.css", "session.css")
NO_FOLDER = "a folder that is not known"

_NOT_ALPHANUMERIC = late_pattern(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class ExportedSession:
    """A session as a file: pieces of text, made as they are read, or a file that exists."""

    file_name: str
    media_type: str
    content: Iterator[str] | Path


class SessionExporter:
    def __init__(self, lookup: SessionLookup, views: SessionViews, static: Path) -> None:
        """`static` is the folder of the stylesheets, which are put into an HTML file."""
        self._lookup = lookup
        self._views = views
        self._static = static

    def export(self, project_id: str, session_id: str, format_: Format) -> ExportedSession:
        """Raises ProjectNotFound, SessionNotFound, NoHistory."""
        if format_ == "jsonl":
            return self._history_file(project_id, session_id)
        from opcode_htmx.rendering import to_markdown  # not at each start

        view = self._lookup.read(project_id, session_id, whole=True)
        blocks = list(view.conversation.blocks())
        title = self._lookup.title(project_id, session_id) or title_of(blocks)
        pieces = (
            self._html(view, title, blocks)
            if format_ == "html"
            else to_markdown.document(title, view.folder or NO_FOLDER, blocks)
        )
        return _exported(title, format_, pieces)

    def _html(self, view: SessionView, title: str, blocks: list[Block]) -> Iterator[str]:
        from opcode_htmx.sessions.export import standalone_html

        environment = self._views.environment
        return environment.get_template("export.html").generate(
            title=title,
            folder=view.folder or NO_FOLDER,
            blocks=standalone_html.with_parts(blocks),
            render=standalone_html.WholeBlocks(environment, view.folder).block,
            policy=standalone_html.POLICY,
            style=standalone_html.style_address(self._static / each for each in STYLES),
        )

    def _history_file(self, project_id: str, session_id: str) -> ExportedSession:
        path = self._lookup.history_file(project_id, session_id)
        if path is None:
            raise NoHistory(NOTHING_NOTED)
        title = self._lookup.title(project_id, session_id) or session_id
        return _exported(title, "jsonl", path)


def _exported(title: str, format_: Format, content: Iterator[str] | Path) -> ExportedSession:
    name = _NOT_ALPHANUMERIC.sub("-", title).strip("-")[:60] or "session"
    return ExportedSession(f"{name}.{format_}", MEDIA_TYPES[format_], content)
