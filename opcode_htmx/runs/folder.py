"""The files of one run: its record, Claude's stdin, stdout and stderr, and what was sent.

Knows files only: no processes, and nothing of what the lines mean.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

import gevent
from gevent.socket import wait_write

RUN_ID = re.compile(r"[0-9a-f]{32}")
RECORD_VERSION = 1
WRITE_SECONDS = 10.0
"""How long Claude may leave its stdin unread before a prompt is refused."""
HANGS = "Claude does not read its input: it seems to hang. Stop it, then send again."
BUSY = "Claude does not read its input just now. Try again in a moment or, if it hangs, stop it."


class Outcome(StrEnum):
    """How a run ended; exactly one of these."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    INTERRUPTED = "interrupted"


class InputClosed(Exception):
    """Claude does not read its stdin: the process has gone, or hangs."""


class InputFull(InputClosed):
    """Claude has left its stdin unread for too long: the line did not get through whole."""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How and when a run ended. `exit_status` is None when nobody was there to see it."""

    outcome: Outcome
    at: float
    cause: str
    exit_status: int | None
    history_end: int
    """Size in bytes of Claude's history file when the run had ended."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Who and what a run is: the content of run.json. Times are seconds since the epoch."""

    id: str
    session_id: str
    project_path: str
    argv: tuple[str, ...]
    created_at: float
    history_start: int
    """Size in bytes of Claude's history file before the run: what stands in it comes before us."""
    pid: int | None = None
    process_started_at: float | None = None
    end: RunEnd | None = None
    config_dir: str = ""
    """The config folder that Claude works with; another one is another login, or the demo."""

    def started(self, pid: int, started_at: float) -> RunRecord:
        return replace(self, pid=pid, process_started_at=started_at)

    def ended(self, end: RunEnd) -> RunRecord:
        return replace(self, end=end)


class RunFolder:
    """The folder of one run, mode 0700."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # Not kept, because a run that is over is: they would be a quarter of the memory that it takes

    @property
    def record_path(self) -> Path:
        return self.path / "run.json"

    @property
    def input_pipe(self) -> Path:
        return self.path / "in"

    @property
    def input_log(self) -> Path:
        return self.path / "in.ndjson"

    @property
    def input_cut(self) -> Path:
        """Exists once a part of a line is in the pipe: what comes behind it would be garbled."""
        return self.path / "in.cut"

    @property
    def output(self) -> Path:
        return self.path / "out.ndjson"

    @property
    def errors(self) -> Path:
        return self.path / "err.log"

    @classmethod
    def create(cls, root: Path, run_id: str) -> RunFolder:
        folder = cls(root / run_id)
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.path.mkdir(mode=0o700)
        os.mkfifo(folder.input_pipe, 0o600)
        for path in (folder.input_log, folder.output, folder.errors):
            path.touch(mode=0o600)
        return folder

    def load(self) -> RunRecord:
        """Raises ValueError, KeyError or TypeError when run.json is not of a version we know."""
        data = json.loads(self.record_path.read_bytes())
        if not isinstance(data, dict) or data.pop("version") != RECORD_VERSION:
            raise ValueError(f"{self.record_path} is of another version")
        end = data.pop("end")
        if end is not None:
            end = RunEnd(**{**end, "outcome": Outcome(end["outcome"])})
        return RunRecord(**{**data, "argv": tuple(data["argv"])}, end=end)

    def store(self, record: RunRecord) -> None:
        """Replace run.json so that a crash leaves the old or the new one, never a half."""
        data = json.dumps({"version": RECORD_VERSION, **asdict(record)}, indent=1)
        temporary = self.record_path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.record_path)

    def send(self, line: bytes) -> None:
        """Note `line` in in.ndjson, then hand it to Claude. Whole lines, one writer at a time.

        Raises InputClosed when nobody reads at the other end; InputFull when the line has been
        noted but did not get through.
        """
        with self.sending() as send:
            send(line)

    def note(self, line: bytes) -> None:
        """Put `line` into in.ndjson only. Raises InputClosed when the folder has been removed."""
        with self._writing() as log:
            _append(log, line)

    @contextlib.contextmanager
    def sending(self) -> Iterator[Callable[[bytes], None]]:
        """What sends a line as `send` does, while nobody else can: to look before one speaks."""
        with self._writing() as log:

            def send(line: bytes) -> None:
                pipe = self._open_input()
                try:
                    _append(log, line)
                    self._write_all(pipe, line)
                finally:
                    os.close(pipe)

            yield send

    def _write_all(self, pipe: int, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(pipe, rest) :]
            except BlockingIOError:
                try:
                    wait_write(pipe, timeout=WRITE_SECONDS, timeout_exc=InputFull)
                except InputFull:
                    if len(rest) == len(line):
                        raise InputFull(BUSY) from None
                    self.input_cut.touch(mode=0o600)
                    raise InputFull(HANGS) from None
            except BrokenPipeError as error:
                raise InputClosed("Claude has ended and takes no more input.") from error

    def _open_input(self) -> int:
        if self.input_cut.exists():
            raise InputClosed(HANGS)
        try:
            return os.open(self.input_pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                raise InputClosed("Claude has ended and takes no more input.") from error
            raise

    @contextlib.contextmanager
    def _writing(self) -> Iterator[int]:
        """The input log, locked against other greenlets and other workers alike."""
        try:
            log = os.open(self.input_log, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError as error:
            raise InputClosed("The folder of this run has been removed.") from error
        try:
            while True:
                try:
                    fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    gevent.sleep(0.01)
            yield log
        finally:
            os.close(log)

    def last_output(self) -> float:
        """When Claude last wrote to its stdout, in seconds since the epoch; now, if unknown."""
        try:
            return self.output.stat().st_mtime
        except OSError:
            return time.time()

    def error_lines(self, limit: int) -> list[str]:
        """The last `limit` lines of stderr."""
        with self.errors.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
        return [line for line in text.splitlines() if line.strip()][-limit:]


def _append(log: int, line: bytes) -> None:
    """All of `line` or, where the disk is full, nothing: half a line would spoil the next one."""
    size = os.fstat(log).st_size
    try:
        if os.write(log, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        os.ftruncate(log, size)
        raise
