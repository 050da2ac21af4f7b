"""The repository of a project: opened for one request, and locked while somebody changes it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import gevent

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.git.commands import state
from opcode_htmx.lib.git.commands.state import NoRepository, StateChanged
from opcode_htmx.lib.git.commands.words import Busy
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing.program import Programs
from opcode_htmx.lib.git.policy import READING, RUNNING, WRITING, Policy
from opcode_htmx.runs.policies.working_folders import InvalidFolder
from opcode_htmx.sessions.workspace import Workspace

PATIENCE = 5.0
"""Seconds for which a change waits for another one of the same repository."""
RUN, WITHOUT = "run", "without"
"""What a person answers when a command would run programs."""


class NoFolder(NoRepository):
    """The folder of a project is not known, or gone; the text says so."""


class Unconfirmed(Exception):
    """A command would run programs, and nobody has said whether it may."""

    def __init__(self, programs: Programs) -> None:
        super().__init__(
            "This would run programs that the repository or your configuration names: confirm "
            "them by their digest, or go on without them."
        )
        self.programs = programs


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person has said to the programs of a command; `digest` names those that were shown."""

    choice: str = ""
    digest: str = ""

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields of a form that say the same."""
        return {"programs": self.choice, "digest": self.digest}

    def policy(self, programs: Programs) -> Policy:
        """How the command runs. Raises Unconfirmed, StateChanged."""
        if not programs or (self.choice == WITHOUT and programs.can_be_left_out):
            return WRITING
        if self.choice != RUN:
            raise Unconfirmed(programs)
        self.check(programs)
        return RUNNING

    def acting(self, git: Git, programs: Programs) -> Git:
        """git as the person has allowed it. Raises Unconfirmed, StateChanged."""
        policy = self.policy(programs)
        return git.under(policy)

    def check(self, programs: Programs) -> None:
        """Raises StateChanged if these are not the programs that were shown."""
        if self.digest != programs.digest:
            raise StateChanged(
                "What would run has changed since you looked. Nothing was done: look again."
            )


class Projects:
    """Opens the repositories of projects."""

    def __init__(self, workspace: Workspace, environment: Mapping[str, str], locks: Path) -> None:
        """`environment` is that of git; `locks` a folder for lock files."""
        self._workspace = workspace
        self._environment = environment
        self._locks = locks

    def folder(self, project_id: str) -> Path:
        """The folder of a project. Raises ProjectNotFound, InvalidFolder, NoRepository."""
        path = sessions.project(self._workspace.config_dir, project_id).path
        if path is None:
            raise NoFolder("The folder of this project is not known, so neither is its git.")
        folder = Path(path)
        if not folder.is_dir():
            raise NoFolder("The folder of this project is gone.")
        self._workspace.folders.check(folder)
        return folder

    def open(self, project_id: str, policy: Policy = READING) -> Git:
        """git at the top of a project's repository.

        Raises ProjectNotFound, InvalidFolder, NoRepository, RepositoryRefused, GitFailed.
        """
        return self.at(self.folder(project_id), policy)

    def at(self, folder: Path, policy: Policy = READING) -> Git:
        """The same for a folder."""
        git = state.at_top(folder, self._environment, policy)
        if not self._workspace.folders.allow(git.repository.top):
            raise InvalidFolder(
                f"The repository begins at “{git.repository.top}”, outside the folders that may "
                "be worked in (OPCODE_PROJECT_ROOTS)."
            )
        return git

    def has_repository(self, folder: str) -> bool:
        """Whether a folder seems to be in a repository; looks at names only."""
        path = Path(folder)
        return any((each / ".git").exists() for each in (path, *path.parents))

    @contextlib.contextmanager
    def locked(self, git: Git) -> Iterator[None]:
        """Change a repository alone, among those who use this app. Raises Busy, OSError."""
        atomic_files.make_folder(self._locks)
        name = hashlib.sha256(os.fsencode(git.repository.common_dir)).hexdigest()[:32]
        until = time.monotonic() + PATIENCE
        while (file := file_locks.take(self._locks / f"{name}.lock")) is None:
            if time.monotonic() > until:
                raise Busy(
                    "Another change of this repository is under way. Try again when it is done."
                )
            gevent.sleep(file_locks.POLL_SECONDS * 5)
        try:
            yield
        finally:
            os.close(file)
