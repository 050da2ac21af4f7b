"""Start agents in projects, and say how far their runs are.

A run of an agent is a session with a profile: the limits and instructions that each of its
processes is started with. Nothing of it is written into the project.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.permissions import limits
from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.features.agents.model import Agent, check_model
from opcode_htmx.features.agents.running import records
from opcode_htmx.features.agents.running.metrics import Figures, SessionFigures
from opcode_htmx.features.agents.running.records import AgentRun, AgentRuns, Metrics, Status
from opcode_htmx.features.agents.store import StoredAgent
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.options.profiles import Profile
from opcode_htmx.runs.policies.project_trust import digest_of
from opcode_htmx.sessions.submit import SessionExists, TrustDecision, check_prompt
from opcode_htmx.sessions.worktrees import naming
from opcode_htmx.sessions.worktrees.service import CannotCopy, SessionWorktrees, Wish

_OUTCOMES = {Outcome.COMPLETED: Status.COMPLETED, Outcome.CANCELLED: Status.CANCELLED}


class CannotUseWorktree(Exception):
    """A worktree cannot be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a person has chosen for a run. The ids make a form that is sent twice one start."""

    folder: Path
    task: str
    model: str = ""
    in_worktree: bool = False
    session_id: str = ""
    prompt_id: str = ""
    trusted: str | None = None
    """The digest of a list of the project's files that the person trusts: see TrustNeeded."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as pages and the API show it."""

    record: AgentRun
    status: Status
    metrics: Metrics
    duration: float
    """Seconds, up to now for one that is not over."""
    answer: str
    run: Run | None
    """The newest process run of its session, if it is still kept."""

    @property
    def is_live(self) -> bool:
        return self.run is not None and self.run.live and not self.status.is_over


class AgentRunner:
    """Starts runs of agents. One instance serves one worker."""

    def __init__(self, context: AppContext, runs: AgentRuns) -> None:
        self._context = context
        self._records = runs
        self._figures = SessionFigures()

    def start(
        self, stored: StoredAgent, start: Start, *, by: Identity, trust: TrustDecision | None = None
    ) -> AgentRun:
        """Start an agent with a task; the same start again gives the run that it has begun.

        Raises AgentRefused, CannotUseWorktree, InvalidFolder, TrustNeeded, and what
        PromptSubmitter.submit does.
        """
        supervisor = self._context.runs
        session_id = start.session_id or str(uuid.uuid4())
        prompt_id = start.prompt_id or str(uuid.uuid4())
        known = self._records.of_session(session_id)
        if known and self._has_begun(known, prompt_id):
            return known
        if known is None and self._context.sessions.locations.exists(session_id):
            raise SessionExists("There is a session with this id already.")
        check_prompt(start.task)
        check_model(start.model)
        supervisor.options.check(stored.agent.permission_mode or None)
        supervisor.check_folder(start.folder)
        supervisor.budgets.check(session_id, start.folder)  # before anything is made
        if trust is None and start.trusted is None:
            supervisor.project_trust.check(start.folder, session_id)
        profile = self._profile(stored.agent)
        folder = self._folder_of(stored, start, session_id, by)
        record, is_new = self._record(stored, start, folder, session_id, by)
        if not is_new and known is None:  # sent twice at once
            return record
        try:
            supervisor.options.profiles.set(session_id, profile)
            if start.trusted is not None:
                self._trust(start, folder, session_id, start.trusted, by)
            self._context.sessions.submitter.submit(
                session_id,
                folder,
                prompt_id,
                start.task,
                by=by,
                options={
                    "model": record.model or None,
                    "permission_mode": stored.agent.permission_mode or None,
                    "keep_running": True,
                },
                trust=trust,
                new=known is None,
            )
        except Exception:
            if not supervisor.has_sent(session_id, prompt_id):
                self._take_back(record)
            raise
        self._copies.begun(session_id)
        log_act(by, "agent.start", agent=str(stored.id), session=session_id, project=str(folder))
        return record

    def _trust(
        self, start: Start, folder: Path, session_id: str, digest: str, by: Identity
    ) -> None:
        """Trust the files that the person has seen: those of the project, or of the worktree.

        Raises TrustNeeded where it was neither: then it is asked again.
        """
        supervisor = self._context.runs
        items = supervisor.project_trust.items_of(start.folder)
        seen = start.folder if digest_of(items) == digest else folder
        supervisor.trust(session_id, seen, digest, by=by)

    def _has_begun(self, known: AgentRun, prompt_id: str) -> bool:
        """Whether a run was sent its task; a crash may have come between its record and that.

        Waits for one that is being sent.
        """
        supervisor, session_id = self._context.runs, known.session_id
        if supervisor.has_sent(session_id, prompt_id) or self._history_file(known):
            return True
        return any(run.state.sent.keys() - {prompt_id} for run in supervisor.of_session(session_id))

    def _record(
        self, stored: StoredAgent, start: Start, folder: Path, session_id: str, by: Identity
    ) -> tuple[AgentRun, bool]:
        made = AgentRun(
            id=0,
            agent_id=stored.id,
            agent_name=stored.agent.name,
            agent_icon=stored.agent.icon,
            task=start.task,
            model=start.model or stored.agent.model,
            project=str(start.folder),
            folder=str(folder),
            session_id=session_id,
            created_at=records.now(),
            by=by.user,
        )
        return self._records.add(made)

    def _take_back(self, record: AgentRun) -> None:
        """Undo a start that was refused."""
        self._context.runs.options.profiles.remove(record.session_id)
        self._records.remove(record.id)
        if record.in_worktree:
            self._copies.take_back(record.session_id)

    def _profile(self, agent: Agent) -> Profile:
        folders = tuple(str(self._folder(each)) for each in agent.folders)
        content = replace(agent, folders=folders).settings()
        kept = limits.unwritable(str(self._context.runs.options.profiles.folder))
        content["permissions"]["deny"] = [*content["permissions"].get("deny", ()), kept]
        texts = {
            allows: argv.profile_settings(content, allow_bypass=allows) for allows in (True, False)
        }
        return Profile(
            settings=texts,
            prompt=agent.system_prompt,
            replaces_prompt=agent.replaces_prompt,
            without_servers=agent.limits.without_servers,
            label=agent.name,
            icon=agent.symbol,
        )

    def _folder(self, text: str) -> Path:
        """A further folder, which has to be one in which Claude may work. Raises InvalidFolder."""
        return self._context.workspace.working_folder(text)

    def _folder_of(self, stored: StoredAgent, start: Start, session_id: str, by: Identity) -> Path:
        if not start.in_worktree:
            return start.folder
        return self._worktree(stored, start, session_id, by)

    def _worktree(self, stored: StoredAgent, start: Start, session_id: str, by: Identity) -> Path:
        wish = Wish(
            folder=start.folder,
            words=stored.agent.name,
            prompt_id=start.prompt_id,
            prompt=start.task,
            branch=f"{naming.slug(stored.agent.name) or 'agent'}-{session_id[:8].lower()}",
        )
        try:
            return Path(self._copies.prepare(session_id, wish, by=by, is_trusted=True).folder)
        except CannotCopy as error:
            raise CannotUseWorktree(str(error)) from None

    @property
    def _copies(self) -> SessionWorktrees:
        return self._context.sessions.worktrees

    # --- looking ----------------------------------------------------------------------------

    def view(self, record: AgentRun) -> RunView:
        """A run, with its state and figures as they are now."""
        run = self._run_of(record)
        status = _status(record, run)
        figures = self._figures.of(self._history_file(record))
        end = record.completed_at if status.is_over else None
        if end is None and run is not None and run.record.end:
            end = run.record.end.at
        return RunView(
            record,
            status,
            _metrics(record, figures),
            max(0.0, (end or records.now()) - record.created_at),
            figures.answer if figures else "",
            run,
        )

    def row(self, record: AgentRun) -> RunView:
        """The same without reading the session's history: figures are those of the last turn."""
        run = self._run_of(record)
        status = _status(record, run)
        end = (record.completed_at if status.is_over else None) or records.now()
        return RunView(record, status, record.metrics, end - record.created_at, "", run)

    def note(self, session_id: str, *, cost_usd: float | None, turn: Status | None) -> None:
        """A turn has ended, or the process has: keep how far the run is, and what it has used.

        `turn` is how the turn has ended; None where the process has.
        """
        if not self._context.runs.options.profiles.label(session_id)[0]:
            return
        record = self._records.of_session(session_id)
        if record is None or (turn is None and record.status.is_over):
            return
        view = self.view(replace(record, status=Status.RUNNING))
        status, metrics = view.status, view.metrics
        if turn is not None and status in (Status.COMPLETED, Status.FAILED):
            status = turn
        if cost_usd is not None:
            metrics = replace(metrics, cost_usd=cost_usd)
        over = records.now() if status.is_over else None
        self._records.update(record.id, status=status, metrics=metrics, completed_at=over)

    def continued(self, run: Run) -> None:
        """Keep the limits where a session goes on under another id, as after `/clear`."""
        now, before = run.state.session_id, run.record.session_id
        if now and now != before:
            self._context.runs.options.profiles.copy(before, now)

    def stop(self, record: AgentRun, *, by: Identity) -> bool:
        """End the run; whether there was something to end."""
        run = self._run_of(record)
        if run is None or not run.live:
            return False
        run.stop(by=by)
        return True

    def _run_of(self, record: AgentRun) -> Run | None:
        runs = self._context.runs.of_session(record.session_id)
        return runs[-1] if runs else None

    def _history_file(self, record: AgentRun) -> Path | None:
        return history.find(self._context.workspace.config_dir, record.session_id)


def _status(record: AgentRun, run: Run | None) -> Status:
    if run is None:
        return record.status if record.status.is_over else Status.FAILED
    if run.record.end:
        found = _OUTCOMES.get(run.record.end.outcome, Status.FAILED)
        # what a turn has ended with counts more than how its process was ended later
        return record.status if record.status.is_over else found
    match run.phase:
        case Phase.QUEUED:
            return Status.PENDING
        case Phase.IDLE if run.state.turns and not run.state.background.agents:
            return record.status if record.status.is_over else Status.COMPLETED
        case _:
            return Status.RUNNING


def _metrics(record: AgentRun, figures: Figures | None) -> Metrics:
    if figures is None:
        return record.metrics
    return replace(
        record.metrics,
        tokens=figures.tokens,
        messages=figures.messages,
        files_changed=figures.files,
        lines_added=figures.added,
        lines_removed=figures.removed,
    )
