"""Start agents in projects, and stop their runs.

A run of an agent is a session with a profile: the limits and instructions that each of its
processes is started with. Nothing of it is written into the project.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from opcode_htmx.engines.claude.permissions import limits
from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.features.agents.model import Agent, check_model
from opcode_htmx.features.agents.running import records
from opcode_htmx.features.agents.running.copies import AgentCopies
from opcode_htmx.features.agents.running.progress import AgentProgress
from opcode_htmx.features.agents.running.records import AgentRun, AgentRuns
from opcode_htmx.features.agents.store import StoredAgent
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.options.profiles import Profile
from opcode_htmx.runs.policies.project_trust import digest_of
from opcode_htmx.sessions.submit import SessionExists, TrustDecision, check_prompt
from opcode_htmx.sessions.worktrees.records import SessionWorktree


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


class AgentRunner:
    """Starts and stops runs of agents. One instance serves one worker."""

    def __init__(
        self, context: AppContext, runs: AgentRuns, copies: AgentCopies, progress: AgentProgress
    ) -> None:
        self._context = context
        self._records = runs
        self._copies = copies
        self._progress = progress

    def start(
        self, stored: StoredAgent, start: Start, *, by: Identity, trust: TrustDecision | None = None
    ) -> AgentRun:
        """Start an agent with a task; the same start again gives the run that it has begun.

        Raises AgentRefused, CannotUseWorktree, InvalidFolder, TrustNeeded, and what
        PromptSubmitter.submit does.
        """
        start = replace(
            start,
            session_id=start.session_id or str(uuid.uuid4()),
            prompt_id=start.prompt_id or str(uuid.uuid4()),
        )
        session_id = start.session_id
        known = self._records.of_session(session_id)
        if known and self._has_begun(known, start.prompt_id):
            return known
        self._check(stored, start, trust, is_new=known is None)
        copy = self._prepared(stored, start, by)
        record, is_new = self._record(stored, start, copy, by)
        if not is_new and known is None:  # sent twice at once
            return record
        try:
            if start.trusted is not None:
                self._trust(start, Path(record.folder), start.trusted, by)
            options = {
                "model": record.model or None,
                "permission_mode": stored.agent.permission_mode or None,
                "keep_running": True,
            }
            self._begin(record, start, copy, options, trust, by, is_new=known is None)
        except Exception:
            if not self._context.runs.starts.has_sent(session_id, start.prompt_id):
                self._take_back(record)
            raise
        log_act(by, "agent.start", agent=str(stored.id), session=session_id, project=record.folder)
        return record

    def _check(
        self, stored: StoredAgent, start: Start, trust: TrustDecision | None, *, is_new: bool
    ) -> None:
        """Raise what stands against a start, before anything is made."""
        supervisor = self._context.runs
        if is_new and self._context.sessions.locations.exists(start.session_id):
            raise SessionExists("There is a session with this id already.")
        check_prompt(start.task)
        check_model(start.model)
        supervisor.options.check(stored.agent.permission_mode or None)
        supervisor.starts.check_folder(start.folder)
        supervisor.budgets.check(start.session_id, start.folder)
        if trust is None and start.trusted is None:
            supervisor.project_trust.check(start.folder, start.session_id)

    def _prepared(self, stored: StoredAgent, start: Start, by: Identity) -> SessionWorktree | None:
        """Record the limits, then make the worktree if one is wanted: in this order, a start that
        is continued after a crash has its limits, too.
        """
        profiles, session_id = self._context.runs.options.profiles, start.session_id
        profile = self._profile(stored.agent)
        try:
            profiles.set(session_id, profile)
            if not start.in_worktree:
                return None
            return self._copies.prepare(
                session_id,
                start.prompt_id,
                start.folder,
                start.task,
                stored.agent.name,
                (start.model or stored.agent.model, stored.agent.permission_mode),
                by=by,
            )
        except Exception:
            if self._records.of_session(session_id) is None:
                profiles.remove(session_id)
            raise

    def _begin(
        self,
        record: AgentRun,
        start: Start,
        copy: SessionWorktree | None,
        options: Mapping[str, str | bool | None],
        trust: TrustDecision | None,
        by: Identity,
        *,
        is_new: bool,
    ) -> None:
        """Send the task: at once, or beside the request once the worktree is set up."""
        supervisor, session_id = self._context.runs, start.session_id
        needs_setup = copy is not None and self._copies.needs_setup(copy)

        def send(folder: Path) -> None:
            self._context.sessions.submitter.submit(
                session_id,
                folder,
                start.prompt_id,
                start.task,
                by=by,
                options=options,
                trust=None if needs_setup else trust,
                new=is_new,
            )

        if not needs_setup:
            send(Path(record.folder))
            self._copies.begun(session_id)
            return
        # before the set-up, which might change what the person has decided about
        if trust is TrustDecision.TRUST:
            supervisor.trust(session_id, Path(record.folder), by=by)
        elif trust is TrustDecision.LEAVE_OUT:
            supervisor.work_without_project_settings(session_id, by=by)
        self._copies.begin(session_id, send, by=by)

    def _trust(self, start: Start, folder: Path, digest: str, by: Identity) -> None:
        """Trust the files that the person has seen: those of the project, or of the worktree.

        Raises TrustNeeded where it was neither: then it is asked again.
        """
        supervisor = self._context.runs
        items = supervisor.project_trust.items_of(start.folder)
        seen = start.folder if digest_of(items) == digest else folder
        supervisor.trust(start.session_id, seen, digest, by=by)

    def _has_begun(self, known: AgentRun, prompt_id: str) -> bool:
        """Whether a run was sent its task, or its worktree is set up for it, or that has failed.

        A crash may have come between its record and that. Waits for one that is being sent.
        """
        supervisor, session_id = self._context.runs, known.session_id
        if supervisor.starts.has_sent(session_id, prompt_id) or self._progress.history_file(known):
            return True
        beginning = self._copies.beginning(known)
        if beginning is not None and not beginning.is_cut_off:
            return True
        return any(run.state.sent.keys() - {prompt_id} for run in supervisor.of_session(session_id))

    def _record(
        self, stored: StoredAgent, start: Start, copy: SessionWorktree | None, by: Identity
    ) -> tuple[AgentRun, bool]:
        made = AgentRun(
            id=0,
            agent_id=stored.id,
            agent_name=stored.agent.name,
            agent_icon=stored.agent.icon,
            task=start.task,
            model=start.model or stored.agent.model,
            project=str(start.folder),
            folder=copy.folder if copy else str(start.folder),
            session_id=start.session_id,
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

    def stop(self, record: AgentRun, *, by: Identity) -> bool:
        """End the run, or the set-up of its worktree; whether there was something to end."""
        has_run = self._progress.run_of(record) is not None
        was_set_up = not has_run and self._copies.stop(record.session_id, by=by)
        run = self._progress.run_of(record)  # after a set-up: its task may have been sent just then
        if run is None or not run.live:
            return was_set_up
        run.stop(by=by)
        return True

    def wait(self, session_id: str) -> None:
        """Wait until a worktree is set up and the task sent, or that has failed."""
        self._copies.wait(session_id)
