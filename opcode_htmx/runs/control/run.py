"""A run: one conversation with one Claude process, its state, and the commands that steer it.

Knows the files of the run; nothing of other runs and nothing of the web. Every worker follows the
files and may send commands; what only one of them may do, its owner does (see owner.py).
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any

import gevent
from gevent.event import Event as Flag

from opcode_htmx.engines.base import Codec
from opcode_htmx.engines.messages import (
    Ask,
    ElicitationAction,
    ElicitationRequest,
    ImageContent,
    Message,
    PermissionRequest,
)
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.concurrency.cooperative import yield_to_loop
from opcode_htmx.lib.identity import SYSTEM, Identity
from opcode_htmx.lib.logs import context
from opcode_htmx.runs.control import first_token
from opcode_htmx.runs.control.first_token import FirstTokenTimer
from opcode_htmx.runs.control.owner_protocol import OwnerProtocol
from opcode_htmx.runs.control.run_lines import RunLines
from opcode_htmx.runs.elicitation import values
from opcode_htmx.runs.events.fold import DERIVING
from opcode_htmx.runs.file_changes import FileChanges
from opcode_htmx.runs.model import actors, permission_updates
from opcode_htmx.runs.model.actors import Act, Actor
from opcode_htmx.runs.model.lifecycle import (
    Event,
    Phase,
    RunCommand,
    refusal_reason,
)
from opcode_htmx.runs.model.parsed_lines import ParsedLine
from opcode_htmx.runs.model.record import Outcome, RunRecord, StopRequest
from opcode_htmx.runs.model.run_folder import InputClosed, InputFull, RunFolder
from opcode_htmx.runs.model.run_state import RunState

log = logging.getLogger(__name__)

_NONE: Mapping[str, str] = {}
ERROR_LINES = 20


class RunNotLive(Exception):
    """The run refuses a command in its phase; the message says why."""


class AlreadyAnswered(Exception):
    """A request of Claude's is no longer open; the message says why."""


class UnfitAnswer(Exception):
    """The answer is one to another kind of request; the message says which one is needed."""


class Run:
    """A live run, or one that has ended and is kept as a record."""

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
        self.ahead = 0
        """How many runs are before it in the queue, as long as it is queued."""
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

    # --- commands ---------------------------------------------------------------------------

    def prompt(
        self, prompt_id: str, text: str, images: Sequence[ImageContent] = (), *, by: Identity
    ) -> None:
        """Send a prompt; one that was sent already under this id is not sent again.

        Raises RunNotLive when the process is gone or going, or does not read.
        """
        with self.sending(RunCommand.PROMPT, prompt_id) as send:
            if not self.has_sent(prompt_id):
                actors.note(self.folder.path, Act.PROMPT, prompt_id, Actor(by, time.time()))
                send(self.codec.prompt_line(prompt_id, text, images))
                self._log(by, "prompt.send", prompt=prompt_id)

    def note(self, line: bytes) -> None:
        """Log a line among those that were sent, without sending it."""
        with contextlib.suppress(InputClosed):
            self.folder.note(line)
        self.fold_new_lines()

    def has_sent(self, prompt_id: str) -> bool:
        """Whether the prompt was sent to this run, also by an earlier server.

        A prompt that an ended run has not taken up counts as not sent: it may be sent again.
        """
        if self.record.end:
            # waits for a fold in progress: by half of it, the prompt would count as left
            self.fold_new_lines(last=True)
        left = self.state.waiting if self.record.end else ()
        return prompt_id in self.state.sent and prompt_id not in left

    def is_beginning(self) -> bool:
        """Whether it was started for a prompt that has not been sent to it yet."""
        if self.live and not self.state.sent:
            self.fold_new_lines()
        return self.live and not self.state.sent

    def fold_first_prompt(self) -> None:
        """Fold the prompt that another worker may have sent to an unused run."""
        if self.is_unused and self.live and self.lines.has_unread_input:
            self.fold_new_lines()

    def allow(
        self,
        request_id: str,
        changes: Mapping[str, Any] | None = None,
        permissions: Sequence[Json] = (),
        *,
        by: Identity,
    ) -> None:
        """Allow an open request, with `changes` laid over its input (the answers to questions).

        `permissions` are updates of Claude's rules or mode that go with it.
        Raises BypassNotAllowed; AlreadyAnswered; RunNotLive, also when Claude does not read: then
        the request stays open.
        """
        permission_updates.check(permissions, allow_bypass=self.allow_bypass)
        with self.sending(RunCommand.ANSWER, request_id) as send:
            ask = self._open_permission(request_id)
            given, at = {**ask.input, **(changes or {})}, time.time()
            actors.note(self.folder.path, Act.ANSWER, request_id, Actor(by, at))
            send(self.codec.allow_line(request_id, given, permissions, at))
            self._log(by, "permission.allow", request=request_id, tool=ask.tool_name)

    def deny(self, request_id: str, reason: str, *, by: Identity) -> None:
        """Refuse an open request. Raises as `allow` does."""
        with self.sending(RunCommand.ANSWER, request_id) as send:
            ask, at = self._open_permission(request_id), time.time()
            actors.note(self.folder.path, Act.ANSWER, request_id, Actor(by, at))
            send(self.codec.deny_line(request_id, reason, at))
            self._log(by, "permission.deny", request=request_id, tool=ask.tool_name)

    def answer_elicitation(
        self,
        request_id: str,
        action: ElicitationAction,
        content: Mapping[str, Any] | None = None,
        *,
        by: Identity,
    ) -> None:
        """Answer an MCP server's question. What the person entered is sent and not logged.

        Raises UnfitAnswer; InvalidContent where `content` does not fit the form; and as `allow`.
        """
        with self.sending(RunCommand.ANSWER, request_id) as send:
            ask, at = self._open_elicitation(request_id), time.time()
            accepted = action is ElicitationAction.ACCEPT
            given = values.checked(ask, content or {}) if accepted and ask.mode != "url" else None
            actors.note(self.folder.path, Act.ANSWER, request_id, Actor(by, at))
            send(self.codec.elicitation_line(request_id, action, given, at))
            self._log(by, f"elicitation.{action}", request=request_id, server=ask.server)

    def stop(
        self,
        outcome: Outcome = Outcome.CANCELLED,
        cause: str = "Stopped by you.",
        *,
        by: Identity,
    ) -> None:
        """Start to end the process and all it has started; `join` waits for it.

        Raises RunNotLive when it has ended already. A second stop changes nothing.
        """
        self._check(RunCommand.STOP)
        if self.stopping:
            return
        wanted = request = StopRequest(outcome, cause, time.time())
        try:
            about = actors.stop_key(request.at)
            actors.note(self.folder.path, Act.STOP, about, Actor(by, request.at))
        except OSError as error:  # it ends all the same
            log.warning("could not store the actor of a stop of run %s: %s", self.id, error)
        try:
            wanted = self.folder.ask_to_stop(request)
        except OSError:  # its folder is gone, for example: it ends all the same
            log.exception("could not store the stop request of run %s", self.id)
        if wanted is request:
            self._log(by, "run.stop", outcome=outcome)
        self._accept_stop(wanted)

    def stop_unused(self, cause: str) -> None:
        """Stop a run that was started warm, unless it has a prompt by now."""
        # a prompt is sent under the same lock, so none is lost
        with contextlib.suppress(RunNotLive), self.sending(RunCommand.STOP):
            if self.is_unused:
                self.stop(Outcome.COMPLETED, cause, by=SYSTEM)

    def _log(self, by: Identity, action: str, **more: str) -> None:
        log_act(by, action, session=self.record.session_id, run=self.id, **more)

    def _accept_stop(self, request: StopRequest) -> None:
        if self.stopping is None:
            self.stopping, self.stopped_in = request, self.phase
            self.state.step(Event.STOPPED)
            self.changed.notify()
            if self.owner:
                self.owner.end()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most `timeout` seconds; return whether the run has ended."""
        return self._ended is None or bool(self._ended.wait(timeout))

    def open_request(self, request_id: str) -> Ask:
        """The open request with this id, of any kind. Raises AlreadyAnswered.

        Another worker's page may show the request before this worker has read it.
        """
        self.fold_new_lines()
        return self._open_ask(request_id)

    def open_ask(self, request_id: str) -> PermissionRequest:
        """The open permission request with this id. Raises AlreadyAnswered, UnfitAnswer."""
        self.fold_new_lines()
        return self._open_permission(request_id)

    def _open_permission(self, request_id: str) -> PermissionRequest:
        ask = self._open_ask(request_id)
        if not isinstance(ask, PermissionRequest):
            raise UnfitAnswer("An MCP server asks this: accept, decline or cancel it.")
        return ask

    def _open_elicitation(self, request_id: str) -> ElicitationRequest:
        ask = self._open_ask(request_id)
        if not isinstance(ask, ElicitationRequest):
            raise UnfitAnswer("Claude asks this, no MCP server: allow or deny it.")
        return ask

    def _open_ask(self, request_id: str) -> Ask:
        ask = self.state.asks.get(request_id)
        if ask is None:
            answer = self.state.answers.get(request_id)
            raise AlreadyAnswered(answer.in_words() if answer else "Claude no longer asks this.")
        return ask

    def wait_for_answer(self, request_id: str, timeout: float) -> None:
        """Wait until the answer to a request is on record, at most `timeout` seconds."""
        until = time.monotonic() + timeout
        while request_id in self.state.asks and self.live and time.monotonic() < until:
            self.changed.wait(self.changed.version, max(0.0, until - time.monotonic()))

    @contextlib.contextmanager
    def sending(self, command: RunCommand, about: str = "") -> Iterator[Callable[[bytes], None]]:
        """A function that sends a line, while the state is up to date and the input is locked.

        `about` is the id of the prompt, or of the request, that the line is about: it is logged
        when the line is not delivered. As long as there is no process, a line is kept for it.
        Raises RunNotLive where the phase does not allow the command.
        """
        self._check(command)
        try:
            with self.folder.writing() as writer:
                self.fold_new_lines()  # another worker, or another phone, may have been first
                self.refresh_record()
                self._check(command)
                yield writer.note if self.phase is Phase.QUEUED else writer.send
        except InputClosed as error:
            if about and isinstance(error, InputFull):
                self.note(self.codec.undelivered_line(about))
            raise RunNotLive(str(error)) from error
        self.fold_new_lines()

    def _check(self, command: RunCommand) -> None:
        if reason := refusal_reason(command, self.phase):
            raise RunNotLive(reason)

    def warn(self, about: str, sentence: str) -> None:
        """Show a warning about a limit on the pages; an empty sentence removes it."""
        if self.warnings.get(about, "") != sentence:
            self.warnings = {**self.warnings, about: sentence}
            self.changed.notify()
            self.news.notify()

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


def error_lines(run: Run) -> list[str]:
    """The last lines of Claude's stderr; as the record has them if the file is gone."""
    try:
        return run.folder.error_lines(ERROR_LINES)
    except FileNotFoundError:
        return list(run.record.end.stderr) if run.record.end else []
