"""What the pages of agents show, made of the store, the runs and the projects."""

from __future__ import annotations

import math
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from flask import render_template

from opcode_htmx.engines.claude.files import sessions
from opcode_htmx.features.agents.running.progress import AgentProgress
from opcode_htmx.features.agents.running.records import AgentRun, AgentRuns
from opcode_htmx.features.agents.running.runner import AgentRunner
from opcode_htmx.features.agents.running.state import RunView
from opcode_htmx.features.agents.store import AgentStore, StoredAgent
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import worktrees
from opcode_htmx.runs.budgets.figures import is_pause
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.policies.working_folders import InvalidFolder, path_of, reference
from opcode_htmx.sessions.configuration import trust_items
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.folder_labels import name_of, shortened
from opcode_htmx.sessions.schedules.model import Progress, Schedule
from opcode_htmx.sessions.schedules.timing import day_words
from opcode_htmx.sessions.status_panel import status_text
from opcode_htmx.web.http.forms import session_url

MOST_PROJECTS = 100
RUNS_OF_AGENT = 10


@dataclass(frozen=True, slots=True)
class Row:
    """A run in a list."""

    view: RunView
    project: str
    """The name of the folder that was chosen."""
    address: str
    """Of the session's page; empty if the session is gone."""
    words: str
    """How far it is, for a person."""

    @property
    def record(self) -> AgentRun:
        return self.view.record


@dataclass(frozen=True, slots=True)
class Project:
    """A folder to choose for a run; `folder` is as forms name it."""

    folder: str
    label: str
    has_worktrees: bool
    """Whether it seems to be in a git repository."""


@dataclass(frozen=True, slots=True)
class AgentSchedule:
    """A schedule of an agent in a list."""

    id: str
    title: str
    when: str
    state: str
    """When it is due next, or why it is not."""
    due: float
    """The next Unix time at which it starts the agent; infinity if there is none."""


@dataclass(frozen=True, slots=True)
class AgentPages:
    """Serves the pages of one worker."""

    context: AppContext
    store: AgentStore
    records: AgentRuns
    runner: AgentRunner
    progress: AgentProgress

    @property
    def allows_bypass(self) -> bool:
        return self.context.runs.options.allow_bypass

    def models(self) -> list[tuple[str, str]]:
        """The models to choose from: value and name."""
        known = self.context.capabilities.models
        found = [(each.value, each.name) for each in known if each.value != "default"]
        return found or [("sonnet", "Sonnet"), ("opus", "Opus"), ("haiku", "Haiku")]

    def projects(self, chosen: str) -> list[Project]:
        """The folders to run in; `chosen` is the first."""
        workspace = self.context.workspace
        found = project_choices(workspace, MOST_PROJECTS)
        known = [each.reference for each in found if not _is_worktree(each.reference)]
        if workspace.sample_project:
            known.append(reference(workspace.sample_project))
        if not known:
            known.append(reference(next(iter(workspace.project_roots))))
        folders = dict.fromkeys([chosen, *known] if chosen else known)
        return [
            Project(
                each,
                f"{name_of(path, workspace)} ({shortened(path)})",
                worktrees.is_possible(path),
            )
            for each in folders
            for path in (path_of(each),)
        ]

    def agent_page(
        self,
        stored: StoredAgent,
        form: Mapping[str, str],
        *,
        error: str = "",
        needed: TrustNeeded | None = None,
    ) -> str:
        """The page of an agent, with the form that runs it."""
        mine = self.records.all(stored.id)
        folder = form.get("folder", "")
        groups = trust_items.grouped(needed.items) if needed else {}
        projects = self.projects(folder)
        selected = next((each for each in projects if each.folder == folder), projects[0])
        return render_template(
            "agents/agent.html",
            stored=stored,
            agent=stored.agent,
            enforced=stored.agent.limits.enforced(),
            task=form.get("prompt", form.get("task", stored.agent.default_task)),
            folder=folder,
            model=form.get("model", stored.agent.model),
            models=self.models(),
            # a choice that is not shown could not be taken back
            in_worktree=bool(form.get("worktree")) and selected.has_worktrees,
            projects=projects,
            schedules=self.schedules(stored.id),
            ids=(form.get("session_id") or uuid.uuid4(), form.get("prompt_id") or uuid.uuid4()),
            runs=self.rows(mine[:RUNS_OF_AGENT]),
            more=len(mine) - RUNS_OF_AGENT,
            error=error,
            needed=needed,
            groups=trust_items.shown(needed.folder, groups) if needed else [],
        )

    def schedules(self, agent_id: int) -> list[AgentSchedule]:
        """The schedules that start an agent, the one that is due first before the others."""
        store, now = self.context.sessions.schedules, time.time()
        found = [each for each in store.all() if each.work.agent_id == agent_id]
        shown = [_schedule(each, store.progress(each.id), now) for each in found]
        return sorted(shown, key=lambda each: each.due)

    def rows(self, found: Sequence[AgentRun]) -> list[Row]:
        """The rows of a list of runs. Each looks for its session's file: only of those shown."""
        return [self.row(self.progress.row(each)) for each in found]

    def row(self, view: RunView) -> Row:
        record = view.record
        words, budgets = view.status.capitalize(), self.context.sessions.budgets
        if view.is_live and view.run:
            words = status_text(view.run, stop=budgets.stop_of(view.run))
        elif view.is_setting_up:
            words = "Setting up the copy…"
        elif view.run and view.run.record.end and is_pause(view.run.record.end.cause):
            words = status_text(view.run, stop=budgets.stop_of(view.run))
        return Row(
            view,
            name_of(Path(record.project), self.context.workspace),
            self._address(record),
            words,
        )

    def live_by_agent(self, found: Sequence[AgentRun]) -> Counter[int]:
        """How many of these runs are not over, by the numbers of their agents."""
        views = map(self.progress.row, found)
        return Counter(each.record.agent_id for each in views if each.is_live or each.is_setting_up)

    def _address(self, record: AgentRun) -> str:
        locations = self.context.sessions.locations
        try:
            location = locations.of(record.session_id)
        except sessions.SessionNotFound:
            return ""
        return session_url(location.claude_folder, location.session_id)

    def folder(self, text: str) -> Path:
        """The folder of a form. Raises InvalidFolder."""
        if not text.strip():
            raise InvalidFolder("Choose a project for the agent to work in.")
        return self.context.workspace.working_folder(text)


def _schedule(schedule: Schedule, progress: Progress, now: float) -> AgentSchedule:
    timing = schedule.timing
    due = next(iter(timing.next(max(progress.handled, now - 1), 1)), math.inf)
    if schedule.paused:
        state, due = "Paused", math.inf
    else:
        state = "Over" if due == math.inf else f"Next: {day_words(due, timing.zone, now)}"
    return AgentSchedule(schedule.id, schedule.title, timing.words(), state, due)


def _is_worktree(folder: str) -> bool:
    """Whether a folder is a copy that a run has got: further runs begin in the project itself."""
    return f"/{worktrees.PLACE.as_posix()}/" in folder
