"""Find the file that a text of Claude's names: by the folder in which the session worked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from opcode_htmx.engines.claude.files.sessions import (
    ProjectNotFound,
    SessionNotFound,
    SeveralProjects,
)
from opcode_htmx.features.files.places import FilesClosed, ProjectPlaces
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.tree.names import FileRefused, Names, names_of
from opcode_htmx.lib.tree.tree import FileMissing
from opcode_htmx.sessions.locations import SessionLocations

_LINES = late_pattern(r"(?::(\d{1,7})(?:[-:](\d{1,7}))?|#L(\d{1,7})(?:-L?(\d{1,7}))?)\Z")
_TAIL = 1_000_000
"""Bytes at the end of a history file in which the last working folders are looked for."""
_CWD = late_pattern(rb'"cwd":("(?:[^"\\]|\\.){1,4096}")')
_MOST_FOLDERS = 20


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a project; `line` and `end` are 0 where none were named."""

    project_id: str
    names: Names
    line: int = 0
    end: int = 0


class NamedFiles:
    """Finds files by what texts call them."""

    def __init__(self, places: ProjectPlaces, locations: SessionLocations) -> None:
        self._places = places
        self._locations = locations

    def find(self, project_id: str, session_id: str, text: str) -> Found | None:
        """The file or folder that a text of a session names; None if there is none.

        A relative path is looked for where Claude worked last, then in the folders before, where
        the session began, and in the project. Raises ProjectNotFound.
        """
        path, line, end = split(text)
        for each, where in ((text, (0, 0)), (path, (line, end)), (text.rpartition("#")[0], (0, 0))):
            for full in self._candidates(project_id, session_id, each):
                if found := self._existing(full, project_id):
                    return Found(*found, *where)
        return None

    def _candidates(self, project_id: str, session_id: str, path: str) -> Iterator[Path]:
        if not path or "\0" in path:
            return
        expanded = str(Path(path).expanduser()) if path.startswith("~/") else path
        folders = list(dict.fromkeys(self._folders(project_id, session_id)))
        if expanded.startswith("/"):
            yield Path(os.path.normpath(expanded))
        for folder in folders:  # some write a path from the top of the project with a slash
            yield Path(os.path.normpath(folder / expanded.lstrip("/")))

    def _folders(self, project_id: str, session_id: str) -> Iterator[Path]:
        try:
            location = self._locations.at(project_id, session_id)
        except (ProjectNotFound, SessionNotFound):
            location = None
        if location is not None:
            if location.file is not None:
                yield from run_in_thread(working_folders, location.file)
            if location.folder:
                yield Path(location.folder)
        try:
            yield self._places.folder(project_id)
        except (FilesClosed, SeveralProjects):
            return

    def _existing(self, path: Path, project_id: str) -> tuple[str, Names] | None:
        """The project and the names of a file that exists, and whose project is shown."""
        found = self._places.containing(path, project_id)
        if found is None:
            return None
        project_id, names = found
        try:
            with self._places.opened(project_id) as tree:
                real = tree.real(names_of("/".join(names)))
                tree.status(real)
        except (FileMissing, FileRefused, FilesClosed, SeveralProjects, ProjectNotFound):
            return None
        return project_id, real


def split(text: str) -> tuple[str, int, int]:
    """A path without the lines that are named behind it; those are 0 if there are none."""
    found = _LINES.search(text)
    if found is None:
        return text, 0, 0
    line = int(found[1] or found[3])
    # `app.py:12:5` names a column, which is never larger than a line that follows
    end = int(found[2] or found[4] or 0)
    return text[: found.start()], line, end if end >= line and ":" not in found[0][1:] else 0


def working_folders(history_file: Path) -> list[Path]:
    """The folders that a session worked in at the end of its file, the last one first."""
    try:
        with history_file.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            found = _CWD.findall(file.read(_TAIL))
    except OSError:
        return []
    texts = list(dict.fromkeys(reversed(found)))[:_MOST_FOLDERS]
    folders = []
    for each in texts:
        try:
            folder = json.loads(each)
        except ValueError:
            continue
        if isinstance(folder, str) and folder.startswith("/") and "\0" not in folder:
            folders.append(Path(folder))
    return folders
