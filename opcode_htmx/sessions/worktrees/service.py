"""Give a session a copy of its project: make the worktree, set it up, and send the first prompt.

Each step is noted before it is made, under the id of the session, and made once.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import gevent

from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.sessions.worktrees import setup_command
from opcode_htmx.sessions.worktrees.files import CopyFiles
from opcode_htmx.sessions.worktrees.making import CannotCopy, CopyMaker, CopyServices, Wish
from opcode_htmx.sessions.worktrees.records import CopyState, SessionWorktree, Setup
from opcode_htmx.sessions.worktrees.setup_command import SetupFailed, SetupStopped

__all__ = ["CannotCopy", "CopyServices", "SessionWorktrees", "Wish"]

log = logging.getLogger(__name__)

SETUP_SECONDS = 600.0
STOP_SECONDS = 5.0
LOOK_SECONDS = 0.1
STOPPED = "Stopped while the copy was set up."

Send = Callable[[Path], object]
"""Sends the first prompt of a session that works in a folder; the same again sends it once."""


class SessionWorktrees(CopyMaker):
    """The copies of sessions. One instance serves one worker; the files are the state."""

    def __init__(self, services: CopyServices, files: CopyFiles) -> None:
        super().__init__(services, files)
        self._outputs = files.outputs
        self._setup_seconds = SETUP_SECONDS
        self._sending: set[str] = set()
        """The sessions that this worker is setting up."""

    def configure(self, place: Path | None, setup_seconds: float) -> None:
        """Set where copies are made, None: in `.claude/worktrees` of each repository."""
        self._place = place
        self._setup_seconds = setup_seconds

    def is_starting(self, session_id: str) -> bool:
        """Whether this worker is about to send the first prompt."""
        return session_id in self._sending

    def is_setting_up(self, session_id: str) -> bool:
        """Whether a worker runs the set-up command of a session's copy now."""
        return setup_command.is_running(self._output(session_id))

    def is_under_way(self, session_id: str) -> bool:
        """Whether a session is about to begin in its copy."""
        return self.is_starting(session_id) or self.is_setting_up(session_id)

    def wait(self, session_id: str, seconds: float = math.inf) -> None:
        """Wait until that is over, at most some seconds, whichever worker is at it."""
        deadline = time.monotonic() + seconds
        while self.is_under_way(session_id) and time.monotonic() < deadline:
            gevent.sleep(LOOK_SECONDS)

    def stop_setup(self, session_id: str, *, by: Identity) -> bool:
        """End a set-up, in any worker, so that no prompt is sent; whether there was one."""
        record = self.records.get(session_id)
        if record is None or record.state is not CopyState.MADE:
            return False
        if not self.is_under_way(session_id):
            return False
        self.records.update(session_id, setup=Setup.STOPPED)
        log_act(by, "worktree.stop_setup", session=session_id, path=record.path)
        self.wait(session_id, STOP_SECONDS)
        return True

    def output(self, session_id: str) -> str:
        """The end of what the set-up command has printed."""
        return setup_command.shown(self._output(session_id))

    def end_leftover(self, record: SessionWorktree) -> None:
        """End a set-up command that goes on in a copy after its server was killed."""
        if record.setup is Setup.RUNNING:
            setup_command.end_leftover(self._output(record.session_id))

    def needs_setup(self, record: SessionWorktree) -> bool:
        command = self.setups.of(Path(record.repository)).command
        return bool(command) and record.state is CopyState.MADE and record.setup is not Setup.DONE

    def trust_needed(self, record: SessionWorktree) -> TrustNeeded | None:
        """The decision that is needed before Claude starts in a copy: its files may differ."""
        supervisor = self.services.supervisor
        if not supervisor.options.uses_project_settings(record.session_id):
            return None
        needed = supervisor.project_trust.needed(Path(record.folder))
        if needed is not None:
            needed.session_id = record.session_id
        return needed

    def begin(self, session_id: str, send: Send, *, by: Identity) -> None:
        """Run the set-up command and send the first prompt, beside the request.

        Raises TrustNeeded, which a person has to decide about first.
        """
        if session_id in self._sending:
            return
        record = self.records.get(session_id)
        if record is not None and (needed := self.trust_needed(record)):
            raise needed
        self._sending.add(session_id)
        gevent.spawn(self._begin, session_id, send, by)

    def _begin(self, session_id: str, send: Send, by: Identity) -> None:
        try:
            self.begin_now(session_id, send, by=by)
        except self.services.refusals as error:
            self._fail(session_id, str(error))
        except Exception as error:
            log.exception("could not start session %s in its copy", session_id)
            sentence = f"The server failed ({type(error).__name__})."
            self._fail(session_id, sentence)
        finally:
            self._sending.discard(session_id)

    def begin_now(
        self, session_id: str, send: Send, *, by: Identity, without_setup: bool = False
    ) -> None:
        """The same, and wait for it. Raises CannotCopy if the set-up fails, and what `send` does.

        `without_setup`: a person starts without it, or it has run.
        """
        record = self.records.get(session_id)
        if record is None or record.state is not CopyState.MADE:
            return
        if self.needs_setup(record) and not without_setup:
            if needed := self.trust_needed(record):
                raise needed
            self._set_up(record, by)
        else:
            self.end_leftover(record)
        send(Path(record.folder))
        self.begun(session_id)

    def begin_new(self, record: SessionWorktree, send: Send, *, by: Identity) -> bool:
        """Begin the session of a copy that `prepare` gave; whether that goes on beside the request.

        A copy whose session could not begin goes, unless it is a question of trust. Raises
        TrustNeeded, and what `send` does.
        """
        session_id = record.session_id
        if self.needs_setup(record) or self.is_starting(session_id):
            self.begin(session_id, send, by=by)
            return True
        try:
            self.begin_now(session_id, send, by=by)
        except TrustNeeded:  # the person decides about the files of the copy
            raise
        except Exception:
            self.take_back(session_id)
            raise
        return False

    def _set_up(self, record: SessionWorktree, by: Identity) -> None:
        session_id = record.session_id
        command = self.setups.of(Path(record.repository)).command
        self.records.update(session_id, setup=Setup.RUNNING, problem="", problem_at=0.0)
        log_act(by, "worktree.set_up", session=session_id, path=record.path)
        try:
            setup_command.run(
                command,
                Path(record.folder),
                self.services.environment,
                self._output(session_id),
                self._setup_seconds,
                lambda: self._is_stopped(session_id),
            )
        except (SetupFailed, OSError) as error:
            sentence = f"The set-up command failed. {error}"
            self._fail(session_id, sentence, setup=Setup.FAILED)
            raise CannotCopy(sentence) from None
        except SetupStopped:
            self._fail(session_id, STOPPED)
            raise CannotCopy(STOPPED) from None
        if self.records.update(session_id, unless=Setup.STOPPED, setup=Setup.DONE) is None:
            self._fail(session_id, STOPPED)
            raise CannotCopy(STOPPED)

    def _is_stopped(self, session_id: str) -> bool:
        record = self.records.get(session_id)
        return record is None or record.setup is Setup.STOPPED

    def _fail(self, session_id: str, sentence: str, **changes: Setup) -> None:
        """Note why a session did not begin."""
        self.records.update(session_id, problem=sentence, problem_at=time.time(), **changes)

    def send_noted(self, session_id: str, *, by: Identity) -> Send:
        """A function that sends the recorded prompt, without the files that went with it."""
        record = self.records.get(session_id)

        def send(folder: Path) -> None:
            if record is not None:
                self.services.submitter.submit(
                    session_id,
                    folder,
                    record.prompt_id,
                    record.prompt,
                    options=record.options,
                    by=by,
                )

        return send

    def go_on(self, session_id: str, *, by: Identity) -> SessionWorktree:
        """Go on with a start that a crash or a failure has cut off. Raises as `prepare` does."""
        record = self.records.get(session_id)
        if record is None:
            raise CannotCopy("There is no such start any more.")
        wish = Wish(Path(record.project), record.branch, record.prompt_id, record.prompt)
        return self.prepare(session_id, wish, by=by)

    def begun(self, session_id: str) -> None:
        """The first prompt was sent."""
        record = self.records.get(session_id)
        if record is not None and record.state is CopyState.MADE:
            self.records.update(
                session_id,
                state=CopyState.BEGUN,
                prompt="",
                options={},
                setup=Setup.NONE,
                problem="",
                problem_at=0.0,
            )

    def _output(self, session_id: str) -> Path:
        return self._outputs / session_id
