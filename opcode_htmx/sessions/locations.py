"""Locate a session: its history file, its working folder, and the ids in its URL.

They come from Claude's file, or from the record of a run if there is no file or it does not say.
Properties of a project are never assumed for its sessions.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from opcode_htmx.engines.claude.files import folder_names, history, sessions
from opcode_htmx.engines.claude.files.lists.session_files import SessionFiles
from opcode_htmx.engines.claude.files.session_listing import watched
from opcode_htmx.engines.claude.files.session_summary import FileSummary
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.supervisor import Supervisor


class FolderUnknown(Exception):
    """The working folder of a session is unknown, so Claude cannot be started in it."""


@dataclass(frozen=True, slots=True)
class SessionLocation:
    """One session. `session_id` is spelled as in the name of its file.

    `claude_folder` is the name of the folder that contains the file, or will contain it. `file` is
    None until Claude has written one; `folder` is None if the working folder is unknown.
    """

    session_id: str
    claude_folder: str
    file: Path | None
    folder: str | None

    @property
    def working_folder(self) -> Path:
        """The folder in which Claude continues the session. Raises FolderUnknown."""
        if self.folder is None:
            raise FolderUnknown(
                "Claude's file does not say in which folder this session worked, so it cannot"
                " be continued here."
            )
        return Path(self.folder)

    @property
    def project_name(self) -> str:
        """The name of its folder, or of Claude's where that is unknown."""
        return (self.folder or self.claude_folder).rstrip("/").rpartition("/")[2] or "/"


class SessionLocations:
    """Locates sessions by address, by id, or by run."""

    def __init__(self, config_dir: Path, supervisor: Supervisor) -> None:
        self._config_dir = config_dir
        self._supervisor = supervisor
        self.runs_of = supervisor.of_session

    def at(self, project_id: str, session_id: str) -> SessionLocation:
        """The session at an address. Raises ProjectNotFound or SessionNotFound."""
        try:
            file = sessions.session_file(self._config_dir, project_id, session_id)
        except (sessions.ProjectNotFound, sessions.SessionNotFound):
            name, _ = folder_names.split(project_id)
            for run in self._supervisor.of_session(session_id):
                if folder_names.claude_folder(run.record.project_path) == name:
                    return self.of_run(run)
            raise
        return self._of_file(file, sessions.folder_of(file))

    def of(self, session_id: str) -> SessionLocation:
        """The session with an id, in any project. Raises SessionNotFound."""
        runs = self._supervisor.of_session(session_id)
        if runs:
            return self.of_run(runs[-1])
        file = sessions.find_in_any_case(self._config_dir, session_id)
        if file is None:
            raise sessions.SessionNotFound("There is no session with this id.")
        return self._of_file(file, sessions.folder_of(file))

    def newest_in(self, folder: Path) -> SessionLocation | None:
        """A live session of a folder, or else the one that was written last; None for none."""
        for run in self._supervisor.live():
            if run.record.project_path == str(folder):
                return self.of_run(run)
        place = history.root(self._config_dir) / folder_names.claude_folder(folder.resolve())
        files = [file for each in watched().look_at_all([place]) for file in each.files]
        newest = max(files, key=lambda file: file.mtime_ns, default=None)
        return self._of_file(place / newest.name, str(folder)) if newest else None

    def exists(self, session_id: str) -> bool:
        """Whether there is a session of this id: a run of it, or Claude's own file."""
        if self._supervisor.of_session(session_id):
            return True
        return sessions.find_in_any_case(self._config_dir, session_id) is not None

    def of_run(self, run: Run) -> SessionLocation:
        """The session of a run."""
        file = history.find(self._config_dir, run.record.session_id)
        if file:
            return self._of_file(file, sessions.folder_of(file))
        return self.of_known(run, None)

    def of_known(self, run: Run, summary: FileSummary | None) -> SessionLocation:
        """The same, where what lists show of its file is known; None: there is none to show."""
        record = run.record
        if summary:
            return self._of_file(summary.path, summary.cwd)
        path = record.project_path
        return SessionLocation(record.session_id, folder_names.claude_folder(path), None, path)

    def files(self) -> SessionFiles:
        """The files of all sessions, to find many of them."""
        return SessionFiles(sessions.listings(self._config_dir))

    def project_id(self, location: SessionLocation) -> str:
        """The id of the project whose page lists the session; empty if there is none yet."""
        found = sessions.project_with(location.file) if location.file else None
        if found:
            return found.id
        try:
            projects = sessions.projects_of(self._config_dir, location.claude_folder)
        except sessions.ProjectNotFound:
            return ""
        ids = (project.id for project in projects if project.path == location.folder)
        return next(ids, location.claude_folder)

    def first_known(self, *project_ids: str) -> str:
        """The first of these ids that belongs to a project; empty if none does."""
        for each in project_ids:
            with contextlib.suppress(sessions.ProjectNotFound):
                sessions.projects_of(self._config_dir, each)
                return each
        return ""

    def _of_file(self, file: Path, folder: str | None) -> SessionLocation:
        if folder is None:
            runs = self._supervisor.of_session(file.stem)
            folder = runs[-1].record.project_path if runs else None
        return SessionLocation(file.stem, file.parent.name, file, folder)
