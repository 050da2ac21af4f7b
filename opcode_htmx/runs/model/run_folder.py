"""The files of one run: its record, Claude's stdin, stdout and stderr, and a log of the input.

Knows files only: no processes, and not the meaning of the lines.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from gevent.socket import wait_write

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.files import atomic_files, file_locks, json_fields
from opcode_htmx.lib.files.disk_space import DiskFull, is_full
from opcode_htmx.runs.model.record import (
    STOPPED,
    Outcome,
    RunEnd,
    RunRecord,
    StopRequest,
)

RECORD_VERSION = 2
READABLE_VERSIONS = (1, RECORD_VERSION)
WRITE_SECONDS = 10.0
"""How long Claude may leave its stdin unread before a prompt is refused."""
HANGS = "Claude does not read its input: it seems to hang. Stop it, then send again."
BUSY = "Claude does not read its input just now. Try again in a moment or, if it hangs, stop it."


RECORD, STOP_REQUEST = "run.json", "stop.json"
INPUT_LOG, INPUT_CUT, OUTPUT, ERRORS = "in.ndjson", "in.cut", "out.ndjson", "err.log"
"""The names of the files that are followed."""


class InputClosed(Exception):
    """Claude does not read its stdin: the process has ended, or hangs."""


class InputFull(InputClosed):
    """Claude has left its stdin unread for too long: the line was not written completely."""


class RunFolder:
    """The folder of one run, mode 0700."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        # runs that are over are kept for long: Path objects would be a third of their memory
        self._path = os.fspath(path)

    @property
    def path(self) -> Path:
        return Path(self._path)

    @property
    def record_path(self) -> Path:
        return self.path / RECORD

    @property
    def input_pipe(self) -> Path:
        return self.path / "in"

    @property
    def input_log(self) -> Path:
        return self.path / INPUT_LOG

    @property
    def input_cut(self) -> Path:
        """Exists once a part of a line is in the pipe: any line after it would be garbled."""
        return self.path / INPUT_CUT

    @property
    def output(self) -> Path:
        return self.path / OUTPUT

    @property
    def errors(self) -> Path:
        return self.path / ERRORS

    @property
    def stop_request(self) -> Path:
        """Exists once the run is to stop; its owner stops it."""
        return self.path / STOP_REQUEST

    @property
    def owner(self) -> Path:
        """Locked by the worker that waits for the run's end and records it."""
        return self.path / "owner"

    @classmethod
    def create(cls, root: Path, name: str) -> RunFolder:
        folder = cls(root / name)
        atomic_files.make_folder(root)
        folder.path.mkdir(mode=0o700)
        os.mkfifo(folder.input_pipe, 0o600)
        for path in (folder.input_log, folder.output, folder.errors):
            path.touch(mode=0o600)
        return folder

    def load(self) -> RunRecord:
        """Raises ValueError, KeyError or TypeError when run.json is not of a version we know."""
        data = bounded_json.loads(self.record_path.read_bytes())
        if not isinstance(data, dict) or data.pop("version") not in READABLE_VERSIONS:
            raise ValueError(f"{self.record_path} is of another version")
        end = data.pop("end")
        if not isinstance(end, dict | None):
            raise TypeError(f"{self.record_path} has an end that is no object")
        if end is not None:
            stderr = json_fields.texts(end.pop("stderr", []))
            status = end.pop("exit_status")  # negative after a signal
            if type(status) not in (int, type(None)):
                raise TypeError("exit_status is no number")
            known = json_fields.fields_of(RunEnd, end)
            known["outcome"] = Outcome(end["outcome"])
            end = RunEnd(**known, exit_status=status, stderr=stderr)
        known = json_fields.fields_of(RunRecord, data)
        record = RunRecord(**{**known, "argv": json_fields.texts(data["argv"])}, end=end)
        record.check()
        return record

    def store(self, record: RunRecord, then: Callable[[], None] = lambda: None) -> None:
        """Replace run.json so that a crash leaves either the old or the new one.

        Other greenlets may run meanwhile; `then` is called before they can read the new one.
        """
        data = json.dumps({"version": RECORD_VERSION, **asdict(record)}, indent=1)
        atomic_files.write(self.record_path, data.encode(), on_replaced=then)

    def publish(self, run_id: str) -> RunFolder:
        """Give the folder, which has a record, its final name: then other workers see it."""
        return RunFolder(self.path.rename(self.path.with_name(run_id)))

    # --- ownership and stop requests ----------------------------------------------------------

    def own(self) -> int | None:
        """Become the owner; None if there is one. Closing the descriptor gives ownership up."""
        return file_locks.take(self.owner)

    def ask_to_stop(self, request: StopRequest) -> StopRequest:
        """Store a stop request; return the one that counts, which is the first."""
        draft = self.path / f".stop-{os.getpid()}-{id(request)}"
        try:
            try:
                # after a power cut there is nothing to stop, and a stop waits for no disk
                atomic_files.write(draft, json.dumps(asdict(request)).encode(), durable=False)
                os.link(draft, self.stop_request)
            finally:
                draft.unlink(missing_ok=True)
        except FileExistsError:
            return self.asked_to_stop() or request
        except OSError as error:
            if not is_full(error):
                raise
            # Stop works on a full disk, too: an empty file is enough
            self.stop_request.touch(mode=0o600)
        return request

    def asked_to_stop(self) -> StopRequest | None:
        """The stop request, if there is one."""
        try:
            found = bounded_json.loads(self.stop_request.read_bytes())
            return StopRequest(Outcome(found["outcome"]), str(found["cause"]), float(found["at"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):  # the disk was full
            return StopRequest(Outcome.CANCELLED, STOPPED, time.time())

    # --- input --------------------------------------------------------------------------------

    def send(self, line: bytes) -> None:
        """Log `line` in in.ndjson, then write it to Claude. Whole lines, one writer at a time.

        Raises InputClosed when there is no reader at the other end; InputFull when the line has
        been logged but was not delivered.
        """
        with self.writing() as writer:
            writer.send(line)

    def note(self, line: bytes) -> None:
        """Log `line` in in.ndjson only. Raises InputClosed when the folder has been removed."""
        with self.writing() as writer:
            writer.note(line)

    @contextlib.contextmanager
    def writing(self) -> Iterator[InputWriter]:
        """Lock the input against other writers, in all workers: to check, and then write.

        Raises InputClosed when the folder has been removed.
        """
        try:
            log = os.open(self.input_log, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError as error:
            raise InputClosed("The folder of this run has been removed.") from error
        try:
            file_locks.wait_for(log)
            yield InputWriter(self, log)
        finally:
            os.close(log)

    def open_input(self) -> int:
        """Open Claude's stdin for writing. Raises InputClosed, OSError."""
        if self.input_cut.exists():
            raise InputClosed(HANGS)
        try:
            return os.open(self.input_pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                raise InputClosed("Claude has ended and takes no more input.") from error
            raise

    def last_input(self) -> float:
        """The time of the last line that was sent, in seconds since the epoch; 0 if unknown."""
        try:
            return self.input_log.stat().st_mtime
        except OSError:
            return 0.0

    # --- output -------------------------------------------------------------------------------

    def last_output(self) -> float:
        """The time of Claude's last output, in seconds since the epoch; now, if unknown."""
        try:
            return self.written_at()
        except OSError:
            return time.time()

    def written_at(self) -> float:
        """The same. Raises OSError."""
        return os.stat(f"{self._path}/{OUTPUT}").st_mtime  # noqa: PTH116 - asked very often

    def error_lines(self, limit: int) -> list[str]:
        """The last `limit` lines of stderr."""
        with self.errors.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
        return [line for line in text.splitlines() if line.strip()][-limit:]


class InputWriter:
    """Writes lines for one run, while its input log is locked."""

    def __init__(self, folder: RunFolder, log: int) -> None:
        self._folder = folder
        self._log = log

    def note(self, line: bytes) -> None:
        """Log `line` without sending it. Raises OSError."""
        _append(self._log, line)

    def send(self, line: bytes) -> None:
        """Log `line`, then write it to Claude. Raises InputClosed, InputFull, OSError."""
        pipe = self._folder.open_input()
        try:
            self.note(line)
            self._write(pipe, line)
        finally:
            os.close(pipe)

    def deliver(self, line: bytes) -> None:
        """Write a line to Claude that was logged before. Raises InputClosed, InputFull, OSError."""
        pipe = self._folder.open_input()
        try:
            self._write(pipe, line)
        finally:
            os.close(pipe)

    def _write(self, pipe: int, line: bytes) -> None:
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
                    self._folder.input_cut.touch(mode=0o600)
                    raise InputFull(HANGS) from None
            except BrokenPipeError as error:
                raise InputClosed("Claude has ended and takes no more input.") from error


def _append(log: int, line: bytes) -> None:
    """Append all of `line` or, on a full disk, nothing: half a line would break the next one."""
    size = os.fstat(log).st_size
    try:
        if os.write(log, line) < len(line):
            raise DiskFull
    except OSError as error:
        os.ftruncate(log, size)
        if is_full(error):
            raise DiskFull from error
        raise
