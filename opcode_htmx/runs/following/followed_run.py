"""The state of a run by its files, in every worker: lines are folded, and its record is read."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Set

import gevent
from gevent.event import Event as Flag

from opcode_htmx.engines.base import Codec
from opcode_htmx.engines.messages import (
    Message,
)
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.concurrency.cooperative import yield_to_loop
from opcode_htmx.lib.logs import context
from opcode_htmx.runs.control.owner_protocol import OwnerProtocol
from opcode_htmx.runs.events.fold import DERIVING
from opcode_htmx.runs.following import first_token
from opcode_htmx.runs.following.file_changes import FileChanges
from opcode_htmx.runs.following.first_token import FirstTokenTimer
from opcode_htmx.runs.following.run_lines import RunLines
from opcode_htmx.runs.model.lifecycle import (
    Event,
    Phase,
)
from opcode_htmx.runs.model.parsed_lines import ParsedLine
from opcode_htmx.runs.model.record import RunRecord, StopRequest
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.model.run_state import RunState

log = logging.getLogger(__name__)

_NONE: Mapping[str, str] = {}
ERROR_LINES = 20


class FollowedRun:
    """A run whose files are followed, or one that has ended and is kept as a record."""

    def __init__(
        self, folder: RunFolder, record: RunRecord, changed: Broadcast, codec: Codec
    ) -> None:
        self.folder = folder
        self.record = record
        self.codec = codec
        self.state = RunState(codec)
        self.changed = changed
        """Shared by the runs of a session."""
        self.news = Broadcast()
        """Notified when events may follow from what has changed: most lines are none."""
        self.idle_since = time.monotonic()
        """When it last did something, in a turn or in the background, by the monotonic clock.

        Of a run that was adopted it is not known, and counts from then on.
        """
        self.allow_bypass = False
        """Whether an answer to a permission request may switch Claude to bypass mode."""
        self.owner: OwnerProtocol | None = None
        """Set in the worker that owns the run."""
        self.ahead: int | None = None
        """How many runs are before it in the queue; None unless it waits for others to end."""
        self.warnings: Mapping[str, str] = _NONE
        """Warnings about limits: sentences by subject; empty: no longer."""
        self.stopping: StopRequest | None = None
        self.stopped_in: Phase | None = None
        """Its phase when it was stopped."""
        self.started_warm = False
        """Whether it was started before there was a prompt."""
        self.on_first_token: first_token.Measured = first_token.ignore
        self._first_token = FirstTokenTimer()
        self._written_at: float | None = None
        """When the first output was written that `take_write_time` has not returned yet."""
        self._follower: gevent.Greenlet[..., None] | None = None
        self._record_seen: tuple[int, ...] = ()
        self.lines = RunLines(
            folder, codec, self._fold_input, self._fold_output, is_over=record.end is not None
        )
        self._files: FileChanges | None = None
        """There as long as the files are followed."""
        self.changes = 0
        """How often its files have changed, as far as they are followed."""
        self._errors_written = 0
        self._ended: Flag | None = None if record.end else Flag()
        """None once it has: runs that are over are kept for long, and have to be small."""
        if record.end:
            self.state.step(Event.EXITED)
        elif not record.launched:
            self.state.phase = Phase.QUEUED

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def phase(self) -> Phase:
        return self.state.phase

    @property
    def live(self) -> bool:
        return self.phase is not Phase.ENDED

    @property
    def is_unused(self) -> bool:
        """Whether it was started warm and has no prompt yet: lists leave it out."""
        return self.started_warm and not self.state.sent

    @property
    def resting(self) -> bool:
        """Whether Claude is idle and nothing that it has started or scheduled still runs."""
        return self.phase is Phase.IDLE and not self.state.still_running

    @property
    def read_to(self) -> int:
        """How far its output has been read: the byte offset behind the last whole line."""
        return self.lines.read_to

    def warn(self, about: str, sentence: str) -> None:
        """Show a warning about a limit on the pages; an empty sentence removes it."""
        if self.warnings.get(about, "") != sentence:
            self.warnings = {**self.warnings, about: sentence}
            self.changed.notify()
            self.news.notify()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most `timeout` seconds; return whether the run has ended."""
        return self._ended is None or bool(self._ended.wait(timeout))

    # --- following the files ----------------------------------------------------------------

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the run has ended; at once if it has already."""
        if self._ended is None:
            callback()
        else:
            self._ended.rawlink(lambda _: callback())

    def follow(self) -> None:
        """Follow the files of the run, in a greenlet; first what was written before."""
        self._files = FileChanges()
        self._follower = gevent.spawn(context.for_run(self.id, self._follow), self._files)

    def detach(self) -> None:
        """Stop following the run. It goes on, for another worker or the next server."""
        self.lines.let_go()
        if self._files:
            self._files.close()
        if self._follower:
            self._follower.kill()
        if self.owner:
            self.owner.detach()
            self.owner = None

    @property
    def errors_written(self) -> int | None:
        """How often stderr has been written, as far as it is followed; None: it is not followed."""
        return None if self._files is None else self._errors_written

    def note_errors(self) -> None:
        """Something may have been written to stderr."""
        self._errors_written += 1

    def files_changed(self, names: Set[str] = frozenset()) -> None:
        """Files of these names have changed; without any, it is unknown which."""
        if self._files is not None and self._files.note(names, self.changed):
            self.changes += 1

    def _follow(self, files: FileChanges) -> None:
        while self.live:
            files.wait()
            try:
                self.fold_new_lines()
                # looked for at each line, a missing stop request would cost as much as the line
                if files.record_may_be_new:
                    files.record_may_be_new = False
                    self.refresh_record()
            except OSError:  # no file descriptor left, for example: the next change tries again
                files.record_may_be_new = True
                log.exception("could not follow run %s", self.id)
            if self.owner:
                self.owner.refuse_unsupported()
            # stderr changes the page too, although it is no part of the state
            self.changed.notify()

    def note_write(self) -> None:
        """Output has been written; called before anything is read."""
        if self._written_at is None:  # else it is the first that counts: no look for each line
            # not now: this is called late where the event loop was blocked
            with contextlib.suppress(OSError):
                self._written_at = self.folder.written_at()

    def take_write_time(self) -> float | None:
        """When the first output was written since the last call, as a Unix time; else None."""
        written_at, self._written_at = self._written_at, None
        return written_at

    def fold_new_lines(self, last: bool = False) -> None:
        """Fold the new lines, yielding to other greenlets in a flood."""
        while self.fold_some_lines(last):
            yield_to_loop()

    def fold_some_lines(self, last: bool = False) -> bool:
        """Fold the first of the new lines; False if those were all."""
        more = self.lines.fold_some(last=last, is_over=self.record.end is not None)
        self.changed.notify()
        return more

    def fold_some_output(self, last: bool = False) -> bool:
        """The same for a follower of the output: nothing is done where that has no new line."""
        before, is_over = self.read_to, self.record.end is not None
        more = self.lines.fold_some(last=last, is_over=is_over, for_output=True)
        if self.read_to != before:
            self.changed.notify()
        return more

    def _fold_input(self, line: ParsedLine) -> None:
        phase, sent = self.phase, len(self.state.sent)
        self._fold(line, self.state.apply_input)
        self.news.notify()
        if self.owner and len(self.state.sent) > sent:
            self._first_token.prompted(phase)

    def _fold_output(self, line: ParsedLine) -> None:
        self._fold(line, self.state.apply_output)
        if isinstance(line.message, DERIVING):
            self.news.notify()
        if found := self._first_token.wrote(line.message):
            self.on_first_token(*found)
        elif self.phase is Phase.IDLE:
            self._first_token.turn_ended()

    def _fold(self, line: ParsedLine, apply: Callable[[Message], None]) -> None:
        before = self.phase
        try:
            apply(line.message)
        except Exception:  # the state lacks this line, and none of the later ones
            log.exception("run %s: could not fold the line that ends at byte %d", self.id, line.end)
        if self.phase is not before and self.phase is Phase.IDLE:
            self.idle_since = time.monotonic()

    # --- the record -------------------------------------------------------------------------

    def refresh_record(self) -> None:
        """Apply what other workers have recorded: its start, a stop request, its end."""
        if not self.live:
            return
        if self.owner is None and (record := self._changed_record()):
            if record.end:
                self.fold_new_lines(last=True)
                self.conclude(record)
                return
            self.launched(record)
        if self.stopping is None and (request := self.folder.asked_to_stop()):
            self._accept_stop(request)

    def refresh_changed_record(self) -> None:
        """The same, unless the record is watched and has not changed: for frequent callers."""
        if self._files is None or self._files.record_may_be_new:
            self.refresh_record()

    def _changed_record(self) -> RunRecord | None:
        try:
            status = self.folder.record_path.stat()
            # the number of a replaced file may be that of the next one
            version = status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
            if version == self._record_seen:
                return None
            record = self.folder.load()
        except (OSError, ValueError, KeyError, TypeError):
            return None  # it was removed, which the next listing of the runs finds
        self._record_seen = version
        return record

    def launched(self, record: RunRecord) -> None:
        """Its process has been started; `record` is the new record."""
        self.record = record
        if record.launched:
            self.state.launched()
        self.changed.notify()
        self.news.notify()

    def conclude(self, record: RunRecord) -> None:
        """It is over; `record` is the final record."""
        self.record = record
        self.state.step(Event.EXITED)
        if self._ended is not None:
            self._ended.set()
        if self._files:
            self._files.close()
            self._files.look()  # then it ends
        self.changed.notify()
        self.news.notify()
        # what was needed to follow it is not kept
        self._follower = self._files = self._ended = None
        self.lines.conclude()

    def _accept_stop(self, request: StopRequest) -> None:
        if self.stopping is None:
            self.stopping, self.stopped_in = request, self.phase
            self.state.step(Event.STOPPED)
            self.changed.notify()
            if self.owner:
                self.owner.end()


def error_lines(run: FollowedRun) -> list[str]:
    """The last lines of Claude's stderr; as the record has them if the file is gone."""
    try:
        return run.folder.error_lines(ERROR_LINES)
    except FileNotFoundError:
        return list(run.record.end.stderr) if run.record.end else []
