"""What becomes of a copy: committed, merged, rebased, thrown away, and brought back."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import revisions, worktrees
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.integration import kept, merges, work
from opcode_htmx.lib.git.integration.kept import CannotRestore
from opcode_htmx.lib.git.integration.merges import CannotMerge, Way
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.control.run import RunNotLive
from opcode_htmx.sessions.worktrees.copies import Copies, Copy
from opcode_htmx.sessions.worktrees.kept_copies import KeptCopy
from opcode_htmx.sessions.worktrees.records import CopyState, SessionWorktree
from opcode_htmx.sessions.worktrees.service import SessionWorktrees
from opcode_htmx.sessions.worktrees.standing import repositories

log = logging.getLogger(__name__)

STOP_SECONDS = 20.0
LONGEST_MESSAGE = 20_000


class CopyInUse(Exception):
    """Something is at work in a copy; the text says what."""


class CopyFailed(Exception):
    """git refused; the text says why."""


@dataclass(frozen=True, slots=True)
class Merge:
    """How the work of a copy comes into its base."""

    way: Way = Way.MERGE
    message: str = ""
    """Of the commit; empty: one that names the branch."""
    commit: bool = False
    """Whether what is uncommitted is committed first."""
    remove: bool = True
    """Whether the copy goes afterwards."""


class CopyEndings:
    """Ends copies. One instance serves one worker."""

    def __init__(self, service: SessionWorktrees, copies: Copies) -> None:
        self._service = service
        self._copies = copies

    def merge(self, copy: Copy, merge: Merge, *, by: Identity) -> KeptCopy | None:
        """Bring the work into its base; what is kept of the copy, if it was removed.

        Raises CopyInUse, CannotMerge, CopyFailed: then the base is as it was.
        """
        self._check(copy)
        if not copy.worktree.branch or not copy.base:
            raise CannotMerge("This copy is on no branch, so it cannot be merged here.")
        if merge.remove:
            self._check_holds_no_other(copy)
            self._check_repositories(copy)
        git, main = self._git_of(copy), self._main(copy)
        message = merge.message[:LONGEST_MESSAGE].strip() or f"Merge “{copy.worktree.branch}”"
        carried = self._carried(copy)
        try:
            if merge.commit:
                merges.commit_all(git, message, carried)
            elif count := work.uncommitted(git).without(carried).count:
                files = "1 file is" if count == 1 else f"{count} files are"
                raise CannotMerge(f"{files} not committed in this copy. Commit them first.")
            listed = worktrees.listed(main)
            merges.merge(main, copy.base, copy.worktree.branch, merge.way, message, listed)
        except (GitFailed, RepositoryRefused) as error:
            raise _failed(error) from None
        session = copy.record.session_id if copy.record else ""
        log_act(by, "worktree.merge", session=session, path=str(copy.path), way=str(merge.way))
        return self._discard(copy, by, merged=True) if merge.remove else None

    def commit(self, copy: Copy, message: str, *, by: Identity) -> None:
        """Commit what is uncommitted. Raises CopyInUse, CannotMerge, CopyFailed."""
        self._check(copy)
        words = message[:LONGEST_MESSAGE].strip()
        if not words:
            raise CannotMerge("Write a message for the commit.")
        try:
            merges.commit_all(self._git_of(copy), words, self._carried(copy))
        except (GitFailed, RepositoryRefused) as error:
            raise _failed(error) from None
        log_act(by, "worktree.commit", path=str(copy.path))

    def rebase(self, copy: Copy, *, by: Identity) -> None:
        """Put the work on top of its base. Raises CopyInUse, CannotMerge, CopyFailed."""
        self._check(copy)
        if not copy.worktree.branch or not copy.base:
            raise CannotMerge("This copy is on no branch, so it cannot be rebased here.")
        try:
            merges.rebase(self._git_of(copy), copy.base, self._carried(copy))
        except (GitFailed, RepositoryRefused) as error:
            raise _failed(error) from None
        log_act(by, "worktree.rebase", path=str(copy.path))

    def losses(self, copy: Copy) -> list[str]:
        """The ignored files that go with the copy, and are not kept."""
        try:
            git = self._service.git(copy.path)
            return work.ignored(git) if git and copy.worktree.prunable is None else []
        except (GitFailed, RepositoryRefused):
            return []

    def discard(self, copy: Copy, *, by: Identity) -> KeptCopy:
        """Remove a copy and its branch; both can be brought back. Raises CopyInUse, CopyFailed.

        The person has seen what is not kept: `losses`, and the repositories within it.
        """
        self._check(copy)
        self._check_holds_no_other(copy)
        return self._discard(copy, by, merged=False)

    def remove(self, copy: Copy, *, by: Identity, merged: bool) -> KeptCopy:
        """The same where nobody has looked: one with work in repositories within it stays.

        `merged`: its work is in the base already.
        """
        self._check(copy)
        self._check_holds_no_other(copy)
        self._check_repositories(copy)
        return self._discard(copy, by, merged=merged)

    def drop(self, record: SessionWorktree, *, by: Identity) -> None:
        """Give up the start of a session; what is in its copy can be brought back.

        Raises CopyInUse, CopyFailed.
        """
        if record.state.is_open:
            self._service.end_leftover(record)
            if copy := self._copies.of_record(record):
                self.discard(copy, by=by)
            self._service.records.remove(record.session_id)

    def _discard(self, copy: Copy, by: Identity, *, merged: bool) -> KeptCopy:
        try:
            copy = self._copies.renewed(copy)
            branch = copy.worktree.branch
            with_branch = bool(branch) and branch != copy.base
            noted = KeptCopy(
                id=uuid.uuid4().hex,
                at=time.time(),
                repository=copy.repository,
                path=str(copy.path),
                branch=branch,
                base=copy.base,
                session_id=copy.record.session_id if copy.record else "",
                with_branch=with_branch,
                merged=merged,
            )
            self._service.kept.put(noted)
            done = self._kept(noted, copy)
        except (GitFailed, RepositoryRefused) as error:
            raise _failed(error) from None
        if copy.record:
            state = CopyState.MERGED if merged else CopyState.DISCARDED
            self._service.update(copy.record.session_id, state=state)
        log_act(by, "worktree.remove", path=str(copy.path), merged=merged, kept=done.id)
        return done

    def _kept(self, noted: KeptCopy, copy: Copy) -> KeptCopy:
        """Remove a copy. What it holds is on record before: a crash in between loses nothing."""
        main, done = self._main(copy), noted

        def note(found: kept.Kept) -> None:
            nonlocal done
            done = replace(noted, tip=found.tip, snapshot=found.snapshot)
            self._service.kept.put(done)

        kept.discard(main, copy.worktree, noted.id, with_branch=noted.with_branch, note=note)
        return done

    def restore(self, kept_copy: KeptCopy, *, by: Identity) -> Path:
        """Bring a removed copy back; its path. Raises CannotRestore, CopyFailed."""
        path = Path(kept_copy.path)
        self._check_place(path.parent)
        self._check_place(Path(kept_copy.repository))
        try:
            git = self._service.git(Path(kept_copy.repository), reading=False)
            if git is None:
                raise CannotRestore("Its repository is gone.")
            kept.restore(git, path, kept_copy.kept, kept_copy.id, kept_copy.branch)
        except (GitFailed, RepositoryRefused, revisions.BadRevision) as error:
            raise _failed(error) from None
        except OSError as error:
            raise CopyFailed(f"It could not be brought back: {error}") from None
        self._service.kept.remove(kept_copy.id)
        record = self._service.of_session(kept_copy.session_id)
        if record is not None and record.path == kept_copy.path:
            self._service.update(record.session_id, state=CopyState.BEGUN)
            self._service.carry_again(record)
        log_act(by, "worktree.restore", path=kept_copy.path)
        return path

    def unlock(self, copy: Copy, *, by: Identity) -> None:
        """Take git's lock off a copy. Raises CopyInUse, CopyFailed."""
        self._check(copy)
        try:
            self._main(copy).run("worktree", "unlock", "--", str(copy.path))
        except (GitFailed, RepositoryRefused) as error:
            raise _failed(error) from None
        log_act(by, "worktree.unlock", path=str(copy.path))

    def expire(self) -> None:
        """Drop what has been kept for long enough. Raises nothing."""
        for each in self._service.kept.expired():
            try:
                git = self._service.git(Path(each.repository), reading=False)
                if git is not None:
                    kept.forget(git, each.id)
            except (GitFailed, RepositoryRefused) as error:
                log.warning("could not drop the kept copy %s: %s", each.id, error)
            self._service.kept.remove(each.id)

    def stop(self, copy: Copy, *, by: Identity) -> None:
        """End what Claude does in a copy, and wait for it. Raises CopyInUse."""
        runs = self._service.services.supervisor
        for _, session_id in copy.sessions:
            live = [run for run in runs.of_session(session_id) if run.live]
            for run in live:
                try:
                    run.stop(by=by)
                except RunNotLive:
                    continue
            for run in live:
                if not run.join(STOP_SECONDS):
                    raise CopyInUse("Claude is still being stopped. Try again in a moment.")

    def _check(self, copy: Copy) -> None:
        """Raises CopyInUse where something is at work, CopyFailed outside of allowed folders."""
        if copy.is_at_work:
            raise CopyInUse("Claude is at work in this copy. Stop it first, or wait.")
        if copy.held_by:
            raise CopyInUse(
                f"A Claude at the computer (process {copy.held_by}) works in this copy. End it "
                "there."
            )
        if copy.record and self._service.is_setting_up(copy.record.session_id):
            raise CopyInUse("The set-up command is running in this copy. Wait until it has ended.")
        self._check_place(copy.path)
        self._check_place(Path(copy.repository))

    def _check_holds_no_other(self, copy: Copy) -> None:
        """Raises CopyInUse where other copies lie in its folder: they would go with it, unsaid."""
        others = worktrees.inside(self._main(copy).repository.common_dir, copy.path)
        if others:
            names = ", ".join(each.name for each in others)
            raise CopyInUse(
                f"Other copies lie in this one: {names}. Merge or throw them away first."
            )

    def _check_repositories(self, copy: Copy) -> None:
        """Raises CopyFailed where repositories in its folder have work that would be lost."""
        try:
            is_there = copy.worktree.prunable is None
            found = repositories(self._git_of(copy)) if is_there else ()
        except (GitFailed, RepositoryRefused) as error:
            raise _failed(error) from None
        if found:
            raise CopyFailed(
                f"Repositories within this copy have work that is nowhere else: "
                f"{merges.named(found)}. Push it, or move it away, before the copy is removed."
            )

    def _check_place(self, path: Path) -> None:
        if not self._service.services.workspace.folders.allow(path):
            raise CopyFailed(
                f"{path} is outside of the folders that may be worked in (OPCODE_PROJECT_ROOTS)."
            )

    def _carried(self, copy: Copy) -> Sequence[str]:
        return copy.record.carried if copy.record else ()

    def _git_of(self, copy: Copy) -> Git:
        try:
            git = self._service.git(copy.path, reading=False)
        except (GitFailed, RepositoryRefused) as error:
            raise _failed(error) from None
        if git is None or git.repository.top != copy.path.resolve():
            raise CopyFailed("The folder of this copy is gone.")
        return git

    def _main(self, copy: Copy) -> Git:
        try:
            git = self._service.git(Path(copy.repository), reading=False)
        except (GitFailed, RepositoryRefused) as error:
            raise _failed(error) from None
        if git is None:
            raise CopyFailed("The repository of this copy is gone.")
        return git


def _failed(error: Exception) -> CopyFailed:
    words = error.errors if isinstance(error, GitFailed) and error.errors else str(error)
    return CopyFailed(f"git could not do that: {words}")
