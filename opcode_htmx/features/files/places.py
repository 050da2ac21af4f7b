"""The open folder of a project, and the addresses of its files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flask import url_for

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.tree.names import FileRefused, names_of, text_of
from opcode_htmx.lib.tree.tree import Tree
from opcode_htmx.runs.policies.working_folders import InvalidFolder
from opcode_htmx.sessions.workspace import Workspace


class FilesClosed(Exception):
    """The files of a project are not shown; the text says why."""


@dataclass(frozen=True, slots=True)
class ProjectPlaces:
    """Finds the folders of projects, in OPCODE_PROJECT_ROOTS only."""

    workspace: Workspace

    def folder(self, project_id: str) -> Path:
        """The folder of a project. Raises ProjectNotFound, SeveralProjects, FilesClosed."""
        found = sessions.project(self.workspace.config_dir, project_id)
        if found.path is None:
            raise FilesClosed("No session of this project says which folder it worked in.")
        return Path(found.path)

    @contextlib.contextmanager
    def opened(self, project_id: str) -> Iterator[Tree]:
        """The folder of a project, open. Raises as `folder` does."""
        folder = self.folder(project_id)
        with contextlib.ExitStack() as stack:
            try:
                opened = stack.enter_context(self.workspace.folders.opened(folder))
            except InvalidFolder as error:
                raise FilesClosed(self._why(folder)) from error
            yield Tree(opened.path, opened.descriptor)

    def _why(self, folder: Path) -> str:
        if self.workspace.folders.allow(folder):
            return "The folder of this project is gone, or cannot be opened."
        return (
            "This project's folder is outside the folders that may be worked in "
            "(OPCODE_PROJECT_ROOTS), so its files are not shown."
        )

    def containing(self, path: Path, project_id: str) -> tuple[str, tuple[str, ...]] | None:
        """The project that a path lies in, and the names below its folder.

        It is `project_id` if that has it, else the one with the longest folder. None if there is
        none whose files are shown.
        """
        found: list[tuple[Path, str]] = []
        with contextlib.suppress(FilesClosed, sessions.SeveralProjects):
            folder = self.folder(project_id)
            if path.is_relative_to(folder):
                return project_id, path.relative_to(folder).parts
        for each in sessions.outline(self.workspace.config_dir):
            if each.path and path.is_relative_to(each.path):
                found.append((Path(each.path), each.id))
        for folder, project_id in sorted(found, key=lambda one: -len(one[0].parts)):
            if self.workspace.folders.allow(folder):
                return project_id, path.relative_to(folder).parts
        return None


def folder_address(project_id: str, names: Sequence[str] = (), **query: str) -> str:
    """The page of a folder."""
    given = {"path": text_of(names), **query}
    kept = {key: value for key, value in given.items() if value}
    return _address("files.folder", project_id, **kept)


def view_address(
    project_id: str, names: Sequence[str], line: int | None = None, **query: str
) -> str:
    """The page of a file, at a line."""
    at = {"line": str(line), "_anchor": f"L{line}"} if line else {}
    return _address("files.view", project_id, path=text_of(names), **{**query, **at})


def file_address(project_id: str, path: str, line: int | None = None) -> str:
    """The page of a file: the template global for other features.

    `path` is relative to the project's folder. One that is not, or not a path, is looked for when
    the page is opened.
    """
    try:
        return view_address(project_id, names_of(path), line)
    except FileRefused:
        place = f"{path}:{line}" if line else path
        return _address("files.open_named", project_id, path=place)


def _address(endpoint: str, project_id: str, **query: Any) -> str:
    return url_for(endpoint, project_id=project_id, **query)
