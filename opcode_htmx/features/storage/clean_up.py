"""Move sessions that were not used for a while to the trash: first planned, then done so."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from opcode_htmx.engines.claude.files import links
from opcode_htmx.engines.claude.files.session_summary import FileSummary, summarize
from opcode_htmx.features.storage.still_needed import StillNeeded
from opcode_htmx.lib.concurrency.background import Background, StillCounting
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.lookup import shorten
from opcode_htmx.sessions.storage.survey import Pace, changed, session_files
from opcode_htmx.sessions.storage.trash import Deletable, DeletedBatch, Trash

log = logging.getLogger(__name__)

AGES = (30, 90, 180, 365)
"""Days for which a session was not used."""
DAY = 86400.0
PATIENCE_SECONDS = 60.0
"""For the last look before something is moved."""
LISTED = 600
"""Sessions that a dry run lists one by one: no form has many more fields."""
LISTED_OF_PROJECT = 50
LISTED_PROJECTS = 200
"""The others are one part."""


class PlanChanged(Exception):
    """The plan is no longer the one that the person has seen."""


@dataclass(frozen=True, slots=True)
class _Session:
    """A session of the lists, with the bytes of all its files."""

    summary: FileSummary
    total: int

    @property
    def key(self) -> str:
        return f"{self.summary.claude_folder}/{self.summary.session_id}"


@dataclass(frozen=True, slots=True)
class SessionPart:
    """A session that would go, with a box of its own; `at` is a Unix time, `total` is in bytes."""

    box: str
    title: str
    at: float
    total: int


@dataclass(frozen=True, slots=True)
class ProjectPart:
    """The sessions of one project that would go. Times are Unix seconds, `total` is in bytes."""

    path: str
    """Empty for all other projects together."""
    sessions: int
    total: int
    oldest: float
    newest: float
    listed: tuple[SessionPart, ...]
    """The largest first."""
    box: str
    """Stands for those that are not listed."""
    more: int
    more_total: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a clean-up would move to the trash, and what it would keep though it is old."""

    days: int
    before: float
    """Sessions that were used after this Unix time stay."""
    projects: tuple[ProjectPart, ...]
    """The largest first."""
    sessions: int
    total: int
    kept: tuple[tuple[str, int], ...]
    """Why old sessions stay, and how many."""
    incomplete: bool
    """Whether there was no time to read all sessions; those that were not read stay."""
    digest: str
    """Names exactly these sessions."""


class CleanUp:
    """Plans and does the clean-up."""

    def __init__(
        self, config_dir: Path, trash_folder: Path, needed: StillNeeded, trash: Trash
    ) -> None:
        self._config_dir = config_dir
        self._needed = needed
        self._trash = trash
        self._pace = Pace()
        self._all = Background(self._read, lambda: changed(trash_folder))

    @property
    def counted(self) -> int:
        """How much has been looked through so far."""
        return self._pace.steps

    def plan(self, days: int, patience: float) -> Plan | None:
        """What would go now; None if that is not known within `patience` seconds."""
        before = time.time() - days * DAY
        found = self._all.get(patience)
        return None if found is None else self._plan(days, before, *found)[0]

    def do(
        self, days: int, before: float, digest: str, ticked: Collection[str]
    ) -> DeletedBatch | None:
        """Move those sessions of a plan to the trash whose boxes are ticked; None if none is.

        Raises PlanChanged if the plan is another one by now, StillCounting, OSError.
        """
        self._all.expire()
        found = self._all.get(PATIENCE_SECONDS)
        if found is None:
            raise StillCounting("Looking through your sessions takes long. Try again in a moment.")
        plan, sessions = self._plan(days, before, *found)
        if plan.digest != digest:
            raise PlanChanged
        going = [each for box, each in _boxes(sessions, plan.projects) if box in ticked]
        return self._trash.put_all(self._unchanged(going)) if going else None

    def _read(self) -> tuple[list[_Session], bool]:
        """The sessions that lists show, and whether that is all; called in a thread."""
        self._pace = pace = Pace()
        found = list[_Session]()
        for file in session_files(self._config_dir, pace):
            if not pace.step():
                return found, False
            try:
                summary = summarize(file.path, file.size, file.mtime_ns)
            except OSError:
                continue
            except Exception:  # one that cannot be read stays
                log.exception("could not read %s for a clean-up", file.path)
                continue
            if summary.title is not None:
                found.append(_Session(summary, file.total))
        return found, pace.step()

    def _plan(
        self, days: int, before: float, sessions: list[_Session], complete: bool
    ) -> tuple[Plan, list[_Session]]:
        # A session may have copies in several projects: what is kept for it goes with any of them
        in_use = {each.summary.session_id for each in sessions if _last_used(each) >= before}
        old = {
            each.summary.session_id: each
            for each in sessions
            if each.summary.session_id not in in_use
        }
        needed = self._needed.reasons(old)
        going = [each for session_id, each in old.items() if session_id not in needed]
        projects = _by_project(going)
        plan = Plan(
            days=days,
            before=before,
            projects=projects,
            sessions=len(going),
            total=sum(each.total for each in going),
            kept=tuple(Counter(needed.values()).most_common()),
            incomplete=not complete,
            digest=_digest(going, projects),
        )
        return plan, going

    def _unchanged(self, sessions: list[_Session]) -> Iterator[Deletable]:
        """The sessions whose files have not changed since they were read."""
        for each in sessions:
            summary = each.summary
            status = links.file_status(summary.path)
            if status and (status.st_size, status.st_mtime_ns) == (summary.size, summary.mtime_ns):
                yield Deletable(
                    session_id=summary.session_id,
                    project_id=summary.claude_folder,
                    title=_title(summary),
                    history=summary.path,
                )


def _last_used(session: _Session) -> float:
    return session.summary.last_activity


def _groups(sessions: list[_Session]) -> list[tuple[str, list[_Session]]]:
    """The sessions by the paths of their projects, the largest first in both."""
    groups: dict[str, list[_Session]] = {}
    for each in sorted(sessions, key=lambda each: (-each.total, each.key)):
        path = each.summary.cwd or each.summary.claude_folder
        groups.setdefault(path, []).append(each)
    found = sorted(groups.items(), key=lambda group: (-sum(e.total for e in group[1]), group[0]))
    others = [each for _, group in found[LISTED_PROJECTS:] for each in group]
    return [*found[:LISTED_PROJECTS], *([("", others)] if others else [])]


def _by_project(sessions: list[_Session]) -> tuple[ProjectPart, ...]:
    parts, left = list[ProjectPart](), LISTED
    for path, group in _groups(sessions):
        number = min(left, LISTED_OF_PROJECT) if path else 0
        parts.append(_part(path, group, number))
        left -= len(parts[-1].listed)
    return tuple(parts)


def _part(path: str, sessions: list[_Session], number: int) -> ProjectPart:
    used = [_last_used(each) for each in sessions]
    more = sessions[number:]
    return ProjectPart(
        path=path,
        sessions=len(sessions),
        total=sum(each.total for each in sessions),
        oldest=min(used),
        newest=max(used),
        listed=tuple(
            SessionPart(each.key, _title(each.summary), _last_used(each), each.total)
            for each in sessions[:number]
        ),
        box=hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:32],
        more=len(more),
        more_total=sum(each.total for each in more),
    )


def _title(summary: FileSummary) -> str:
    return shorten(summary.name or summary.title or "") or "A session"


def _boxes(
    sessions: list[_Session], projects: tuple[ProjectPart, ...]
) -> Iterator[tuple[str, _Session]]:
    """Each session that would go, after the box that stands for it."""
    own = {each.box for part in projects for each in part.listed}
    for part, (_, group) in zip(projects, _groups(sessions), strict=True):
        for each in group:
            yield each.key if each.key in own else part.box, each


def _digest(sessions: list[_Session], projects: tuple[ProjectPart, ...]) -> str:
    """Names the sessions of a plan, each with its box: a tick means the same as it was shown."""
    names = sorted(f"{box} {each.key}" for box, each in _boxes(sessions, projects))
    return hashlib.sha256("\n".join(names).encode("utf-8", "replace")).hexdigest()
