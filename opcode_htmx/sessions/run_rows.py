"""Rows about sessions with a run, for the lists that show what Claude does and what it asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opcode_htmx.engines.messages import Ask, PermissionRequest
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.rendering.activity_text import request_text
from opcode_htmx.rendering.elicitations import BriefElicitation, brief_elicitation
from opcode_htmx.rendering.fragments import dom_id
from opcode_htmx.rendering.permission_details import BriefRequest, brief
from opcode_htmx.rendering.questions import Question, brief_question
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.sessions.attention import AttentionItem, Reason
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.status_panel import (
    about,
    kind_of,
    listed_tasks,
    status_text,
    warnings_of,
)
from opcode_htmx.web.http.forms import session_url

ASKING = "Waiting for your answer"


@dataclass(frozen=True, slots=True)
class RunRow:
    """A session, by its newest run; `at` is a Unix time. templates/run_rows.html renders it."""

    id: str
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
    """Makes the rows."""

    def __init__(self, lookup: SessionLookup) -> None:
        self._lookup = lookup

    def of_attention(self, item: AttentionItem) -> RunRow:
        """A session that needs attention, with what it asks."""
        asks = item.reason is Reason.ASKS
        return self._row(item.run, item.reason, item.text, item.at, asks=asks)

    def of_run(self, run: Run) -> RunRow:
        """A session in which Claude works or waits, with what it does."""
        status = ": ".join(filter(None, (status_text(run), about(run))))
        return self._row(run, run.phase, status, run.record.created_at)

    def _row(self, run: Run, phase: str, status: str, at: float, *, asks: bool = False) -> RunRow:
        location = self._lookup.locations.of_run(run)
        tasks, more = listed_tasks(run)
        request = next(iter(run.state.asks.values()), None) if asks else None
        permission = request if isinstance(request, PermissionRequest) else None
        short = brief(permission, location.folder) if permission and location.folder else None
        return RunRow(
            id=run.id,
            address=session_url(
                location.claude_folder,
                location.session_id,
                dom_id(request.request_id) if request else "end",
            ),
            project_id=self._lookup.locations.project_id(location) or location.claude_folder,
            project=location.project_name,
            project_path=location.folder or "",
            title=self._lookup.title_of_run(run),
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
            background=[(kind_of(task), task.description) for task in tasks],
            more=more,
        )


def with_other_paths(rows: Iterable[RunRow]) -> set[str]:
    """The names that several of the rows' folders share: only their paths tell them apart."""
    paths: dict[str, set[str]] = {}
    for row in rows:
        paths.setdefault(row.project, set()).add(row.project_path)
    return {name for name, found in paths.items() if len(found) > 1}


def _subject(request: Ask) -> str:
    text = request_text(request)
    is_sentence = isinstance(request, PermissionRequest)  # else it begins with a server's name
    return text[:1].upper() + text[1:] if is_sentence else text
