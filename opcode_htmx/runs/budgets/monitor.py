"""Watches what live runs cost: warns near a budget, and pauses a run whose budget is used.

The cost within a turn is asked of the process itself, whenever it has written something. A run is
paused by ending it as Stop does: the turn is interrupted, nothing in the background goes on, and
what it has not taken up stays in the queue.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import gevent

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.runs.budgets.book import BudgetBook
from opcode_htmx.runs.budgets.figures import Hold, Standing
from opcode_htmx.runs.budgets.spending import DAYS_KEPT
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.events.types import TurnEnded
from opcode_htmx.runs.model.lifecycle import OPEN_TURN, PROCESS, Phase
from opcode_htmx.runs.model.record import Outcome

log = logging.getLogger(__name__)

ROUND_SECONDS = 0.5
QUIET_SECONDS = 1.0
"""How often to look while no run works."""
ASK_SECONDS = 1.0
"""Between two questions to one process."""
_NAME = late_pattern(r"[0-9A-Za-z-]{1,64}")
"""What Claude calls a session becomes the name of a file."""
WARNING = "budget"
"""The subject of the warning among those of a run."""


class BudgetMonitor:
    """Watches the live runs of this machine; each is asked by the worker that owns it."""

    def __init__(
        self,
        book: BudgetBook,
        live: Callable[[], Iterable[Run]],
        find: Callable[[str], Run | None],
        ask: Callable[[Run], float | None],
        cost_before: Callable[[Run], float | None],
        other: Callable[[Run], Standing | None],
        version: Callable[[], object] = lambda: None,
        begun_at: Callable[[str], float | None] = lambda session_id: None,
    ) -> None:
        """`find` returns a run by its id, also one that has ended; None if it is gone.

        `ask` returns the cost of the run's session so far, in US dollars, as its process says.

        `cost_before` returns that from which the process of a run that resumes a session counts on;
        None where it is not known.
        `other` is a budget of the run's own, beside those of the book. As long as `version` returns
        the same, and not None, all standings are the same for runs that do nothing.
        `begun_at` returns when a session began, a Unix time; None where it is not known.
        """
        self._book = book
        self._live = live
        self._find = find
        self._ask = ask
        self._cost_before = cost_before
        self._other = other
        self._version = version
        self._begun_at = begun_at
        self._asked: dict[str, tuple[int, float]] = {}
        """By run, how far its output was when it was asked last, and when (monotonic)."""
        self._asking: set[str] = set()
        self._resting: dict[str, tuple[object, int]] = {}
        """By run that did nothing when it was looked at: the version, and its number of changes."""
        self._has_worked = True

    def round(self) -> None:
        """Look at all live runs. Called every `seconds`."""
        runs = [run for run in self._live() if run.phase in PROCESS - {Phase.STOPPING}]
        self._asked = {run.id: self._asked[run.id] for run in runs if run.id in self._asked}
        version = self._version()
        before, self._resting = self._resting, {}
        self._has_worked = False
        for run in runs:
            rest = version, run.changes
            if run.resting:
                self._resting[run.id] = rest
                if version is not None and before.get(run.id) == rest:
                    continue
            else:
                self._has_worked = True
            standings = self._standings(run)
            # of one that is used up the page says what follows
            warned = (each for each in standings if each.is_near and not each.is_reached)
            near = max(warned, key=_share, default=None)
            run.warn(WARNING, near.sentence if near else "")
            if run.owner is None:
                continue
            if hold := self._hold_of(run):
                self._end(run, hold.standing.cause)
            elif standings and self._has_news(run):
                self._asking.add(run.id)
                gevent.spawn(self._look, run)

    def seconds(self) -> float:
        """How often to look."""
        return ROUND_SECONDS if self._has_worked else QUIET_SECONDS

    def turn_ended(self, event: TurnEnded) -> None:
        """Note the cost of a turn, also without a budget, and pause its run if one is used."""
        total = event.usage.session_cost_usd
        if total is None:
            return
        run = self._find(event.run_id)
        of_new = 0.0 if event.usage.cost_usd == total else None
        session_id = event.claude_session_id or event.session_id
        before = self._before(run, session_id) if run else of_new
        project = Path(event.project_path)
        record = self._book.spending.record
        record(event.run_id, session_id, project, total, before=before, at=event.at)
        if run:
            self._judge(run, was_working=event.is_error)

    def _standings(self, run: Run) -> list[Standing]:
        other = self._other(run)
        own = self._book.standings(run.id, Path(run.record.project_path))
        return [other, *own] if other else own

    def _hold_of(self, run: Run) -> Hold | None:
        """Its pause, if that was noted and its process has not ended yet, perhaps by a crash."""
        hold = self._book.hold(run.record.session_id)
        return hold if hold and hold.run_id == run.id else None

    def _has_news(self, run: Run) -> bool:
        """Whether the run may have cost more since it was asked last."""
        works = run.phase in OPEN_TURN - {Phase.STARTING} or run.state.still_running
        if run.id in self._asking or not works:
            return False
        seen, asked_at = self._asked.get(run.id, (-1, 0.0))
        return run.read_to != seen and time.monotonic() - asked_at >= ASK_SECONDS

    def _before(self, run: Run, session_id: str) -> float | None:
        """What a session had cost when a run came to it; None where that is not known or needed.

        So of a run that has done nothing for so long that what it had cost is forgotten, unless it
        has come to a session that began since.
        """
        oldest = time.time() - DAYS_KEPT * 86400
        is_old, is_cleared = run.record.created_at < oldest, session_id != run.record.session_id
        if not is_old and (is_cleared or run.record.history_start == 0):
            return 0.0
        if self._book.spending.has_noted(run.id):
            return None
        if is_old:
            begun_at = self._begun_at(session_id) if is_cleared else None
            return 0.0 if begun_at is not None and begun_at >= oldest else None
        return self._cost_before(run)

    def _look(self, run: Run) -> None:
        at = time.time()  # the end of a turn that comes while the process answers is later
        # now: Claude itself may end the turn at the budget before it has answered
        was_working = run.phase in OPEN_TURN
        session_id = _session_of(run)
        try:
            total = self._ask(run)
            # after a /clear it is asked again: the answer may be about either session
            if total is not None and _session_of(run) == session_id:
                project = Path(run.record.project_path)
                before = self._before(run, session_id)
                self._book.spending.record(run.id, session_id, project, total, before=before, at=at)
                self._judge(run, was_working=was_working)
        except (OSError, DiskFull) as error:
            log.warning("could not note the cost of run %s: %s", run.id, error)
        except Exception:
            log.exception("could not look at the cost of run %s", run.id)
        finally:
            self._asking.discard(run.id)
            # its answer is no news: a run that waits for a person would be asked for ever
            self._asked[run.id] = run.read_to, time.monotonic()

    def _judge(self, run: Run, *, was_working: bool) -> None:
        reached = next((each for each in self._standings(run) if each.is_reached), None)
        if reached and run.phase not in (Phase.STOPPING, Phase.ENDED):
            pause(self._book, run, reached, was_working=was_working)

    def _end(self, run: Run, cause: str) -> None:
        with contextlib.suppress(RunNotLive):
            run.stop(Outcome.INTERRUPTED, cause, by=SYSTEM)


def pause(book: BudgetBook, run: Run, standing: Standing, *, was_working: bool) -> None:
    """End a run whose budget is used, and hold its session. Raises OSError, DiskFull.

    After a `/clear` the session that Claude is in is held as well.
    """
    session_id, now = run.record.session_id, _session_of(run)
    also = now if now != session_id and _NAME.fullmatch(now) else ""
    # first: a crash between the two leaves a run that the next round ends
    book.set_hold(session_id, run.id, standing, was_working=was_working, also=also)
    log_act(SYSTEM, "budget.pause", session=session_id, run=run.id, scope=standing.scope)
    run.warn(WARNING, "")  # the card of the pause says more
    with contextlib.suppress(RunNotLive):
        run.stop(Outcome.INTERRUPTED, standing.cause, by=SYSTEM)


def _session_of(run: Run) -> str:
    """The session that Claude is in: after a `/clear` another one than it was started for."""
    return run.state.session_id or run.record.session_id


def _share(standing: Standing) -> float:
    return standing.share
