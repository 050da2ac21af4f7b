"""Make, change and delete schedules, with all checks: for pages, forms of a session, and REST."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import replace
from functools import partial
from pathlib import Path

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import worktrees
from opcode_htmx.lib.identity import Identity
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.runs.policies.working_folders import InvalidFolder, reference
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.locations import SessionLocations
from opcode_htmx.sessions.options.form import EFFORTS
from opcode_htmx.sessions.schedules.agents import ScheduledAgents
from opcode_htmx.sessions.schedules.model import (
    LEAST_USD,
    LONGEST_NAME,
    MOST_MINUTES,
    MOST_USD,
    NOT_SENT,
    Origin,
    Schedule,
    Work,
    limit_schedule_id,
)
from opcode_htmx.sessions.schedules.planned import GO_ON, after_limit
from opcode_htmx.sessions.schedules.starts import starting
from opcode_htmx.sessions.schedules.store import ScheduleStore
from opcode_htmx.sessions.schedules.timing import (
    InvalidTiming,
    Kind,
    Timing,
    checked,
    once_at,
)
from opcode_htmx.sessions.submit import check_prompt
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.sessions.worktrees.service import SessionWorktrees

_MODEL = late_pattern(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,127}", re.ASCII)
MODES = ("default", "acceptEdits", "plan", "bypassPermissions")
LONGEST_LIMIT = 60 * 86400.0
"""No usage limit lasts longer."""


class InvalidSchedule(Exception):
    """A schedule that cannot be kept; the text is a sentence for the person."""


class ScheduleChanged(Exception):
    """A schedule was changed since its form was opened; the text is a sentence for the person."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person or a program asks for, unchecked."""

    work: Work
    timing: Timing
    name: str = ""
    catch_up: bool = False
    minutes: int = 60
    budget_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Schedules:
    store: ScheduleStore
    supervisor: Supervisor
    locations: SessionLocations
    workspace: Workspace
    agents: ScheduledAgents
    server_zone: str
    """The name of the time zone of this computer."""
    copies: SessionWorktrees | None = None
    """The copies in which agents begin."""

    def add(self, wanted: Wanted, *, by: Identity, origin: Origin = Origin.PAGE) -> Schedule:
        """Keep a new schedule.

        Raises InvalidSchedule, InvalidPrompt, InvalidFolder, FolderNotAllowed, SessionNotFound,
        FolderUnknown, BypassNotAllowed, TooManySchedules, OSError, DiskFull.
        """
        now = time.time()
        found = self._checked(Schedule(uuid.uuid4().hex, wanted.work, wanted.timing), wanted, now)
        found = replace(found, origin=origin, by=by, created_at=now)
        self._keep(found, now)
        return found

    def add_after_limit(self, session_id: str, until: float, *, by: Identity) -> Schedule:
        """Go on with a session once a limit has been reset, once. Raises as `add`."""
        now = time.time()
        if not now < until < now + LONGEST_LIMIT:
            raise InvalidSchedule("This limit has been reset by now. Send a prompt to go on.")
        folder = self._folder_of_session(session_id)
        found = Schedule(
            limit_schedule_id(session_id, until),
            Work(reference(folder), GO_ON, session_id),
            once_at(after_limit(until), self.server_zone),
            catch_up=True,  # the point is to go on, a little later too
            origin=Origin.LIMIT,
            by=by,
            created_at=now,
        )
        self._keep(found, now)
        return found

    def change(
        self, schedule_id: str, wanted: Wanted, *, by: Identity, revision: str | None = None
    ) -> Schedule:
        """Change all that a person sets; what is due counts from now on.

        Raises as `add`, and ScheduleChanged where it is not of the `revision` that was shown.
        """
        now = time.time()

        def change(before: Schedule) -> Schedule:
            after = self._checked(before, wanted, now)
            is_seen = revision in (None, before.revision)
            if not is_seen and after.revision != before.revision:
                raise ScheduleChanged(
                    "This schedule was changed meanwhile, perhaps on another device. Nothing is"
                    " saved yet: save again to replace it by what stands here."
                )
            return after

        change(self.store.get(schedule_id))
        changed = self.store.change(schedule_id, change, handled=now)
        self._changed(changed, "schedule.change", by)
        return changed

    def pause(self, schedule_id: str, paused: bool, *, by: Identity) -> Schedule:
        """Pause a schedule, or go on: what was due meanwhile is not missed.

        Raises NoSuchSchedule, OSError, DiskFull.
        """
        handled = None if paused else time.time()
        changed = self.store.change(
            schedule_id, lambda each: replace(each, paused=paused), handled=handled
        )
        self._changed(changed, "schedule.pause" if paused else "schedule.resume", by)
        return changed

    def run_now(self, schedule_id: str, *, by: Identity) -> str:
        """Start a schedule within a second, beside its due times; the id of the session.

        A second request before the start changes nothing. Raises NoSuchSchedule, OSError, DiskFull.
        """
        start = partial(starting, due=round(time.time(), 3), by_hand=True)
        noted, is_new = self.store.note_by_hand(schedule_id, start)
        if is_new:
            log_act(by, "schedule.run", schedule=schedule_id)
        return noted.session_id

    def delete(self, schedule_id: str, *, by: Identity) -> Schedule:
        """Raises NoSuchSchedule, OSError."""
        return self.cancel(schedule_id, by=by)[0]

    def cancel(self, schedule_id: str, *, by: Identity) -> tuple[Schedule, bool]:
        """Delete a schedule; and whether nothing of it was sent, nor is about to be.

        Raises NoSuchSchedule, OSError.
        """
        found = self.store.get(schedule_id)
        progress = self.store.delete(schedule_id)
        self._changed(found, "schedule.delete", by)
        return found, all(each.state in NOT_SENT for each in progress.occurrences)

    def trust_needed(self, schedule: Schedule) -> TrustNeeded | None:
        """The decision without which a schedule does not start; None: none."""
        work, options = schedule.work, self.supervisor.options
        if work.session_id and not options.uses_project_settings(work.session_id):
            return None
        try:
            folder = self.workspace.working_folder(work.folder)
        except InvalidFolder:
            return None  # which is said when it is due
        return self.supervisor.project_trust.needed(folder)

    def problem(self, schedule: Schedule) -> str:
        """Why a schedule would not start, as far as its session or folder is gone; else empty."""
        work = schedule.work
        if work.session_id:
            gone = not self.locations.exists(work.session_id)
            return "Its session was deleted, so nothing is sent." if gone else ""
        try:
            self.workspace.working_folder(work.folder)
        except InvalidFolder as error:
            return f"Nothing starts: {error}"
        return ""

    def default_zone(self) -> str:
        """The zone that was chosen last, else that of the server."""
        schedules = self.store.all()
        return schedules[-1].timing.zone if schedules else self.server_zone

    def _keep(self, schedule: Schedule, now: float) -> None:
        if self.store.add(schedule, now):
            self._changed(schedule, "schedule.add", schedule.by)

    def _changed(self, schedule: Schedule, act: str, by: Identity) -> None:
        log_act(by, act, schedule=schedule.id)
        if schedule.work.session_id:
            self.supervisor.changes(schedule.work.session_id).notify()

    def _checked(self, before: Schedule, wanted: Wanted, now: float) -> Schedule:
        work = wanted.work
        check_prompt(work.prompt)
        self._check_agent(work)
        folder = (
            self._folder_of_session(work.session_id)
            if work.session_id
            else self.workspace.working_folder(work.folder)
        )
        if work.in_worktree and not worktrees.is_possible(folder):
            raise InvalidSchedule(f"{folder} is in no git repository, so it has no worktrees.")
        if work.model and not _MODEL.fullmatch(work.model):
            raise InvalidSchedule("That is no name of a model.")
        if work.effort and work.effort not in EFFORTS:
            raise InvalidSchedule("There is no such effort.")
        if work.permission_mode and work.permission_mode not in MODES:
            raise InvalidSchedule("There is no such permission mode.")
        self.supervisor.options.check(work.permission_mode)
        if len(wanted.name) > LONGEST_NAME:
            raise InvalidSchedule(f"The name is longer than {LONGEST_NAME} characters.")
        if not 1 <= wanted.minutes <= MOST_MINUTES:
            raise InvalidSchedule(f"A run may work for 1 to {MOST_MINUTES:,} minutes.")
        if wanted.budget_usd is not None and not LEAST_USD <= wanted.budget_usd <= MOST_USD:
            raise InvalidSchedule(f"A budget is from ${LEAST_USD} to ${MOST_USD:,.0f}.")
        try:
            timing = checked(wanted.timing)
        except InvalidTiming as error:
            raise InvalidSchedule(str(error)) from error
        if timing.kind is Kind.ONCE and not timing.next(now):
            raise InvalidSchedule("That time has passed. Choose a later one.")
        return replace(
            before,
            work=replace(work, folder=reference(folder)),
            timing=timing,
            name=" ".join(wanted.name.split()),
            catch_up=wanted.catch_up,
            minutes=wanted.minutes,
            budget_usd=wanted.budget_usd,
        )

    def _check_agent(self, work: Work) -> None:
        if work.agent_id is None:
            if work.in_worktree:
                raise InvalidSchedule("Only an agent can work in a worktree of its own.")
            return
        if work.session_id:
            raise InvalidSchedule("An agent begins a new session: choose one of the two.")
        if work.options:
            raise InvalidSchedule("An agent has its own model and permission mode.")
        if not self.agents.name(work.agent_id):
            raise InvalidSchedule("This agent is not there any more.")
        self.agents.all.check(work.agent_id)

    def _folder_of_session(self, session_id: str) -> Path:
        """Raises SessionNotFound, FolderUnknown, FolderNotAllowed."""
        folder = self.locations.of(session_id).working_folder
        self.supervisor.starts.check_folder(folder)
        return folder
