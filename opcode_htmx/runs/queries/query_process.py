"""A Claude without a session that answers queries, until it is closed.

It reads from a pipe of ours, so it does not outlive a server that is killed.
"""

from __future__ import annotations

import contextlib
import itertools
import uuid
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import BinaryIO, NoReturn

import gevent
from gevent import subprocess
from gevent.event import AsyncResult

from opcode_htmx.engines.base import CapabilityCodec, CommandLine
from opcode_htmx.engines.identifiers import INITIALIZE_ID
from opcode_htmx.engines.messages import ControlResponse, Message
from opcode_htmx.engines.requests import Query
from opcode_htmx.lib.coerce import Json
from opcode_htmx.runs.processes.claude_process import sweep
from opcode_htmx.runs.processes.process_table import MARK
from opcode_htmx.runs.queries.slots import Slot

SECONDS = 20.0
"""An answer takes 0.4 s at the start, and several more with a cold disk."""
CLOSE_SECONDS = 2.0
ERROR_CHARACTERS = 300


class QueryFailed(Exception):
    """Claude did not answer, or refused; the text says what happened instead."""


class QueryProcess:
    """One process, for greenlets of one worker; a context manager that ends it."""

    def __init__(
        self,
        command: CommandLine,
        codec: CapabilityCodec,
        folder: Path,
        on_message: Callable[[Message], None] = lambda message: None,
    ) -> None:
        """Start it in a folder. Raises QueryFailed.

        `on_message` gets what it writes besides answers.
        """
        self._codec = codec
        self._on_message = on_message
        self._mark = uuid.uuid4().hex
        self._numbers = itertools.count(1)
        self._waiting: dict[str, AsyncResult[ControlResponse | None]] = {}
        try:
            self._slot = Slot()
        except TimeoutError as error:
            raise QueryFailed(str(error)) from None
        self._errors: BinaryIO = TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            self._child = subprocess.Popen(
                command.argv,
                cwd=folder,
                env={**command.environment, MARK: self._mark},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
            )
        except OSError as error:
            self._errors.close()
            self._slot.give_back()
            raise QueryFailed(f"it could not be started: {error.strerror or error}") from error
        self._reader = gevent.spawn(self._read)

    def __enter__(self) -> QueryProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        return not self._reader.ready()

    def initialize(self, seconds: float = SECONDS) -> Json:
        """What it answers to the first request. Raises QueryFailed."""
        return self._ask(INITIALIZE_ID, self._codec.initialize_line(), seconds)

    def ask(self, query: Query, seconds: float = SECONDS) -> Json:
        """What it answers within so many seconds. Raises QueryFailed."""
        request_id = f"query-{next(self._numbers)}"
        return self._ask(request_id, self._codec.query_line(request_id, query), seconds)

    def hold(self) -> None:
        """It stays open for a person: it no longer counts among those that answer at once."""
        self._slot.give_back()

    def close(self) -> None:
        """End it, and all that it has started."""
        try:
            self._child.kill()
            self._child.wait()
            sweep(self._mark)
            # a process that has got rid of its mark may keep the pipe open
            self._reader.join(CLOSE_SECONDS)
            self._reader.kill()
        finally:
            self._slot.give_back()
        for stream in (self._child.stdin, self._child.stdout, self._errors):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()

    def _ask(self, request_id: str, line: bytes, seconds: float) -> Json:
        answer: AsyncResult[ControlResponse | None] = AsyncResult()
        self._waiting[request_id] = answer
        try:
            self._send(line)
            if self._reader.ready() and not answer.ready():
                self._end()
            response: ControlResponse | None = answer.get(timeout=seconds)
        except gevent.Timeout:
            raise QueryFailed(f"no answer within {seconds:g} s") from None
        finally:
            del self._waiting[request_id]
        if response is None:
            self._end()
        if not response.ok:
            raise QueryFailed(f"Claude refused: {response.error}")
        return response.response

    def _send(self, line: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # its end is reported by the reader
            if self._child.stdin:
                self._child.stdin.write(line)
                self._child.stdin.flush()

    def _read(self) -> None:
        try:
            for line in self._child.stdout or ():
                message = self._codec.parse(line)
                if not isinstance(message, ControlResponse):
                    self._on_message(message)
                elif waiting := self._waiting.get(message.request_id):
                    waiting.set(message)
        finally:
            for waiting in self._waiting.values():
                if not waiting.ready():  # its asker may not have run since the answer came
                    waiting.set(None)

    def _end(self) -> NoReturn:
        """Raise QueryFailed for a process that has ended."""
        status = self._child.wait()
        self._errors.seek(0)
        errors = self._errors.read().decode("utf-8", "replace")
        last = errors.strip().rpartition("\n")[2][:ERROR_CHARACTERS]
        raise QueryFailed(f"it ended with status {status}" + (f": {last}" if last else ""))
