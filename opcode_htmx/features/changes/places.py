"""The working tree that a page is about: that of a session, or of a project."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.locations import FolderUnknown, SessionLocations
from opcode_htmx.sessions.workspace import Workspace


class CannotCompare(Exception):
    """There is nothing to compare with; the text is a sentence for the person."""


class NotUnderGit(CannotCompare):
    """A folder is in no repository."""


class GitProblem(Exception):
    """git could not read the changes; the text is a sentence for the person."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with its repository. `session_id` is empty on the page of a project."""

    project_id: str
    session_id: str
    folder: Path
    began_at: float
    """When the session began, in Unix seconds; 0 for a project."""
    git: Git
    """Starts in the top folder of the working tree."""
    inside: bytes
    """The part of the working tree that may be shown, relative to its top; empty for all of it."""

    @property
    def top(self) -> Path:
        return self.git.repository.top

    def from_folder(self, path: str) -> str:
        """A path that is relative to the top, relative to the folder."""
        return os.path.relpath(self.top / path, self.folder)

    def may_show(self, path: bytes) -> bool:
        return not self.inside or path.startswith(self.inside + b"/")


class Places:
    """Finds the working trees of sessions and projects."""

    def __init__(
        self,
        workspace: Workspace,
        locations: SessionLocations,
        runs: Supervisor,
        environment: Mapping[str, str],
    ) -> None:
        """`environment` is that of git."""
        self._workspace = workspace
        self._locations = locations
        self._runs = runs
        self._environment = environment

    def folder(self, project_id: str, session_id: str = "") -> Path:
        """The folder of a session or project, in which Claude may work.

        Raises ProjectNotFound, SessionNotFound, SeveralProjects, FolderUnknown, InvalidFolder.
        """
        if session_id:
            folder = self._locations.at(project_id, session_id).working_folder
        else:
            path = sessions.project(self._workspace.config_dir, project_id).path
            if path is None:
                raise FolderUnknown("Claude’s files do not say where this project is.")
            folder = Path(path)
        self._workspace.folders.check(folder)
        return folder

    def at(self, project_id: str, session_id: str = "") -> Place:
        """The place of a session or project.

        Raises what `folder` does, CannotCompare where there is no folder, NotUnderGit, GitProblem.
        """
        folder = self.folder(project_id, session_id)
        if not folder.is_dir():
            raise CannotCompare(f"The folder {folder} does not exist any more.")
        try:
            git = Git.at(folder, self._environment)
        except (GitFailed, RepositoryRefused) as error:
            raise GitProblem(f"This repository cannot be read: {error}") from error
        if git is None:
            raise NotUnderGit(
                "This folder is in no git repository, so there is nothing to compare its files "
                "with."
            )
        top = git.repository.top
        inside = b""
        if not self._workspace.folders.allow(top):
            inside = os.fsencode(git.folder.relative_to(top))
        began_at = self._began_at(project_id, session_id) if session_id else 0.0
        return Place(project_id, session_id, folder, began_at, git.at_top(), inside)

    def _began_at(self, project_id: str, session_id: str) -> float:
        location = self._locations.at(project_id, session_id)
        seen = sessions.summary_of(location.file) if location.file else None
        runs = self._runs.of_session(session_id)
        times = [seen.started_at] if seen else []
        times += [runs[0].record.created_at] if runs else []
        return min(times, default=0.0)
