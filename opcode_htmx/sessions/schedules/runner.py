"""Starts what is due: one worker does, the one that holds a lock, and each due time once.

Before a start it is noted, with the ids that the session and the prompt will have. They follow from
the schedule and the due time, so a start that a crash has cut off can be made again: a prompt that
was sent under its id is not sent again.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from dataclasses import replace
from functools import partial

import gevent

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.file_locks import Duty
from opcode_htmx.lib.formatting import format_duration
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import OPEN_TURN, Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.supervisor import RunNotFound, Supervisor
from opcode_htmx.sessions.locations import SessionLocations
from opcode_htmx.sessions.schedules import starts
from opcode_htmx.sessions.schedules.agents import ScheduledAgents
from opcode_htmx.sessions.schedules.model import (
    OPEN,
    Occurrence,
    Schedule,
    State,
)
from opcode_htmx.sessions.schedules.plan import plan
from opcode_htmx.sessions.schedules.store import NoSuchSchedule, ScheduleStore
from opcode_htmx.sessions.schedules.timing import Kind
from opcode_htmx.sessions.submit import PromptSubmitter
from opcode_htmx.sessions.workspace import Workspace

log = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
RESUMED_SECONDS = 15 * 60.0
"""How long after its time a start that a crash has cut off is made up for."""
NOTED_SECONDS = 10.0
"""How often the time that Claude has worked is noted."""
LONGEST_ROUND = 10.0
"""A clock that jumps farther between two rounds was suspended, and Claude with it."""
KEEP_SECONDS = 30 * 86400.0
"""How long a schedule for once is kept after that."""
MOST_AHEAD_SECONDS = 86400.0
"""A time of decision farther in the future is of a clock that was wrong."""
LOCK = "starter"
CUT_OFF = "The server ended as it was about to start."
_OUTCOMES = {
    Outcome.COMPLETED: State.DONE,
    Outcome.CANCELLED: State.STOPPED,
    Outcome.TIMED_OUT: State.STOPPED,
    Outcome.FAILED: State.FAILED,
    Outcome.INTERRUPTED: State.STOPPED,
}


@dataclass(frozen=True, slots=True)
class Services:
    """What starts a prompt, and knows what comes of it."""

    supervisor: Supervisor
    submitter: PromptSubmitter
    locations: SessionLocations
    workspace: Workspace
    budgets: BudgetBook
    agents: ScheduledAgents
    refusals: tuple[type[Exception], ...]
    """Exceptions whose text says why something could not be started."""


class ScheduleRunner:
    """The starter of this worker, which does nothing while another one holds the lock."""

    def __init__(self, store: ScheduleStore, services: Services) -> None:
        self._store = store
        self._services = services
        self._duty = Duty(store.folder / LOCK)
        self._starting: set[str] = set()
        """The prompts that this worker is sending."""
        self._worked: dict[str, float] = {}
        """Seconds by prompt, more than was noted."""
        self._last_round = 0.0
        self._next: dict[str, tuple[Schedule, float, float]] = {}
        """By schedule: itself, up to when its due times were decided, and the next one."""

    def stop(self) -> None:
        """Leave the schedules to another worker."""
        self._duty.leave()
        self._last_round = 0.0

    def round(self) -> None:
        """Start what is due, and look after what was started. Called about once a second."""
        schedules = self._store.all()
        if not schedules or not self._duty.take():
            return
        now = time.time()
        passed = min(max(0.0, now - self._last_round), LONGEST_ROUND) if self._last_round else 0.0
        self._last_round = now
        if len(self._next) > len(schedules):
            kept = {each.id for each in schedules}
            self._next = {key: each for key, each in self._next.items() if key in kept}
        for schedule in yielding(schedules):
            try:
                self._look_after(schedule, now, passed)
                if not schedule.paused:
                    self._start_due(schedule, now)
                self._clear_away(schedule, now)
            except NoSuchSchedule:
                continue  # it was deleted just now
            except Exception:  # the others go on, and the next round tries again
                log.exception("could not look after schedule %s", schedule.id)

    # --- starting ---------------------------------------------------------------------------

    def _start_due(self, schedule: Schedule, now: float) -> None:
        """Decide on the due times up to now in one write: a crash leaves no part of it."""
        progress = self._store.progress(schedule.id)
        handled = progress.handled
        if not 0 < handled <= now + MOST_AHEAD_SECONDS:
            # a lost file, or a clock that had jumped ahead: without this it were never due again
            lost = not handled and 0 < schedule.created_at <= now
            handled = schedule.created_at if lost else now
            self._store.note(schedule.id, handled=handled, unchanged=schedule)
        elif now < self._next_due(schedule, handled):
            return
        found = plan(schedule.timing, handled, now, catch_up=schedule.catch_up)
        decided = list[Occurrence]()
        if found.missed:
            sentence = f"Due {found.missed.words} while no server ran."
            number = found.missed.number
            missed = Occurrence(
                found.missed.last, State.MISSED, now, sentence=sentence, missed=number
            )
            decided.append(missed)
        start: Occurrence | None = None
        if found.due is not None and progress.open:
            sentence = "The run before was still at work."
            decided.append(Occurrence(found.due, State.SKIPPED, now, sentence=sentence))
        elif found.due is not None:
            start = starts.starting(schedule, found.due)
            decided.append(start)
        # first: what is noted is started, whatever happens to this worker
        if (
            decided
            and self._store.note(schedule.id, *decided, handled=found.handled, unchanged=schedule)
            and start
        ):
            self._spawn(schedule, start)

    def _next_due(self, schedule: Schedule, handled: float) -> float:
        """The first due time that is not decided, computed once: a round comes each second."""
        known = self._next.get(schedule.id)
        if known is None or known[0] is not schedule or known[1] != handled:
            due = next(schedule.timing.due_after(handled), math.inf)
            known = self._next[schedule.id] = schedule, handled, due
        return known[2]

    def _spawn(self, schedule: Schedule, noted: Occurrence) -> None:
        """Make a start in a greenlet: it may wait for the process."""
        self._starting.add(noted.prompt_id)
        gevent.spawn(self._send, schedule, noted)

    def _send(self, schedule: Schedule, noted: Occurrence) -> None:
        services = self._services
        log_act(SYSTEM, "schedule.start", schedule=schedule.id, session=noted.session_id)
        try:
            run_id = self._start(schedule, noted)
        except services.refusals as error:
            self._refuse(schedule, noted, str(error))
        except Exception as error:
            log.exception("could not start schedule %s", schedule.id)
            self._refuse(schedule, noted, f"The server failed ({type(error).__name__}).")
        else:
            spent = services.budgets.spending.of_run(run_id)
            self._store.update(schedule.id, noted.prompt_id, partial(starts.started, run_id, spent))
        finally:
            self._starting.discard(noted.prompt_id)
            services.supervisor.changes(noted.session_id).notify()

    def _start(self, schedule: Schedule, noted: Occurrence) -> str:
        """Send the prompt, or start the agent with it; the id of the process run."""
        work, services = schedule.work, self._services
        if work.session_id:
            folder = services.locations.of(work.session_id).working_folder
        else:
            folder = services.workspace.working_folder(work.folder)
            services.supervisor.options.limit_cost(noted.session_id, schedule.budget_usd)
        if work.agent_id is not None:
            return services.agents.all.start(
                work.agent_id,
                folder,
                work.prompt,
                in_worktree=work.in_worktree,
                session_id=noted.session_id,
                prompt_id=noted.prompt_id,
            )
        return services.submitter.submit(
            noted.session_id,
            folder,
            noted.prompt_id,
            work.prompt,
            options=work.options,
            by=SYSTEM,
        ).id

    def _refuse(self, schedule: Schedule, noted: Occurrence, sentence: str) -> None:
        log_act(SYSTEM, "schedule.refuse", schedule=schedule.id, session=noted.session_id)
        self._end(schedule, noted, State.REFUSED, sentence)

    # --- looking after ----------------------------------------------------------------------

    def _look_after(self, schedule: Schedule, now: float, passed: float) -> None:
        for each in self._store.progress(schedule.id).open:
            if each.prompt_id in self._starting:
                continue
            if each.state is State.STARTING:
                self._resume(schedule, each, now)
            else:
                self._watch(schedule, each, passed)

    def _resume(self, schedule: Schedule, noted: Occurrence, now: float) -> None:
        """Make up for a start that a crash has cut off; it may have been made or not."""
        supervisor = self._services.supervisor
        if supervisor.starts.has_sent(noted.session_id, noted.prompt_id) or (
            now - noted.at <= RESUMED_SECONDS or schedule.catch_up
        ):
            self._spawn(schedule, noted)
        else:
            self._end(schedule, noted, State.MISSED, CUT_OFF)

    def _watch(self, schedule: Schedule, started: Occurrence, passed: float) -> None:
        try:
            run = self._services.supervisor.get(started.run_id)
        except RunNotFound:
            self._end(schedule, started, State.DONE, "")
            return
        if end := run.record.end:
            sentence = "" if end.outcome is Outcome.COMPLETED else end.cause
            self._end(schedule, started, _OUTCOMES[end.outcome], sentence)
            return
        waits = started.prompt_id in run.state.waiting
        if run.phase not in OPEN_TURN | {Phase.QUEUED, Phase.STOPPING} and not waits:
            self._end(schedule, started, State.DONE, "")
            return
        if run.phase in (Phase.STARTING, Phase.WORKING) and not waits:
            self._bound(schedule, started, run, passed)

    def _bound(self, schedule: Schedule, started: Occurrence, run: Run, passed: float) -> None:
        """Stop a run that has used its time. Its budget is watched by the BudgetMonitor."""
        key = started.prompt_id
        more = self._worked.get(key, 0.0) + passed
        self._worked[key] = more
        if started.worked + more > 60 * schedule.minutes:
            time_ = format_duration(60 * schedule.minutes)
            cause = f"Stopped: its schedule lets Claude work for {time_}."
            with contextlib.suppress(RunNotLive):
                run.stop(Outcome.TIMED_OUT, cause, by=SYSTEM)
        elif more > NOTED_SECONDS:
            self._worked.pop(key)
            self._store.update(
                schedule.id, key, lambda each: replace(each, worked=each.worked + more)
            )

    def _end(self, schedule: Schedule, each: Occurrence, state: State, sentence: str) -> None:
        self._worked.pop(each.prompt_id, None)
        at = time.time()

        def ended(now: Occurrence) -> Occurrence:
            if now.state not in OPEN:  # its turn has ended meanwhile
                return now
            cost = now.cost_usd
            if cost is None and now.run_id:
                spent = self._services.budgets.spending.of_run(now.run_id) - now.cost_before
                cost = spent if spent > 0 else None
            return replace(now, state=state, sentence=sentence, ended_at=at, cost_usd=cost)

        self._store.update(schedule.id, each.prompt_id, ended)

    def _clear_away(self, schedule: Schedule, now: float) -> None:
        """Remove a schedule for once that is long over."""
        progress = self._store.progress(schedule.id)
        is_over = schedule.timing.kind is Kind.ONCE and not progress.open
        last = max((each.at for each in progress.occurrences), default=None)
        if is_over and last is not None and now - last > KEEP_SECONDS:
            self._store.delete(schedule.id)
