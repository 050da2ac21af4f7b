"""One conversation with one Claude process: its state and the verbs that steer it.

Knows the files and the process of the run; nothing of other runs and nothing of the web.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import gevent
from gevent.event import Event as Flag
from gevent.lock import BoundedSemaphore

from ..claude import outgoing, stream
from ..claude.messages import ImageContent, Json, PermissionRequest
from . import stopping
from .ending import how_it_ended
from .folder import InputClosed, InputFull, Outcome, RunEnd, RunFolder, RunRecord
from .notify import Broadcast
from .phases import OPEN_TURN, Event, Phase
from .process import ClaudeProcess, sweep
from .state import RunState
from .tail import LineReader

log = logging.getLogger(__name__)

LINES_PER_TURN_OF_THE_HUB = 100
ERROR_LINES = 20


class RunNotLive(Exception):
    """A verb for a run that has ended or is ending."""


class AlreadyAnswered(Exception):
    """A request of Claude's that is no longer open; the message says what became of it."""


class Run:
    """A run that lives, or one that has ended and is kept as a record."""

    def __init__(
        self,
        folder: RunFolder,
        record: RunRecord,
        changed: Broadcast,
        history_end: Callable[[float], int],
        stop_deadline: float,
    ) -> None:
        self.folder = folder
        self.record = record
        self.state = RunState()
        self.changed = changed
        """Shared by the runs of a session."""
        self.idle_since = time.time()
        self._process: ClaudeProcess | None = None
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._history_end = history_end
        self._stop_deadline = stop_deadline
        self._ending: tuple[Outcome, str] | None = None
        self._output = LineReader(folder.output)
        self._input = LineReader(folder.input_log)
        self._folding = BoundedSemaphore(1)
        self._files_changed = Flag()
        self._ended = Flag()
        if record.end:
            self.state.step(Event.EXITED)
            self._ended.set()

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
    def read_to(self) -> int:
        """How far its output has been read: the byte offset behind the last whole line."""
        return self._output.offset

    # --- verbs ------------------------------------------------------------------------------

    def prompt(self, prompt_id: str, text: str, images: Sequence[ImageContent] = ()) -> None:
        """Send a prompt; one that was sent already under this id is not sent again.

        Raises RunNotLive when the process is gone or going, or does not read.
        """
        with self.sending(prompt_id) as send:
            if not self.has_sent(prompt_id):
                send(outgoing.prompt_line(prompt_id, text, images))

    def note(self, line: bytes) -> None:
        """Keep a line among those that were sent, without sending it."""
        with contextlib.suppress(InputClosed):
            self.folder.note(line)
        self.catch_up()

    def has_sent(self, prompt_id: str) -> bool:
        """Whether the prompt went to this run, also in the time of an earlier server.

        What a run that has ended did not take up counts as not sent: it may be sent again.
        """
        if self.record.end:
            self.catch_up(last=True)  # or wait for who does: half a fold would call it left
        left = self.state.waiting if self.record.end else ()
        return prompt_id in self.state.sent and prompt_id not in left

    def allow(
        self,
        request_id: str,
        changes: Mapping[str, Any] | None = None,
        permissions: Sequence[Json] = (),
    ) -> None:
        """Allow an open request, with `changes` laid over its input (the answers to questions).

        `permissions` are updates of Claude's rules or mode that go with it.
        Raises AlreadyAnswered; RunNotLive, also when Claude does not read: then it stays open.
        """
        with self.sending(request_id) as send:
            ask = self._open_ask(request_id)
            given = {**ask.input, **(changes or {})}
            send(outgoing.allow_line(request_id, given, permissions, time.time()))

    def deny(self, request_id: str, reason: str) -> None:
        """Refuse an open request. Raises as `allow` does."""
        with self.sending(request_id) as send:
            self._open_ask(request_id)
            send(outgoing.deny_line(request_id, reason, time.time()))

    def stop(self, outcome: Outcome = Outcome.CANCELLED, cause: str = "Stopped by you.") -> None:
        """Begin to end the process and all it has started; `join` waits for it.

        Raises RunNotLive when it has ended already. A second stop changes nothing.
        """
        if not self.live or self._process is None:
            raise RunNotLive("This run has ended already.")
        if self._ending is None:
            self._ending = (outcome, cause)
            open_turn = self.phase in OPEN_TURN
            self.state.step(Event.STOPPED)
            self.changed.notify()
            self._greenlets.append(
                gevent.spawn(
                    stopping.end, self, self._process, self._stop_deadline, open_turn=open_turn
                )
            )

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most `timeout` seconds; whether it has come."""
        return bool(self._ended.wait(timeout))

    def open_ask(self, request_id: str) -> PermissionRequest:
        """The open request with this id. Raises AlreadyAnswered.

        A page reads the files by itself and may know of the request before this run does.
        """
        self.catch_up()
        return self._open_ask(request_id)

    def _open_ask(self, request_id: str) -> PermissionRequest:
        ask = self.state.asks.get(request_id)
        if ask is None:
            raise AlreadyAnswered(self._what_became_of(request_id))
        return ask

    def _what_became_of(self, request_id: str) -> str:
        answer = self.state.answers.get(request_id)
        if answer is None:
            return "Claude no longer asks this."
        at = time.strftime(" at %H:%M", time.localtime(answer.at)) if answer.at else ""
        return f"This was answered already{at}: {'allowed' if answer.allowed else 'denied'}."

    @contextlib.contextmanager
    def sending(self, about: str = "") -> Iterator[Callable[[bytes], None]]:
        """What sends a line, while the state is up to date and nobody else can send one.

        `about` is the id of the prompt, or of the request, that the line is about: it is noted
        when the line does not get through. Raises RunNotLive.
        """
        self._check_live()
        try:
            with self.folder.sending() as send:
                self.catch_up()  # another worker, or another phone, may have been first
                self._check_live()
                yield send
        except InputClosed as error:
            if about and isinstance(error, InputFull):
                self.note(outgoing.undelivered_line(about))
            raise RunNotLive(str(error)) from error
        self.catch_up()

    def _check_live(self) -> None:
        if self.phase in (Phase.STOPPING, Phase.ENDED):
            raise RunNotLive("This run has ended; send a prompt to go on with the session.")

    # --- following the files ----------------------------------------------------------------

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the run has ended; at once if it has already."""
        self._ended.rawlink(lambda _: callback())

    def begin(self, process: ClaudeProcess) -> None:
        """Follow the files of a run and wait for the end of `process`, each in a greenlet."""
        self._process = process
        self._greenlets = [gevent.spawn(self._follow), gevent.spawn(self._await_exit, process)]

    def let_go(self) -> None:
        """Follow the run no longer. It goes on, for the next server to adopt."""
        gevent.killall(self._greenlets)

    def files_changed(self) -> None:
        self._files_changed.set()

    def _follow(self) -> None:
        while not self._ended.is_set():
            self._files_changed.wait()
            self._files_changed.clear()
            try:
                self.catch_up()
            except OSError:  # no file descriptor left, say: the next change tries again
                log.exception("run %s cannot be followed just now", self.id)
            self._refuse_unsupported()
            # stderr changes the page too, although it is no part of the state
            self.changed.notify()

    def _refuse_unsupported(self) -> None:
        """Answer requests of unknown kinds, which would otherwise hold Claude for ever."""
        for request_id in list(self.state.unsupported):
            try:
                self.folder.send(outgoing.refusal_line(request_id))
            except InputClosed:
                return
            except OSError:
                log.exception("a request of run %s could not be refused", self.id)
                return
            self.catch_up()

    def catch_up(self, last: bool = False) -> None:
        """Fold the lines that are new, giving way to other greenlets in a flood."""
        with self._folding:
            for reader, apply in (
                (self._input, self.state.apply_input),
                (self._output, self.state.apply_output),
            ):
                for count, line in enumerate(reader.read(last), start=1):
                    before = self.phase
                    apply(stream.parse(line.data))
                    if self.phase is not before and self.phase is Phase.IDLE:
                        self.idle_since = time.time()
                    if count % LINES_PER_TURN_OF_THE_HUB == 0:
                        self.changed.notify()
                        gevent.sleep(0)
        self.changed.notify()

    # --- the end ----------------------------------------------------------------------------

    def _await_exit(self, process: ClaudeProcess) -> None:
        status = process.wait()
        sweep(self.id)
        self.finish(status)

    def finish(self, status: int | None) -> None:
        """Record how the process ended. `status` is None when nobody saw it."""
        try:
            self.catch_up(last=True)
        except OSError:  # the end is recorded all the same
            log.exception("the last lines of run %s could not be read", self.id)
        outcome, cause = self._ending or how_it_ended(
            status, open_turn=self.phase in OPEN_TURN, watched=self._process is not None
        )
        history_end = self._history_end(self.folder.last_output())
        end = RunEnd(outcome, time.time(), cause, status, history_end)
        self.record = self.record.ended(end)
        try:
            self.folder.store(self.record)
        except OSError:  # the folder is gone or the disk is full; the run is over all the same
            log.exception("the end of run %s could not be recorded", self.id)
        self.state.step(Event.EXITED)
        self._ended.set()
        self._files_changed.set()
        self.changed.notify()
