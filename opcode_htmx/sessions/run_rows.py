"""Rows about sessions with a run, for the lists that show what Claude does and what it asks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from markupsafe import Markup

from opcode_htmx.engines.claude.files.session_summary import FileSummary
from opcode_htmx.engines.messages import Ask, BackgroundTask, PermissionRequest
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.rendering.activity_text import request_text
from opcode_htmx.rendering.asks.brief import (
    BriefElicitation,
    BriefRequest,
    brief_elicitation,
    brief_question,
    brief_request,
)
from opcode_htmx.rendering.asks.questions import Question
from opcode_htmx.rendering.element_ids import dom_id
from opcode_htmx.runs.budgets.figures import is_pause
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.sessions.attention import AttentionItem, Reason
from opcode_htmx.sessions.locations import SessionLocation, SessionLocations
from opcode_htmx.sessions.lookup import SessionLookup, title_of_known
from opcode_htmx.sessions.schedules.session_budgets import SessionBudgets
from opcode_htmx.sessions.status_panel import (
    LISTED_TASKS,
    about,
    kind_of,
    status_text,
    warnings_of,
)
from opcode_htmx.web.http.filters import relative_time
from opcode_htmx.web.http.forms import session_url
from opcode_htmx.web.server.base_path import base_path

ASKING = "Waiting for your answer"
MOST_KEPT = 500
"""Rows whose HTML is kept: 2 KB each."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A session, by its newest run; `at` is a Unix time. templates/run_rows.html renders it."""

    id: str
    session_id: str
    address: str
    """The session's page: at the top of what it asks, or at its end."""
    project_id: str
    project: str
    """The name of its folder."""
    project_path: str
    title: str
    phase: str
    status: str
    at: float
    live: bool
    is_at_rest: bool
    """Whether its process waits for a prompt, so that there is nothing to stop."""
    subject: str = ""
    """What it asks about, in a few words."""
    brief: BriefRequest | None = None
    """What it asks, if the row can show all of that."""
    question: Question | None = None
    """What it asks to choose, if the row can show all of that."""
    elicitation: BriefElicitation | None = None
    """What an MCP server asks, if the row can show all of that."""
    question_id: str = ""
    """The id of that request."""
    warnings: Sequence[str] = ()
    background: Sequence[tuple[str, str]] = ()
    """The tasks that run beside Claude's turns: kind and description."""
    more: int = 0
    """The number of further tasks."""


class RunRows:
    """Makes the rows, each anew where something that it is made of has changed."""

    def __init__(self, lookup: SessionLookup, budgets: SessionBudgets) -> None:
        self._lookup = lookup
        self._budgets = budgets
        self._known: dict[str, _Known] = {}
        """The rows of the last page, by the ids of their runs."""

    def of(
        self, items: Sequence[AttentionItem], runs: Sequence[Run]
    ) -> tuple[list[RunRow], list[RunRow]]:
        """The rows of sessions that need attention, and of others with a run.

        The files of all sessions are looked at once for all rows, and not for each.
        """
        if not items and not runs:
            return [], []
        page = _Page(self._lookup.locations, self._known, self._budgets.stops())
        rows = [page.of_attention(item) for item in items], [page.of_run(run) for run in runs]
        self._known = page.made
        return rows


@dataclass(frozen=True, slots=True)
class _Known:
    """A row, and all that it was made of."""

    sources: tuple[object, ...]
    row: RunRow


class _Page:
    """Makes the rows of one page."""

    def __init__(
        self,
        locations: SessionLocations,
        known: Mapping[str, _Known],
        stop_of: Callable[[str, str], str],
    ) -> None:
        self._locations = locations
        self._stop_of = stop_of
        self._files = locations.files()
        self._projects: dict[tuple[object, ...], str] = {}
        """The ids of projects, by what decides which one lists a session."""
        self._known = known
        self._base_path = base_path()
        self.made: dict[str, _Known] = {}

    def of_attention(self, item: AttentionItem) -> RunRow:
        """A session that needs attention, with what it asks."""
        asks, words = item.reason is Reason.ASKS, item.text
        if item.reason is Reason.FAILED and is_pause(words):  # now another budget may be the cause
            words = status_text(item.run, stop=self._stop(item.run))
        return self._row(item.run, item.reason, words, item.at, asks=asks)

    def of_run(self, run: Run) -> RunRow:
        """A session in which Claude works or waits, with what it does."""
        status = status_text(run, stop=self._stop(run))
        status = ": ".join(filter(None, (status, about(run))))
        return self._row(run, run.phase, status, run.record.created_at)

    def _stop(self, run: Run) -> str:
        return self._stop_of(run.record.session_id, run.record.project_path)

    def _row(self, run: Run, phase: str, status: str, at: float, *, asks: bool = False) -> RunRow:
        state, record = run.state, run.record
        summary = self._files.summary(record.session_id)
        request = next(iter(state.asks.values()), None) if asks else None
        tasks, known = state.still_running, self._known.get(run.id)
        location = self._locations.of_known(run, summary)
        project_id = self._project_id(location, summary)
        shown = phase, status, at, request, state.phase, tasks, run.warnings, record
        first = next(iter(state.sent.values()), "")
        sources = *shown, first, summary, location, project_id, self._base_path
        if known is None or known.sources != sources:
            made = _made(run, phase, status, at, request, tasks, summary, location, project_id)
            known = _Known(sources, made)
        self.made[run.id] = known
        return known.row

    def _project_id(self, location: SessionLocation, summary: FileSummary | None) -> str:
        listed = (summary.cwd, summary.title is None) if summary else None
        key = location.claude_folder, location.folder, listed
        known = self._projects.get(key)
        if known is None:
            known = self._locations.project_id(location) or location.claude_folder
            self._projects[key] = known
        return known


def _made(
    run: Run,
    phase: str,
    status: str,
    at: float,
    request: Ask | None,
    tasks: Sequence[BackgroundTask],
    summary: FileSummary | None,
    location: SessionLocation,
    project_id: str,
) -> RunRow:
    """Everything read from the run has to be among the `sources` of its row, in `_Page._row`."""
    permission = request if isinstance(request, PermissionRequest) else None
    short = brief_request(permission, location.folder) if permission and location.folder else None
    return RunRow(
        id=run.id,
        session_id=run.record.session_id,
        address=session_url(
            location.claude_folder,
            location.session_id,
            dom_id(request.request_id) if request else "end",
        ),
        project_id=project_id,
        project=location.project_name,
        project_path=location.folder or "",
        title=title_of_known(run, summary),
        phase=phase,
        status=ASKING if request else status,
        at=at,
        live=run.live,
        is_at_rest=run.phase is Phase.IDLE and not tasks,
        subject=_subject(request) if request else "",
        brief=short,
        question=brief_question(permission) if permission else None,
        elicitation=brief_elicitation(request) if request else None,
        question_id=request.request_id if request else "",
        warnings=warnings_of(run),
        background=[(kind_of(task), task.description) for task in tasks[:LISTED_TASKS]],
        more=len(tasks[LISTED_TASKS:]),
    )


class KeptRows:
    """The rendered rows, each until the row or anything else that it shows has changed.

    To render one takes 150 µs, and nearly all are as they were when the page was requested before.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], tuple[RunRow, tuple[object, ...], Markup]] = {}

    def rendered(
        self,
        rows: Iterable[RunRow],
        render: Callable[[RunRow, bool, str, str, str], Markup],
        alike: Collection[str],
        when: str,
        back: str,
        token: str,
        agent_of: Callable[[str], str] | None,
        copy_of: Callable[[str], object] | None,
    ) -> list[Markup]:
        """The rows, one after the other; the arguments of `render` are those of `_row` there.

        `looks` is all that a row shows beside its own fields. `agent_of` gives the name of the
        agent of a session, or an empty one, and `copy_of` what a folder is a copy of.
        """
        copies: dict[str, object] = {}
        found: list[Markup] = []
        for row in rows:
            folder = row.project_path
            if copy_of is not None and folder not in copies:
                copies[folder] = copy_of(folder)
            agent = agent_of(row.session_id) if agent_of is not None else ""
            shows_path = row.project in alike
            looks = shows_path, token, agent, copies.get(folder), relative_time(row.at)
            place = row.id, when, back
            known = self._kept.get(place)
            if known is None or known[1] != looks or known[0] != row:
                self._kept.pop(place, None)
                known = self._kept[place] = row, looks, render(row, shows_path, when, back, agent)
                if len(self._kept) > MOST_KEPT:
                    del self._kept[next(iter(self._kept))]
            found.append(known[2])
        return found


def with_other_paths(rows: Iterable[RunRow]) -> set[str]:
    """The names that several of the rows' folders share: only their paths distinguish them."""
    paths: dict[str, set[str]] = {}
    for row in rows:
        paths.setdefault(row.project, set()).add(row.project_path)
    return {name for name, found in paths.items() if len(found) > 1}


def _subject(request: Ask) -> str:
    text = request_text(request)
    is_sentence = isinstance(request, PermissionRequest)  # else it begins with a server's name
    return text[:1].upper() + text[1:] if is_sentence else text
