"""A run: one conversation with one Claude process, its state, and the commands that steer it.

Knows the files of the run; nothing of other runs and nothing of the web. Every worker follows the
files and may send commands; what only one of them may do, its owner does (see owner.py).
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.engines.messages import (
    Ask,
    ElicitationAction,
    ElicitationRequest,
    PermissionRequest,
)
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.identity import SYSTEM, Identity
from opcode_htmx.runs.elicitation import values
from opcode_htmx.runs.following.followed_run import FollowedRun
from opcode_htmx.runs.model import actors, permission_updates
from opcode_htmx.runs.model.actors import Act, Actor
from opcode_htmx.runs.model.lifecycle import (
    Phase,
    RunCommand,
    refusal_reason,
)
from opcode_htmx.runs.model.record import STOPPED, Outcome, StopRequest
from opcode_htmx.runs.model.run_folder import InputClosed, InputFull

log = logging.getLogger(__name__)


class RunNotLive(Exception):
    """The run refuses a command in its phase; the message says why."""


class AlreadyAnswered(Exception):
    """A request of Claude's is no longer open; the message says why."""


class UnfitAnswer(Exception):
    """The answer is one to another kind of request; the message says which one is needed."""


class Run(FollowedRun):
    """A live run, or one that has ended and is kept as a record."""

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
        cause: str = STOPPED,
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
        """Wait until the blocks of a page have the answer to a request, at most `timeout` seconds.

        They come from the output, where Claude repeats an answer that it has read.
        """
        until, state = time.monotonic() + timeout, self.state
        while request_id in state.asks or request_id in state.unconfirmed:
            if not self.live or time.monotonic() >= until:
                return
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
