"""Worktrees of clones, one for each session: made, listed, and removed with nothing lost unsaid."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import checkouts, linked_worktrees, repository
from opcode_htmx.lib.git.clones.bare import BareRepository
from opcode_htmx.lib.git.linked_worktrees import Loss, WouldLose
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.sessions.repositories.places import Places, WorktreeName

_ORIGIN = "refs/remotes/origin/"
_HEADS = "refs/heads/"


class CannotMakeWorktree(Exception):
    """A worktree cannot be made; the text says why."""


class CannotRemove(Exception):
    """git cannot remove a worktree; the text says why."""


class InUse(Exception):
    """Claude works in a worktree now; the text says so."""


class WouldBeLost(Exception):
    """Something was not removed, because work would be lost; the text says so.

    `losses` names it, a line for each thing.
    """

    def __init__(self, sentence: str, losses: Iterable[str] = ()) -> None:
        super().__init__(sentence)
        self.losses = tuple(losses)


@dataclass(frozen=True, slots=True)
class SessionFolder:
    """A worktree. `used_at` is a Unix time."""

    name: WorktreeName
    path: Path
    branch: str
    """Its short name; empty when none is checked out, or the worktree is damaged."""
    used_at: float
    in_use: bool
    problem: str = ""

    @property
    def title(self) -> str:
        """`owner/name`"""
        return self.name.repo.replace("__", "/", 1)


class SessionFolders:
    """The worktrees of this server."""

    def __init__(
        self,
        places: Places,
        environment: Mapping[str, str],
        busy: Callable[[], Iterable[str]],
        making: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        """`busy` gives the folders that live runs work in.

        `making` holds a lock on the worktrees of a repository, among all workers.
        """
        self._places = places
        self._environment = environment
        self._busy = busy
        self._making = making

    def all(self) -> list[SessionFolder]:
        """Every worktree, the last used first."""
        busy = self._busy_paths()
        found = [self._folder(name, busy) for name in self._places.worktree_names()]
        return sorted(found, key=lambda each: -each.used_at)

    def get(self, name: WorktreeName) -> SessionFolder:
        return self._folder(name, self._busy_paths())

    def make(self, repo: str, session_id: str, base: str = "") -> SessionFolder:
        """The worktree of a session, made if it is missing; its branch begins at `base`.

        Raises NoSuchRepository, CannotMakeWorktree, InvalidFolder, OSError.
        """
        clone = self._places.existing_repo(repo)
        name = WorktreeName(repo, session_id)
        self._places.make()
        try:
            with self._making(repo):
                self._make(BareRepository.at(clone, self._environment), name, base)
        except (GitFailed, RepositoryRefused) as error:
            raise CannotMakeWorktree(f"The copy could not be made: {error}") from error
        return self.get(name)

    def _make(self, bare: BareRepository, name: WorktreeName, base: str) -> None:
        target = self._places.worktree(name)
        if target.exists():
            if not _is_half_made(target):
                return
            linked_worktrees.remove(bare, target, self._environment, force=True)
        start, branch = _start(bare, base), _new_branch(bare, name.session_id)
        try:
            linked_worktrees.add(bare, target, branch, start, self._environment)
        except BaseException:
            with contextlib.suppress(GitFailed):
                linked_worktrees.remove(bare, target, self._environment, force=True)
            raise

    def loss(self, name: WorktreeName) -> str:
        """What removing a worktree would lose, in words; empty if nothing."""
        try:
            found = self.losses(name)
        except (GitFailed, RepositoryRefused) as error:
            return f"it cannot be read ({error})"
        paths = ", ".join(found.paths)
        return f"{found.sentence} ({paths})" if found and paths else found.sentence

    def losses(self, name: WorktreeName) -> Loss:
        """The same as a value. Raises GitFailed, RepositoryRefused."""
        return linked_worktrees.losses(self._places.worktree(name), self._environment)

    def check_unused(self, name: WorktreeName) -> None:
        """Raises InUse."""
        if self.get(name).in_use:
            raise InUse(f"Claude works in {name} now. Stop it first.")

    def remove(self, name: WorktreeName, *, force: bool = False) -> None:
        """Remove a worktree. Raises InUse, WouldBeLost, CannotRemove, OSError."""
        self.check_unused(name)
        path = self._places.worktree(name)
        clone = self._places.repo(name.repo)
        if force and not clone.is_dir():
            path.rename(self._places.removed(path))  # removed at the next start
            return
        if not force and (loss := self.loss(name)):
            raise WouldBeLost(
                f"{name} was not removed. It has what is nowhere else: {loss}.", [loss]
            )
        try:
            bare = BareRepository.at(clone, self._environment)
            linked_worktrees.remove(bare, path, self._environment, force=force)
        except WouldLose as error:
            raise WouldBeLost(
                f"{name} was not removed: something in it has changed just now."
            ) from error
        except (GitFailed, RepositoryRefused) as error:
            raise CannotRemove(f"{name} could not be removed: {error}") from error

    def _busy_paths(self) -> list[Path]:
        return [Path(each).resolve() for each in self._busy()]

    def _folder(self, name: WorktreeName, busy: list[Path]) -> SessionFolder:
        path = self._places.worktree(name)
        branch, problem, files = "", "", [path]
        try:
            found = repository.find(path, lambda _: None)
            if found is None or found.top != path.resolve():
                problem = "It is no copy of its repository any more."
            else:
                files += [found.git_dir / each for each in ("HEAD", "index", "logs/HEAD")]
                branch = _branch(found.git_dir / "HEAD")
        except RepositoryRefused as error:
            problem = str(error)
        resolved = path.resolve()
        return SessionFolder(
            name=name,
            path=path,
            branch=branch,
            used_at=max((_changed(each) for each in files), default=0.0),
            in_use=any(each.is_relative_to(resolved) for each in busy),
            problem=problem,
        )


def _start(bare: BareRepository, base: str) -> str:
    """The full name of the ref that a worktree begins at. Raises CannotMakeWorktree, GitFailed."""
    if base:
        wanted = [f"{_ORIGIN}{base}", f"{_HEADS}{base}", f"refs/tags/{base}"]
    else:
        branch = bare.head().removeprefix(_HEADS)
        wanted = [f"{_ORIGIN}{branch}", f"{_HEADS}{branch}"]
    refs = bare.refs()
    for each in wanted:
        if each in refs and bare.commit(each):
            return each
    if base:
        raise CannotMakeWorktree("The repository has no branch or tag of this name.")
    raise CannotMakeWorktree("The repository has no commit yet, or no branch that is its own.")


def _new_branch(bare: BareRepository, session_id: str) -> str:
    """A branch that is named after a session, and not there yet."""
    taken = bare.refs(_HEADS)
    wanted = (f"session-{session_id[:8]}", f"session-{session_id}")
    return next((each for each in wanted if f"{_HEADS}{each}" not in taken), wanted[-1])


def _is_half_made(path: Path) -> bool:
    """Whether git was killed while it made the worktree: it is locked until it is whole."""
    try:
        found = repository.find(path, lambda _: None)
    except RepositoryRefused:
        return False
    if found is None or found.top != path.resolve():
        return False
    return _text(found.git_dir / "locked").strip() == checkouts.BEGUN


def _branch(head: Path) -> str:
    kind, _, name = _text(head).strip().partition(": ")
    return name.removeprefix(_HEADS) if kind == "ref" else ""


def _text(path: Path) -> str:
    try:
        return os.fsencode(repository.small_file(path)).decode("utf-8", "replace")
    except (OSError, RepositoryRefused):
        return ""


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
