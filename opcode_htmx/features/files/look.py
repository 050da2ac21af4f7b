"""What the page of a file shows."""

from __future__ import annotations

import os
import posixpath
import stat
from typing import BinaryIO
from urllib.parse import quote

from flask import url_for
from markupsafe import Markup

from opcode_htmx.features.files.changing.edits import MOST_EDITED
from opcode_htmx.features.files.documents import renderer
from opcode_htmx.features.files.documents.renderer import NotDrawn, Outline, RendererBusy
from opcode_htmx.features.files.shown import kinds, lines, notebooks, tables
from opcode_htmx.features.files.shown.kinds import Kind
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.tree import text
from opcode_htmx.lib.tree.names import Names, text_of
from opcode_htmx.markup.addresses.places import SAFE, path_of
from opcode_htmx.markup.growing.incremental_markdown import render_complete
from opcode_htmx.markup.markdown_parser import anchor_of
from opcode_htmx.rendering.cards.parts import ColouredText

MOST_MARKDOWN = 300_000
"""Bytes; a longer text is shown as its source."""
HEX_BYTES = 512
_HEX_ROW = 8


@dataclass(frozen=True, slots=True)
class FileView:
    """One file. Exactly one of the last members has what is shown of it, if anything can be."""

    names: Names
    kind: Kind
    size: int
    changed_at: float
    is_executable: bool
    links: int
    """The number of its names on the disk."""
    has_source: bool
    """Whether it can be shown as what it is, and as its source."""
    can_edit: bool
    is_raw: bool = False
    """Whether the browser shows it from its own address: an image, a sound, a film."""
    part: lines.TextPart | None = None
    html: Markup | None = None
    table: tables.Table | None = None
    notebook: ColouredText | None = None
    document: Outline | None = None
    problem: str = ""
    """Why a document is not shown."""
    hex_rows: tuple[str, ...] = ()


def look(
    project_id: str, names: Names, file: BinaryIO, *, source: bool, line: int, page: int = 1
) -> FileView:
    """Read a file as far as its page shows it. `source`: any kind of file as text.

    `page`: of a document; the part that has it is shown.
    """
    status = os.fstat(file.fileno())
    head = run_in_thread(file.read, kinds.HEAD) or b""
    kind = kinds.kind_of(head, names[-1], status.st_size)
    has_source = kind.is_text and kind.name != "text"

    def view(**shown: object) -> FileView:
        return FileView(
            names=names,
            kind=kind,
            size=status.st_size,
            changed_at=status.st_mtime,
            is_executable=bool(status.st_mode & stat.S_IXUSR),
            links=status.st_nlink,
            has_source=has_source,
            can_edit=kind.is_text and status.st_size <= MOST_EDITED,
            **shown,  # type: ignore[arg-type]
        )

    if not kind.is_text or (kind.name == "image" and not source):
        if kind.is_shown_image or kind.name in ("audio", "video"):
            return view(is_raw=True)
        if kind.name == "pdf":
            try:
                return view(document=renderer.outline(file, page))
            except (NotDrawn, RendererBusy) as error:
                return view(problem=str(error))
        return view(hex_rows=tuple(_hex(head[:HEX_BYTES])))
    if not source:
        if (html := _markdown(project_id, names, file, kind, status.st_size)) is not None:
            return view(html=html)
        if kind.name == "table" and (table := _again(file, tables.table, kind.separator)):
            return view(table=table)
        if kind.name == "notebook" and (notebook := _again(file, notebooks.notebook)):
            return view(notebook=notebook)
    file.seek(0)
    part = lines.part(file, status.st_size, names[-1], line)
    return view(part=part) if part else view(hex_rows=tuple(_hex(head[:HEX_BYTES])))


def _again(file: BinaryIO, read: object, *arguments: object) -> object:
    file.seek(0)
    return read(file, *arguments)  # type: ignore[operator]


def _markdown(
    project_id: str, names: Names, file: BinaryIO, kind: Kind, size: int
) -> Markup | None:
    if kind.name != "markdown" or size > MOST_MARKDOWN:
        return None
    file.seek(0)
    decoded = text.decode(run_in_thread(file.read, MOST_MARKDOWN + 1) or b"")
    if decoded is None:
        return None
    return render_complete(text.normalized(decoded.text), places=OfFile(project_id, names[:-1]))


class OfFile:
    """Where the links of a Markdown file lead: they are relative to its folder."""

    has_anchors = True

    def __init__(self, project_id: str, folder: Names) -> None:
        self._open = url_for("files.open_named", project_id=project_id)
        self._raw = url_for("files.raw", project_id=project_id)
        self._folder = "/".join(folder)

    def link(self, address: str) -> str:
        """The page that finds a file, and a heading in it; or a heading of this one."""
        address, _, anchor = address.partition("#")
        if not address:
            return f"#{_anchor(anchor)}" if anchor else ""
        if not (path := self._path(address)):
            return ""
        if anchor.startswith("L") and anchor[1:2].isdigit():
            return f"{self._open}?path={path}:{anchor[1:].partition('-')[0]}"
        return f"{self._open}?path={path}" + (f"#{_anchor(anchor)}" if anchor else "")

    def image(self, address: str) -> str:
        """The image itself."""
        path = self._path(address.partition("#")[0].partition("?")[0])
        return f"{self._raw}?path={path}" if path else ""

    def _path(self, address: str) -> str:
        """The path from the project's folder on, escaped; empty if it leads out of it."""
        path = path_of(address)
        if not path:
            return ""
        below = path.lstrip("/") if path.startswith("/") else posixpath.join(self._folder, path)
        found = posixpath.normpath(below)
        if found in (".", "..") or found.startswith("../"):
            return ""
        return quote(text_of(tuple(found.split("/"))), safe=SAFE)


def _anchor(anchor: str) -> str:
    """The id of the heading that a link names, escaped."""
    return quote(anchor_of(anchor.replace("-", " ")), safe="-")


def _hex(content: bytes) -> list[str]:
    """Rows of an offset, eight bytes, and the same as ASCII; a phone is as wide as one."""
    rows = []
    for offset in range(0, len(content), _HEX_ROW):
        row = content[offset : offset + _HEX_ROW]
        letters = "".join(chr(each) if 32 <= each < 127 else "." for each in row)
        rows.append(f"{offset:04x}  {row.hex(' '):<23}  {letters}")
    return rows
