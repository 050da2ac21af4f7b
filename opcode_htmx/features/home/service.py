"""Find the sessions of the start page: those that need the person, at work, pinned, and recent."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from opcode_htmx.engines.claude.files import history, sessions
from opcode_htmx.engines.claude.files.session_listing import Listing
from opcode_htmx.engines.claude.files.session_summary import FileSummary
from opcode_htmx.features.context import once_a_request
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.attention import AttentionItem, AttentionList, Reason, seen_until
from opcode_htmx.sessions.configuration.project_choices import (
    ProjectChoice,
    project_choices,
)
from opcode_htmx.sessions.index.reader import IndexReader, IndexUnavailable
from opcode_htmx.sessions.lookup import shorten
from opcode_htmx.sessions.read_ahead import ReadAhead
from opcode_htmx.sessions.run_rows import RunRow, RunRows, with_other_paths
from opcode_htmx.sessions.storage.past_times import PastTimes
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.sessions.storage.session_flags import (
    MOST_OFFERED,
    NO_FLAGS,
    Flags,
    SessionFlags,
    most_used_tags,
)
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.web.http.forms import session_url

MOST_RUNS = 8
"""Of each list; the page of running sessions has all of them."""
PAGE = 20
"""Recent sessions that are shown at a time."""
SELECTABLE = 100
"""Recent sessions that are shown at a time with checkboxes."""
MOST_PROJECTS = 8
MOST_ASKED = 2000
"""Sessions that are looked through for those of now, where a clock was ahead for long."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session without a run that is shown above; `at` is a Unix time."""

    id: str
    key: str
    """Its names in the form of selected sessions: Claude's folder and its id."""
    address: str
    title: str
    project_path: str
    """Its folder; empty if it is unknown."""
    at: float
    flags: Flags
    words: str = ""
    """The last words in it, or how it was ended; empty if they are its title, or not known."""


@dataclass(frozen=True, slots=True)
class SelectableList:
    """The sessions of the start page with checkboxes."""

    rows: list[SessionRow]
    older: int
    """The number of the first session of the next page; 0: there is none."""
    known_tags: list[str]
    """The tags of all sessions, the most used first."""


@dataclass(frozen=True, slots=True)
class HomeLists:
    """The lists of the start page; no session is in two of them."""

    needs_you: list[RunRow]
    running: list[RunRow]
    done: list[RunRow]
    """Those that are done since the person has looked at them."""
    seen_until: int
    """The time, in Unix milliseconds, up to which these are known here."""
    more_that_need_you: int
    """Sessions that need the person, and have no row here."""
    more_at_work: int
    """Sessions at work that have no row here."""
    more_done: int
    """Sessions that are done, and have no row here."""
    alike: Collection[str]
    pinned: list[SessionRow]
    recent: list[SessionRow]
    older: int
    """The number of the first session of the next page; 0: there is none."""
    projects: list[ProjectChoice]
    archived: str
    """Where nothing is listed: the id of a project with archived sessions; empty: there is none."""


class Home:
    """Finds the sessions for the start page."""

    def __init__(
        self,
        workspace: Workspace,
        runs: Supervisor,
        attention: AttentionList,
        rows: RunRows,
        flags: SessionFlags,
        index: IndexReader,
        positions: ReadPositions,
    ) -> None:
        self._workspace = workspace
        self._runs = runs
        self._attention = attention
        self._rows = rows
        self._flags = flags
        self._index = index
        self._positions = positions
        self._ahead = ReadAhead(workspace.config_dir)

    def read_ahead(self) -> None:
        """Read the other sessions' files, for the pages that come next."""
        self._ahead.begin()

    def lists(self, start: int) -> HomeLists:
        """The lists, with the recent sessions from the number `start` on."""
        flags = self._flags.all()
        items, working, ids = self._busy()
        done = [item for item in items if item.reason is Reason.DONE]
        items = [item for item in items if item.reason is not Reason.DONE]
        needing = items[:MOST_RUNS]
        ended, running = self._rows.of([*needing, *done[:MOST_RUNS]], working[:MOST_RUNS])
        needs_you, rows_of_done = ended[: len(needing)], ended[len(needing) :]
        pinned = self._pinned(flags, ids)
        found = sessions.listings(self._workspace.config_dir)
        recent, has_more = self._recent(found, flags, ids, start, PAGE)
        words, past = self._last_words([*pinned, *recent]), self._positions.past()
        is_empty = not (start or ended or running or pinned or recent)
        return HomeLists(
            needs_you=needs_you,
            running=running,
            done=rows_of_done,
            seen_until=seen_until(done),
            more_that_need_you=len(items) - len(needs_you),
            more_at_work=len(working) - len(running),
            more_done=len(done) - len(rows_of_done),
            alike=with_other_paths([*ended, *running]),
            pinned=[_row(each, flags, past, words) for each in pinned],
            recent=[_row(each, flags, past, words) for each in recent],
            older=start + PAGE if has_more else 0,
            projects=project_choices(self._workspace, MOST_PROJECTS, found),
            archived=self._project_of_archived(flags) if is_empty else "",
        )

    def _busy(self) -> tuple[list[AttentionItem], list[Run], set[str]]:
        """What needs the person, the other runs at work, and the ids of the sessions of both."""
        items = once_a_request(self._attention.all)
        ids = {item.run.record.session_id for item in items}
        working = [
            run
            for run in self._runs.live()
            if run.phase is not Phase.IDLE and run.record.session_id not in ids
        ]
        return items, working, ids | {run.record.session_id for run in working}

    def selectable(self, start: int, chosen: str) -> SelectableList:
        """The pinned and recent sessions, and the one with the id `chosen` wherever it is."""
        flags = self._flags.all()
        _, _, busy = self._busy()
        pinned = self._pinned(flags, busy) if not start else []
        found = sessions.listings(self._workspace.config_dir)
        recent, has_more = self._recent(found, flags, busy, start, SELECTABLE)
        shown = [*pinned, *recent]
        if history.SESSION_ID.fullmatch(chosen) and chosen not in {e.session_id for e in shown}:
            path = history.find(self._workspace.config_dir, chosen)
            if path and (summary := sessions.summary_of(path)):
                shown.insert(0, summary)
        words, past = self._last_words(shown), self._positions.past()
        return SelectableList(
            rows=[_row(each, flags, past, words) for each in shown],
            older=start + SELECTABLE if has_more else 0,
            known_tags=[name for name, _ in most_used_tags(flags.values())][:MOST_OFFERED],
        )

    def _pinned(self, flags: Mapping[str, Flags], shown: Collection[str]) -> list[FileSummary]:
        ids = [each for each, its in flags.items() if its.pinned and each not in shown]
        ids.sort(key=lambda each: flags[each].pinned, reverse=True)
        paths = (history.find(self._workspace.config_dir, each) for each in ids)
        return [found for path in paths if path and (found := sessions.summary_of(path))]

    def _project_of_archived(self, flags: Mapping[str, Flags]) -> str:
        archived = (each for each, its in flags.items() if its.archived)
        paths = (history.find(self._workspace.config_dir, each) for each in archived)
        return next((path.parent.name for path in paths if path), "")

    def _recent(
        self,
        listings: Sequence[Listing],
        flags: Mapping[str, Flags],
        shown: Collection[str],
        start: int,
        number: int,
    ) -> tuple[list[FileSummary], bool]:
        """The sessions in none of the other lists, and whether there are more."""
        flagged = {each for each, its in flags.items() if its.archived or its.pinned}
        end = start + number
        most = end + len(flagged.union(shown)) + 1
        past = self._positions.past()
        newest = self._newest(most, listings, past)
        found = [
            each
            for each in newest
            if each.session_id not in shown and not _is_pinned_or_archived(each, flags, past)
        ]
        return found[start:end], len(found) > end

    def _newest(
        self, most: int, listings: Sequence[Listing], past: PastTimes
    ) -> Sequence[FileSummary]:
        """The sessions used last; those of a clock that was ahead by when that was noticed."""
        asked = most
        while True:
            newest = sessions.recent(self._workspace.config_dir, asked, listings)
            wrong = sum(past.is_wrong(each.last_activity) for each in newest)
            if not wrong:
                return newest
            if len(newest) < asked or len(newest) - wrong >= most or asked >= MOST_ASKED:
                break
            asked = 2 * asked + wrong  # these are before others only for their times
        newest = past.newest_first(newest, lambda each: each.last_activity)
        self._positions.notice(past)
        return newest

    def _last_words(self, shown: Collection[FileSummary]) -> Mapping[Path, str]:
        """The last words of sessions, or how they were ended by others than the person."""
        versions = {each.path: (each.size, each.mtime_ns) for each in shown}
        ends = {run.record.session_id: run.record.end for run in self._runs.newest()}
        found = dict[Path, str]()
        with contextlib.suppress(IndexUnavailable):
            found |= self._index.last_words(versions)
        for each in shown:
            end = ends.get(each.session_id)
            if end and end.is_by_others and each.last_activity <= end.at:
                found[each.path] = end.cause
        return found


def _is_pinned_or_archived(
    session: FileSummary, flags: Mapping[str, Flags], past: PastTimes
) -> bool:
    its = flags.get(session.session_id, NO_FLAGS).of_use(session.last_activity, past)
    return bool(its.pinned or its.archived)


def _row(
    found: FileSummary, flags: Mapping[str, Flags], past: PastTimes, words: Mapping[Path, str]
) -> SessionRow:
    title = shorten(found.name or found.title or "") or "A session"
    last_words = words.get(found.path, "")
    return SessionRow(
        id=found.session_id,
        key=f"{found.claude_folder}/{found.session_id}",
        address=session_url(found.claude_folder, found.session_id),
        title=title,
        project_path=found.cwd or "",
        at=found.last_activity,
        flags=flags.get(found.session_id, NO_FLAGS).of_use(found.last_activity, past),
        words=last_words if shorten(last_words) != title else "",
    )
