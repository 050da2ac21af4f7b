"""Make the worktree of a session, and undo that: noted before, and once for each session."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import revisions, worktrees
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import READING, WRITING
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.lib.git.revisions import BadRevision, NoRepository
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.submit import PromptSubmitter
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.sessions.worktrees import carrying, naming
from opcode_htmx.sessions.worktrees.files import CopyFiles
from opcode_htmx.sessions.worktrees.naming import CopyLabels
from opcode_htmx.sessions.worktrees.records import CopyState, SessionWorktree


class CannotCopy(Exception):
    """A copy of a project cannot be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants for a new session."""

    folder: Path
    """The project; resolved, and one that may be worked in."""
    words: str
    """The branch is named after them."""
    prompt_id: str
    prompt: str
    options: Mapping[str, str | bool | None] = field(default_factory=dict)
    base: str = ""
    """A branch or commit; empty: what is checked out."""
    commit: str = ""
    """The commit at which the copy begins, where the branch may have moved since."""
    branch: str = ""
    """The name of the new branch; empty: one after the words."""
    files: int = 0
    race: str = ""


def unattended(model: str, permission_mode: str) -> dict[str, str | bool | None]:
    """The options of a session that goes on without a viewer; an empty one is not changed."""
    chosen = {"model": model, "permission_mode": permission_mode}
    return {"keep_running": True, **{name: value for name, value in chosen.items() if value}}


@dataclass(frozen=True, slots=True)
class CopyServices:
    """What copies are made with."""

    supervisor: Supervisor
    submitter: PromptSubmitter
    workspace: Workspace
    environment: Mapping[str, str]
    """That of git and of set-up commands: what Claude gets."""
    refusals: tuple[type[Exception], ...] = ()
    """Exceptions whose text says why something could not be started."""


class CopyMaker:
    """Makes the copies of sessions, and knows them; the files are the state."""

    def __init__(self, services: CopyServices, files: CopyFiles) -> None:
        self.services = services
        self.records = files.records
        self.kept = files.kept
        self.setups = files.setups
        self.labels = CopyLabels(files.records)
        self._place: Path | None = None

    # --- looking ----------------------------------------------------------------------------

    def of_session(self, session_id: str) -> SessionWorktree | None:
        return self.records.get(session_id)

    def folder_of(self, session_id: str) -> Path | None:
        """Where a session works, if it is in a copy that is there."""
        found = self.records.get(session_id)
        is_made = (
            found is not None and found.state is not CopyState.NOTED and not found.state.is_over
        )
        return Path(found.folder) if found and is_made else None

    def git(self, folder: Path, *, reading: bool = True) -> Git | None:
        """git in a folder, if it is in a repository. Raises GitFailed, RepositoryRefused."""
        policy = READING if reading else WRITING
        return Git.at(folder, self.services.environment, policy)

    def bases(self, folder: Path) -> tuple[str, list[str]] | None:
        """What is checked out in a folder's repository, and its branches; None without one."""
        try:
            git = self.git(folder)
            if git is None or not revisions.resolve(git, "").commit:
                return None
            return revisions.current_branch(git), revisions.branches(git)
        except (GitFailed, RepositoryRefused, NoRepository):
            return None

    # --- starting ---------------------------------------------------------------------------

    def prepare(
        self, session_id: str, wish: Wish, *, by: Identity, is_trusted: bool = False
    ) -> SessionWorktree:
        """Make the worktree of a new session; the same session again gives the one it has.

        `is_trusted`: a person has decided about the files of the project.

        Raises CannotCopy, TrustNeeded, BudgetReached, InvalidFolder, OSError.
        """
        supervisor = self.services.supervisor
        with self.records.starting(session_id):
            record = self.records.get(session_id)
            if record is not None and record.state is not CopyState.NOTED:
                return record
            supervisor.starts.check_folder(wish.folder)
            supervisor.budgets.check(session_id, wish.folder)
            if not is_trusted and supervisor.options.uses_project_settings(session_id):
                supervisor.project_trust.check(wish.folder, session_id)
            try:
                return self._make(session_id, wish, record, by)
            except Exception as error:
                self._forget_unmade(session_id)
                if isinstance(error, GitFailed):
                    words = error.errors or error
                    raise CannotCopy(f"git could not make a copy: {words}") from None
                if isinstance(error, (BadRevision, NoRepository, RepositoryRefused)):
                    raise CannotCopy(str(error)) from None
                raise

    def _forget_unmade(self, session_id: str) -> None:
        record = self.records.get(session_id)
        if record is not None and not Path(record.path).exists():
            self.records.remove(session_id)

    def _make(
        self, session_id: str, wish: Wish, known: SessionWorktree | None, by: Identity
    ) -> SessionWorktree:
        git = worktrees.at(wish.folder, self.services.environment)
        record = known or self._noted(git, session_id, wish, by)
        path = Path(record.path)
        if not path.exists():
            self._check_place(path)
            worktrees.add(git, path, record.branch, record.base_commit)
        if not Path(record.folder).is_dir():
            self._remove(record)
            raise CannotCopy(f"{wish.folder} is not in that commit, so a copy has not got it.")
        carried = self._carry(git, path)
        made = self.records.update(
            session_id, state=CopyState.MADE, carried=tuple(carried.paths), problem=carried.problem
        )
        log_act(by, "worktree.make", session=session_id, project=record.project, path=record.path)
        return made or record

    def _noted(self, git: Git, session_id: str, wish: Wish, by: Identity) -> SessionWorktree:
        start = revisions.resolve(git, wish.base)
        main = worktrees.main_top(git.repository)
        place = self._place_for(main)
        name = naming.given if wish.branch else naming.unused
        branch, target = name(git, place, wish.branch or wish.words, session_id)
        below = wish.folder.resolve().relative_to(git.repository.top)
        noted = SessionWorktree(
            session_id=session_id,
            project=str(wish.folder),
            repository=str(main),
            path=str(target),
            folder=str(target / below),
            branch=branch,
            base=start.branch or revisions.current_branch(git),
            base_commit=wish.commit or start.commit,
            at=time.time(),
            by=by.user,
            prompt_id=wish.prompt_id,
            prompt=wish.prompt,
            options=dict(wish.options),
            files=wish.files,
            race=wish.race,
        )
        return self.records.add(noted)

    def _place_for(self, main: Path) -> Path:
        if self._place is None:
            return main / worktrees.PLACE
        return self._place.resolve() / (naming.slug(main.name) or "repository")

    def _check_place(self, path: Path) -> None:
        if not self.services.workspace.folders.allow(path.parent):
            raise CannotCopy(
                f"Copies are made in {path.parent}, outside the folders that may be worked in."
            )

    def _carry(self, git: Git, target: Path) -> carrying.Carried:
        """Untracked files from the checkout that the copy was made from."""
        setup = self.setups.of(worktrees.main_top(git.repository))
        try:
            return carrying.carry(git, target, setup.patterns)
        except (GitFailed, OSError) as error:  # a copy without them is better than none
            return carrying.Carried(problem=f"No untracked files were carried over: {error}")

    def carry_again(self, record: SessionWorktree) -> None:
        """Carry files over into a copy that was brought back."""
        try:
            git = worktrees.at(Path(record.repository), self.services.environment)
        except (GitFailed, RepositoryRefused, NoRepository):
            return
        carried = self._carry(git, Path(record.path))
        self.records.update(record.session_id, carried=tuple(carried.paths))

    def update(self, session_id: str, **changes: Any) -> None:
        self.records.update(session_id, **changes)

    def take_back(self, session_id: str) -> None:
        """Undo a start that was refused: remove the worktree if nothing was changed in it."""
        record = self.records.get(session_id)
        if record is not None and record.state.is_open:
            self._remove(record)

    def _remove(self, record: SessionWorktree) -> None:
        worktrees.remove(Path(record.path), self.services.environment)
        if not Path(record.path).exists():
            self.records.remove(record.session_id)
