"""End races: merge a winner, or throw all copies away. The copies can be brought back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.races.records import (
    Contestant,
    Race,
    RaceRefused,
    Races,
    RaceState,
    Stage,
)
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.git.integration.merges import NothingToMerge
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.control.run import RunNotLive
from opcode_htmx.sessions.worktrees.copies import Copies, Copy
from opcode_htmx.sessions.worktrees.endings import CopyEndings, CopyFailed, CopyInUse, Merge
from opcode_htmx.sessions.worktrees.kept_copies import NoSuchCopy


class RaceEndings:
    """Ends the races of one worker."""

    def __init__(self, context: AppContext, races: Races) -> None:
        self._context = context
        self._races = races
        self._service = context.sessions.worktrees
        self._copies = Copies(self._service)
        self._copy_endings = CopyEndings(self._service, self._copies)

    def stop_all(self, race: Race, *, by: Identity) -> None:
        """Stop what runs in all sessions of a race."""
        for each in race.contestants:
            for run in self._context.runs.of_session(each.session_id):
                with contextlib.suppress(RunNotLive):
                    if run.live:
                        run.stop(by=by)
        log_act(by, "race.stop", race=race.id)

    def win(self, race: Race, key: str, merge: Merge, *, by: Identity) -> None:
        """Merge a contestant, and remove all copies of the race; they can be brought back.

        Raises RaceRefused, CopyInUse, CannotMerge, CopyFailed: then nothing was merged.
        """
        with self._deciding(race):
            copy = self._copy_of(race.contestant(key))
            if copy is None:
                raise RaceRefused("The copy of this contestant is gone.")
            self._merge(race.id, key, copy, merge, by)
            decided = self._races.update(
                race.id, lambda each: replace(each, state=RaceState.DECIDING, winner=key)
            )
        log_act(by, "race.win", race=race.id, contestant=key)
        self.finish(decided, by=by)

    def _merge(self, race_id: str, key: str, copy: Copy, merge: Merge, by: Identity) -> None:
        """Merge a contestant once, also where a crash came before that was on record."""
        before = self._races.get(race_id).merging
        self._races.update(race_id, lambda each: replace(each, merging=key))
        try:
            self._copy_endings.merge(copy, replace(merge, remove=False), by=by)
        except Exception as error:
            self._races.update(race_id, lambda each: replace(each, merging=before))
            if before != key or not isinstance(error, NothingToMerge):
                raise

    def drop(self, race: Race, *, by: Identity) -> None:
        """Throw all copies of a race away; they can be brought back. Raises RaceRefused."""
        with self._deciding(race):
            decided = self._races.update(
                race.id, lambda each: replace(each, state=RaceState.DECIDING)
            )
        log_act(by, "race.drop", race=race.id)
        self.finish(decided, by=by)

    @contextlib.contextmanager
    def _deciding(self, race: Race) -> Iterator[None]:
        """Hold a lock: of two who decide at once, one merges. Raises RaceRefused."""
        lock = self._races.folder.with_name(f"{self._races.folder.name}-decision.lock")
        with file_locks.held(lock):
            if self._races.get(race.id).state is not RaceState.OPEN:
                raise RaceRefused("This race is decided.")
            yield

    def finish(self, race: Race, *, by: Identity) -> None:
        """Remove the copies. One that cannot be removed stays on the page of copies."""
        lock = self._races.folder.with_name(f"{self._races.folder.name}-end.lock")
        with file_locks.held(lock):  # another worker, or the next round, may be at it
            if self._races.get(race.id).state is RaceState.DECIDING:
                self._remove_copies(race, by)

    def _remove_copies(self, race: Race, by: Identity) -> None:
        for each in race.contestants:
            if each.start is Stage.NOTED:
                self._races.note(
                    race.id, each.key, start=Stage.FAILED, problem="The race was over."
                )
            copy = self._copy_of(each)
            if copy is None:
                continue
            try:
                self._copy_endings.stop(copy, by=by)
                fresh = self._copy_of(each) or copy
                self._copy_endings.remove(fresh, by=by, merged=each.key == race.winner)
            except (CopyInUse, CopyFailed, NoSuchCopy) as error:
                self._races.note(race.id, each.key, problem=str(error))
        state = RaceState.DECIDED if race.winner else RaceState.DROPPED
        self._races.update(race.id, lambda each: replace(each, state=state))

    def _copy_of(self, contestant: Contestant) -> Copy | None:
        """The copy of a contestant, if it is there."""
        record = self._service.of_session(contestant.session_id)
        if record is None or record.state.is_over:
            return None
        return self._copies.of_record(record)
