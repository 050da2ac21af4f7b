"""The pages of runs of agents: start one, the list, one of them, stop, run again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.agents.model import AgentRefused
from opcode_htmx.features.agents.pages import AgentPages
from opcode_htmx.features.agents.running.copies import CannotUseWorktree
from opcode_htmx.features.agents.running.records import NoSuchAgentRun
from opcode_htmx.features.agents.running.runner import Start
from opcode_htmx.features.agents.store import NoSuchAgent
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.budgets.book import BudgetReached
from opcode_htmx.runs.control.launcher import CannotStart
from opcode_htmx.runs.control.run import RunNotLive
from opcode_htmx.runs.model.permission_updates import BypassNotAllowed
from opcode_htmx.runs.policies.limit_monitor import QueueFull
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.policies.working_folders import InvalidFolder, reference
from opcode_htmx.sessions.submit import InvalidPrompt, SessionExists, TrustDecision
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import BadForm, typed, whole_number
from opcode_htmx.web.http.prompt_form import new_session_id, prompt_id_of, words_of_form

PER_PAGE = 50
LONGEST_CARRIED = 600
"""Characters of a task that goes to the picker and back in the address."""
LONGEST_FOLDER = 4000
LONGEST_AGAIN = 2000
"""Characters of a task in the link that runs it again."""
REFUSALS: dict[type[Exception], int] = {
    AgentRefused: 422,
    InvalidFolder: 422,
    InvalidPrompt: 422,
    CannotUseWorktree: 422,
    SessionExists: 409,
    BudgetReached: 409,
    BypassNotAllowed: 403,
    CannotStart: 503,
    QueueFull: 503,
    RunNotLive: 409,
    DiskFull: 507,
}


def blueprint(parts: AgentPages) -> Blueprint:
    pages = Blueprint("agent_runs", __name__)

    @pages.post("/agents/<int:agent_id>/run")
    def start(agent_id: int) -> Response | BaseResponse:
        """Start the agent; what is refused comes back with its words."""
        stored, form = parts.store.get(agent_id), request.form
        try:
            words = words_of_form()
            folder = parts.folder(form.get("folder", ""))
            trust, trusted = _decision()
            wanted = Start(
                folder,
                words,
                form.get("model", "")[:128],
                bool(form.get("worktree")),
                new_session_id(folder, words),
                prompt_id_of(words, ()),
                trusted,
            )
            record = parts.runner.start(stored, wanted, by=current_identity(), trust=trust)
        except TrustNeeded as needed:
            return make_response(parts.agent_page(stored, form, needed=needed), 409)
        except tuple(REFUSALS) as error:
            status = next(code for kind, code in REFUSALS.items() if isinstance(error, kind))
            return make_response(parts.agent_page(stored, form, error=str(error)), status)
        address = parts.row(parts.progress.row(record)).address
        return redirect(address or url_for(".run", agent_run=record.id), 303)

    @pages.post("/agents/<int:agent_id>/folder")
    def choose_folder(agent_id: int) -> Response | BaseResponse:
        """Show the folder picker, which leads back here; what was typed goes along."""
        stored, form = parts.store.get(agent_id), request.form
        words = typed(form.get("prompt", ""))
        if len(words) > LONGEST_CARRIED:
            sentence = "The task is too long to go along: choose the folder first."
            return make_response(parts.agent_page(stored, form, error=sentence), 422)
        kept: dict[str, Any] = {
            "task": words,
            "model": form.get("model", "")[:128] or None,
            "worktree": "1" if form.get("worktree") else None,
        }
        back = url_for("agents.agent", agent_id=agent_id, **kept)
        return redirect(url_for("folders.browse", next=back, chosen=_chosen(form)), 303)

    @pages.get("/agents/runs")
    def page() -> str:
        page = whole_number(request.args.get("page", ""), 4) or 1
        records = parts.records.all()
        first = (page - 1) * PER_PAGE
        return render_template(
            "agents/runs.html",
            runs=parts.rows(records[first : first + PER_PAGE]),
            older=page + 1 if len(records) > first + PER_PAGE else None,
            newer=page - 1 if page > 1 else None,
        )

    @pages.get("/agents/runs/of/<session_id>")
    def of_session(session_id: str) -> BaseResponse:
        """The run that a session began as."""
        record = parts.records.of_session(session_id)
        if record is None:
            raise NoSuchAgentRun
        return redirect(url_for(".run", agent_run=record.id), 302)

    @pages.get("/agents/runs/<int:agent_run>")
    def run(agent_run: int) -> str:
        record = parts.records.get(agent_run)
        view = parts.progress.view(record)
        try:
            agent = parts.store.get(record.agent_id)
        except NoSuchAgent:
            agent = None
        return render_template(
            "agents/run.html",
            row=parts.row(view),
            view=view,
            record=record,
            agent=agent,
            again={
                "task": record.task[:LONGEST_AGAIN],
                "folder": reference(Path(record.project)),
                "model": record.model or None,
                "worktree": "1" if record.in_worktree else None,
            },
        )

    @pages.post("/agents/runs/<int:agent_run>/stop")
    def stop(agent_run: int) -> BaseResponse:
        parts.runner.stop(parts.records.get(agent_run), by=current_identity())
        return redirect(url_for(".run", agent_run=agent_run), 303)

    return pages


def _chosen(form: Mapping[str, str]) -> str | None:
    """The folder that was chosen before, to which the picker leads back where it is left."""
    return form.get("folder", "")[:LONGEST_FOLDER] or None


def _decision() -> tuple[TrustDecision | None, str | None]:
    """What a person has decided about the files of the project, and the digest of a trusted list.

    Only what was seen is trusted, or it is asked again.
    """
    match typed(request.form.get("decision", "")):
        case "":
            return None, None
        case "trust":
            return None, request.form.get("digest", "")
        case "without":
            return TrustDecision.LEAVE_OUT, None
    raise BadForm("Choose whether to trust this project.")
