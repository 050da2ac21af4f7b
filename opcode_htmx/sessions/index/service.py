"""Runs the process that keeps the index current: one for all workers, as long as one of them runs.

The process inherits the lock that makes it the only one, and so holds it until it has ended, also
where the worker that has started it is killed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import gevent

from opcode_htmx.lib import resources
from opcode_htmx.lib.concurrency.jobs import Job
from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.logs.set_up import LogOptions

log = logging.getLogger(__name__)

DATABASE = "sessions.sqlite"
LOCK = "lock"
RETRY_SECONDS, LONGEST_RETRY = 5.0, 120.0
"""How often a worker looks whether the process of another one has ended; the second one where the
process ends again and again."""
END_SECONDS = 3.0


class IndexProcess:
    """The process of this worker, if it is this worker's."""

    def __init__(self, folder: Path, config_dir: Path, log_options: LogOptions) -> None:
        """`folder` is that of the index, in the state folder."""
        self._folder = folder
        self._config_dir = config_dir
        self._log_options = log_options
        self._greenlet: gevent.Greenlet[[], None] | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def job(self) -> Job:
        return Job("session index", self.start, self.stop)

    def start(self) -> None:
        self._greenlet = gevent.spawn(self._keep)

    def stop(self) -> None:
        """End the process; what it was reading is read again by the next one."""
        gevent.killall([self._greenlet] if self._greenlet else [])
        child, self._child = self._child, None
        if child and child.stdin:
            child.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(END_SECONDS)
                return
            child.kill()
            child.wait()

    def _keep(self) -> None:
        pause = RETRY_SECONDS
        while True:
            began = time.monotonic()
            try:
                was_ours = self._run()
            except OSError as error:
                was_ours = True
                log.warning("the index of sessions cannot be kept: %s", error)
            is_short = was_ours and time.monotonic() - began < LONGEST_RETRY
            pause = min(2 * pause, LONGEST_RETRY) if is_short else RETRY_SECONDS
            gevent.sleep(pause)

    def _run(self) -> bool:
        """Run the process until it has ended; whether it was ours and not another worker's."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = file_locks.take(self._folder / LOCK)
        if lock is None:
            return False
        try:
            command = [sys.executable, "-m", "opcode_htmx.sessions.index.indexer"]
            command += [str(self._folder / DATABASE), str(self._config_dir)]
            command.append(self._log_options.as_argument())
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                cwd=resources.IMPORT_FOLDER,
                env={"PYTHONUTF8": "1"},
                pass_fds=[lock],
                start_new_session=True,
            )
        finally:
            os.close(lock)
        status = self._child.wait()
        log.warning("the process of the session index has ended with status %s", status)
        return True
