"""Find the worktrees of all known repositories, and the sessions that work in them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import psutil
from gevent.pool import Pool

from opcode_htmx.engines.claude.files import history, sessions
from opcode_htmx.engines.claude.files.lists import worktree_state
from opcode_htmx.engines.claude.files.process_registry import LiveSession
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import repository, worktrees
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.lib.git.worktrees import Worktree
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import OPEN_TURN, Phase
from opcode_htmx.sessions.elsewhere import not_of
from opcode_htmx.sessions.worktrees.kept_copies import NoSuchCopy
from opcode_htmx.sessions.worktrees.records import SessionWorktree
from opcode_htmx.sessions.worktrees.service import SessionWorktrees

MOST_REPOSITORIES = 200
MOST_RECENT = 200
"""Sessions whose files are looked at for a worktree that Claude has entered."""
AT_ONCE = 4
COPY_ID = late_pattern(r"[0-9a-f]{16}", re.ASCII)
_PID = late_pattern(r"\(pid (\d{1,9})\b", re.ASCII)


class CopyOrigin(StrEnum):
    """What has made a worktree, in the words of pages and of the API."""

    SESSION = "session"
    CLAUDE = "claude"
    """`claude --worktree`, the tool EnterWorktree, or an agent of an earlier version."""
    OTHER = "other"
    """git by hand, or another program."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A linked worktree of a repository."""

    id: str
    repository: str
    """The main checkout."""
    worktree: Worktree
    origin: CopyOrigin
    record: SessionWorktree | None
    sessions: tuple[tuple[str, str], ...]
    """Claude's folder and id of the sessions that work there, the last used first."""
    base: str
    """The branch to which its work goes; empty if it is on none, or that is not known."""
    base_commit: str
    run: Run | None
    """A live run of those sessions: one that is at work, if there is any."""
    used_by: int = 0
    """A process of Claude that works there and is no run of ours; 0: none."""

    @property
    def path(self) -> Path:
        return self.worktree.path

    @property
    def name(self) -> str:
        return self.worktree.branch or self.path.name

    @property
    def is_at_work(self) -> bool:
        """Whether Claude may change files there now."""
        return self.run is not None and _is_at_work(self.run)

    @property
    def held_by(self) -> int:
        """The process that uses it, or that git's lock names, if it is alive; 0: none."""
        found = _PID.search(self.worktree.locked or "")
        locker = int(found[1]) if found and psutil.pid_exists(int(found[1])) else 0
        return self.used_by or locker


class Copies:
    """Finds the copies. One instance serves one worker."""

    def __init__(self, service: SessionWorktrees) -> None:
        self._service = service
        self._workspace = service.services.workspace

    def all(self, below: Path | None = None) -> list[Copy]:
        """The copies of all known repositories, the newest first; or of those of one folder."""
        records = {
            each.path: each for each in self._service.records.all() if not each.state.is_over
        }
        roots = self._repositories(records.values(), below)
        by_folder = self._sessions_by_folder()
        others = not_of(self._service.services.supervisor.live(), self._workspace.config_dir)

        def of(root: Path) -> list[Copy]:
            return self._of_repository(root, records, by_folder, others)

        found = Pool(AT_ONCE).map(of, roots)
        copies = [each for copies in found for each in copies]
        return sorted(copies, key=lambda each: -made_at(each))

    def get(self, copy_id: str) -> Copy:
        """Raises NoSuchCopy."""
        if COPY_ID.fullmatch(copy_id):
            for each in self.all():
                if each.id == copy_id:
                    return each
        raise NoSuchCopy("There is no such copy any more.")

    def of_record(self, record: SessionWorktree) -> Copy | None:
        """The copy of a session's record, if it is there."""
        known = self.all(Path(record.repository))
        return next((each for each in known if str(each.path) == record.path), None)

    def of_session(self, session_id: str) -> Copy:
        """The copy that a session works in. Raises NoSuchCopy."""
        record = self._service.of_session(session_id)
        below = Path(record.repository) if record and not record.state.is_over else None
        if below is None and (entered := self._entered(session_id)):
            below = Path(entered.original_folder)
        for each in self.all(below):
            mine = each.record is not None and each.record.session_id == session_id
            if mine or session_id in (known for _, known in each.sessions):
                return each
        raise NoSuchCopy("This session does not work in a copy, or the copy is gone.")

    def _entered(self, session_id: str) -> worktree_state.EnteredWorktree | None:
        file = history.find(self._workspace.config_dir, session_id)
        return worktree_state.of_file(file) if file else None

    def waiting(self) -> list[SessionWorktree]:
        """The sessions that were to begin in a copy, and did not: a crash may have come between."""
        return [
            each
            for each in self._service.records.all()
            if each.state.is_open and not self._service.is_starting(each.session_id)
        ]

    def _of_repository(
        self,
        root: Path,
        records: dict[str, SessionWorktree],
        by_folder: dict[str, list[tuple[str, str]]],
        others: Sequence[LiveSession],
    ) -> list[Copy]:
        try:
            git = self._service.git(root)
            if git is None:
                return []
            found = worktrees.listed(git)
        except (GitFailed, RepositoryRefused):
            return []
        main = found[0] if found else None
        base = main.branch if main else ""
        return [
            self._copy(str(root), each, base, records.get(str(each.path)), by_folder, others)
            for each in found[1:]
        ]

    def _copy(
        self,
        root: str,
        found: Worktree,
        base: str,
        record: SessionWorktree | None,
        by_folder: dict[str, list[tuple[str, str]]],
        others: Sequence[LiveSession],
    ) -> Copy:
        path = str(found.path)
        working = [
            each for folder, known in by_folder.items() if _is_in(folder, path) for each in known
        ]
        if record and record.session_id not in (each for _, each in working):
            with_record = self._address(record)
            working = [*([with_record] if with_record else []), *working]
        working += self._begun_in(path, {session for _, session in working})
        live = [run for _, each in working if (run := self._live(each))]
        known = {session for _, session in working}
        used_by = (e.pid for e in others if e.session_id in known or _is_in(e.cwd, path))
        return Copy(
            copy_id(found.path),
            root,
            found,
            _origin(found, record),
            record,
            tuple(dict.fromkeys(working)),
            (record.base if record and record.base else base) if found.branch != base else "",
            record.base_commit if record else "",
            next(iter(sorted(live, key=_is_at_work, reverse=True)), None),
            next(used_by, 0),
        )

    def _begun_in(self, path: str, known: set[str]) -> Iterator[tuple[str, str]]:
        """Sessions with a live run there that have written nothing yet."""
        for run in self._service.services.supervisor.live():
            folder, session_id = run.record.project_path, run.record.session_id
            if _is_in(folder, path) and session_id not in known:
                yield history.project_id(folder), session_id

    def _live(self, session_id: str) -> Run | None:
        runs = self._service.services.supervisor.of_session(session_id)
        return runs[-1] if runs and runs[-1].live else None

    def _address(self, record: SessionWorktree) -> tuple[str, str] | None:
        """Where the session of a record is, if it has begun and is not deleted."""
        supervisor = self._service.services.supervisor
        is_there = supervisor.of_session(record.session_id) or history.find(
            self._workspace.config_dir, record.session_id
        )
        if record.state.is_open or not is_there:
            return None
        return history.project_id(record.folder), record.session_id

    def _repositories(self, records: Iterable[SessionWorktree], below: Path | None) -> list[Path]:
        """The main checkouts of known repositories that have linked worktrees."""
        folders: Iterable[str]
        if below is not None:
            folders = [str(below)]
        else:
            projects = sessions.outline(self._workspace.config_dir)
            known = (each.path for each in projects[: 4 * MOST_REPOSITORIES] if each.path)
            folders = [*known, *(each.repository for each in records)]
        return run_in_thread(_with_worktrees, list(dict.fromkeys(folders)))

    def _sessions_by_folder(self) -> dict[str, list[tuple[str, str]]]:
        """Claude's folder and id of the sessions of each folder, and of each entered worktree."""
        found = dict[str, list[tuple[str, str]]]()
        config_dir = self._workspace.config_dir
        for project in sessions.outline(config_dir):
            if project.path:
                known = ((project.claude_folder, each) for each in project.session_ids)
                found.setdefault(project.path, []).extend(known)
        files = [each.path for each in sessions.recent(config_dir, MOST_RECENT)]
        for file, place in run_in_thread(_entered, files):
            found.setdefault(place, []).append((file.parent.name, file.stem))
        return found

    def renewed(self, copy: Copy) -> Copy:
        """The same copy as git lists it now. Raises NoSuchCopy."""
        git = self._service.git(Path(copy.repository))
        for each in worktrees.listed(git) if git else ():
            if each.path == copy.path:
                return replace(copy, worktree=each)
        raise NoSuchCopy("There is no such copy any more.")


def _is_in(folder: str, path: str) -> bool:
    return f"{folder}/".startswith(f"{path}/")


def _is_at_work(run: Run) -> bool:
    busy = OPEN_TURN | {Phase.QUEUED, Phase.STARTING, Phase.STOPPING}
    return run.phase in busy or bool(run.state.still_running)


def made_at(copy: Copy) -> float:
    """When it was made, as a Unix time; 0 if that is not known."""
    if copy.record:
        return copy.record.at
    try:
        return (copy.path / ".git").lstat().st_mtime
    except OSError:
        return 0.0


def copy_id(path: Path) -> str:
    """The id of the worktree at a path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _entered(files: Sequence[Path]) -> list[tuple[Path, str]]:
    """The history files of sessions that Claude has taken into a worktree, and its path."""
    known = ((file, worktree_state.of_file(file)) for file in files)
    return [(file, entered.path) for file, entered in known if entered is not None]


def _origin(found: Worktree, record: SessionWorktree | None) -> CopyOrigin:
    if record is not None:
        return CopyOrigin.SESSION
    is_claudes = f"/{worktrees.PLACE.as_posix()}/" in str(found.path)
    return CopyOrigin.CLAUDE if is_claudes else CopyOrigin.OTHER


def _with_worktrees(folders: Sequence[str]) -> list[Path]:
    """The main checkouts of the repositories of some folders; called in a thread."""
    found = dict[Path, None]()
    seen = set[Path]()
    for folder in folders:
        if len(found) >= MOST_REPOSITORIES:
            break
        try:
            known = repository.find(Path(folder), lambda _: None)
        except RepositoryRefused:
            continue
        if known is None or known.common_dir in seen:
            continue
        seen.add(known.common_dir)
        if next(worktrees.known_in(known.common_dir), None) is not None:
            found[worktrees.main_top(known)] = None
    return list(found)
