"""Start Claude while a person writes a prompt, so that the answer begins sooner.

Such a run is an ordinary one with a mark in its folder. As long as it has no prompt it is left out
of all lists, emits no events and gives way to every other run; ended so, it leaves nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from pathlib import Path

import gevent

from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.identity import SYSTEM, Identity
from opcode_htmx.runs.control.launcher import CannotStart
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model import actors
from opcode_htmx.runs.model.actors import Act
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.model.warm_mark import WarmMark
from opcode_htmx.runs.policies.warm_rules import NOT_READY, OTHER_OPTIONS, WarmRules
from opcode_htmx.runs.registry import RunRegistry

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0
MOST = 2
"""Unused runs at once: a person writes in one session, seldom in two."""
PAUSE_SECONDS = 300.0
"""How long a session is left alone after Claude has crashed or hung, or a person has ended it."""
STOPPING_SECONDS = 10.0
"""How long a start waits for the end of the session's last run."""
END_SECONDS = 1.0
"""How long the end of this worker waits for that of its unused runs."""
GIVES_WAY = "Ended, because a prompt is written in another session."


class WarmStarts:
    """The unused runs of this worker, and the sessions in which one is to start."""

    def __init__(
        self,
        enabled: bool,
        rules: WarmRules,
        registry: RunRegistry,
        find: Callable[[str], Run | None],
        begin: Callable[[str, Path, Identity], Run | None],
        held: Collection[str],
    ) -> None:
        """`find` returns the live run of a session.

        `begin` starts one for a session that has none; None if it has, or there is no place.
        `held` are the sessions whose unused run is not ended for now.
        """
        self._enabled = enabled
        self._rules = rules
        self._registry = registry
        self._find = find
        self._begin = begin
        self.starting: set[str] = set()
        """The sessions in which Claude is being started, or may not be."""
        self._held = held
        self._paused: dict[str, float] = {}

    def want(self, session_id: str, project: Path, *, by: Identity) -> None:
        """Somebody writes a prompt: start Claude soon, if it is not running. Does not wait."""
        if not self._enabled:
            return
        run = self._find(session_id)
        if run and not run.is_unused:
            run.refresh_record()  # it may have ended in another worker
        if run and run.live and run.phase is not Phase.STOPPING:
            if run.is_unused:
                WarmMark(run.folder.path).touch()
        elif session_id not in self.starting and not self._is_paused(session_id):
            self.starting.add(session_id)
            gevent.spawn(self._start, session_id, project, by)

    def ended(self, run: Run) -> None:
        """An unused run has ended. After a crash or a person's Stop, no other one starts soon."""
        if run.stopping is None or run.stopping.outcome is Outcome.CANCELLED:
            self._pause(run.record.session_id)

    def close(self) -> None:
        """End the unused runs of this worker."""
        runs = self._unused()
        for run in runs:
            run.stop_unused("Ended, because the server was stopped.")
        deadline = time.monotonic() + END_SECONDS
        for run in runs:
            run.join(max(0.0, deadline - time.monotonic()))

    def _start(self, session_id: str, project: Path, by: Identity) -> None:
        try:
            ending = self._find(session_id)
            if ending and not ending.join(STOPPING_SECONDS):
                return
            if self._is_paused(session_id):  # it was a person who ended that one
                return
            pids = self._pids_of(session_id)
            if reason := self._rules.reason_against(session_id, project, pids):
                log.debug("no warm start in session %s: %s", session_id, reason)
                return
            self._make_room()
            self._begin(session_id, project, by)
        except (CannotStart, DiskFull, OSError) as error:
            log.info("no warm start in session %s: %s", session_id, error)
            self._pause(session_id)
        except Exception:
            log.exception("no warm start in session %s", session_id)
            self._pause(session_id)
        finally:
            self.starting.discard(session_id)

    def _make_room(self) -> None:
        """End the unused runs that are too many, those first where nobody writes any more."""
        unused = [run for run in self._registry.live() if run.is_unused]
        unused.sort(key=lambda run: WarmMark(run.folder.path).touched_at(), reverse=True)
        for run in unused[MOST - 1 :]:
            run.stop_unused(GIVES_WAY)

    def check(self) -> None:
        """End the unused runs that nobody needs. Called every CHECK_SECONDS or so."""
        for run in self._unused():
            if run.record.session_id in self._held:
                continue
            try:
                self._check(run)
            except Exception:  # the next round tries again
                log.exception("could not check unused run %s", run.id)

    def _check(self, run: Run) -> None:
        if not self._enabled:
            cause = "Ended, because the setting was switched off."
        else:
            cause = self._rules.reason_to_end(run, self._pids_of(run.record.session_id))
        if not cause:
            return
        if cause is NOT_READY:
            self._pause(run.record.session_id)
        found = actors.read(run.folder.path).get((Act.START, ""))
        run.stop_unused(cause)
        if cause is OTHER_OPTIONS and run.join(END_SECONDS):
            record = run.record
            by = found.by if found else SYSTEM
            self.want(record.session_id, Path(record.project_path), by=by)

    def _unused(self) -> list[Run]:
        """The unused runs that this worker owns, without those that are ending."""
        runs = self._registry.owned()
        return [run for run in runs if run.is_unused and run.phase is not Phase.STOPPING]

    def _pids_of(self, session_id: str) -> frozenset[int]:
        runs = self._registry.of_session(session_id)
        return frozenset(run.record.pid for run in runs if run.record.pid)

    def _pause(self, session_id: str) -> None:
        now = time.monotonic()
        later = {each: until for each, until in self._paused.items() if until > now}
        self._paused = {**later, session_id: now + PAUSE_SECONDS}

    def _is_paused(self, session_id: str) -> bool:
        return time.monotonic() < self._paused.get(session_id, 0.0)
