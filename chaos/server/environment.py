"""The server under test: start it, inject faults, and count the resources of its processes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from chaos.server.gunicorn_conf import COUNTS_SIGNAL
from tests.support.environment import ROOT, Sandbox, until
from tests.support.server import Server

SETTINGS = {"OPCODE_STOP_DEADLINE": "2", "OPCODE_ASK_AHEAD": "0"}
WORKERS = "OPCODE_WORKERS"
CONFIGURATION = "chaos/server/gunicorn_conf.py"
"""Of gunicorn, from the root of the checkout."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """The open resources of the server's processes at one moment, by kind, and their memory."""

    files: Counter[str]
    greenlets: Counter[str]
    threads: int
    rss_mb: float


class ServerUnderTest(Server):
    """The app under gunicorn with `workers` workers, in a folder of its own."""

    def __init__(self, folder: Path, claude: Path, api_url: str, workers: int) -> None:
        sandbox = Sandbox(folder / "home").make()
        self.journal, self._counts = folder / "journal", folder / "counts"
        for each in (self.journal, self._counts):
            each.mkdir()
        self.workers = workers
        several = {WORKERS: str(workers)} if workers > 1 else {}
        super().__init__(
            sandbox,
            claude,
            api_url,
            **SETTINGS,
            **several,
            CHAOS_JOURNAL=str(self.journal),
            CHAOS_COUNTS=str(self._counts),
        )
        self.up = threading.Event()
        """Set while clients may expect an answer."""
        self.peak_mb = 0.0

    def start(self) -> ServerUnderTest:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", CONFIGURATION, "app:app"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(self._answers, f"the server answers; its log is {self.log}", 60)
        self.up.set()
        return self

    def kill(self) -> None:
        self.up.clear()
        super().kill()

    def strike(self, what: str, dice: random.Random) -> None:
        """Inject a fault, and wait until the server answers again."""
        self.sample_memory()
        if what == "worker":
            workers = self.worker_processes()
            victim = dice.choice(workers)
            victim.kill()
            psutil.wait_procs([victim], timeout=10)
            until(lambda: len(self.worker_processes()) >= len(workers), "the worker is replaced")
            until(self._answers, f"the server answers; its log is {self.log}", 60)
            return
        if what == "terminate":
            self.up.clear()
            status = self.stop()
            assert status == 0, f"the server ended with status {status} at SIGTERM"
        else:
            self.kill()
        self.start()

    def sample_memory(self) -> float:
        """Megabytes of all workers together; also updates the peak."""
        total = 0.0
        for worker in self.worker_processes():
            with contextlib.suppress(psutil.Error):
                total += worker.memory_info().rss / 1e6
        self.peak_mb = max(self.peak_mb, total)
        return total

    def holdings(self) -> Holdings:
        """The open resources of all workers, once all are up."""
        until(self._all_are_there, "the workers are there", 60)
        files: Counter[str] = Counter()
        greenlets: Counter[str] = Counter()
        threads = 0
        workers = self.worker_processes()
        for worker in workers:
            files += _files_of(worker.pid)
            greenlets += self._ask_counts(worker.pid)
            threads += worker.num_threads()
        log = str(self.sandbox.state / "logs" / "current.ndjson")
        files[log] = max(files[log], len(workers))  # opened with the first line of each
        return Holdings(files, greenlets, threads, self.sample_memory())

    def _all_are_there(self) -> bool:
        """A worker that was just forked lacks some resources, and the signal would end it."""
        found = self.worker_processes()
        ready = [self._counts / f"{worker.pid}.ready" for worker in found]
        return len(found) == self.workers and all(path.exists() for path in ready)

    def _ask_counts(self, pid: int) -> Counter[str]:
        answer = self._counts / str(pid)
        answer.unlink(missing_ok=True)
        os.kill(pid, COUNTS_SIGNAL)
        until(answer.exists, f"worker {pid} has counted its greenlets")
        return Counter(json.loads(answer.read_bytes()))


def _files_of(pid: int) -> Counter[str]:
    """The open descriptors of a process, counted by kind."""
    kinds: Counter[str] = Counter()
    folder = Path(f"/proc/{pid}/fd")
    for entry in folder.iterdir():
        with contextlib.suppress(OSError):
            target = str(entry.readlink())
            # a socket without its number, gunicorn's heartbeat without its random name
            kinds[re.split(r":\[|(?<=wgunicorn)-", target)[0]] += 1
    return kinds
