"""Whether this worker can do its work now: its jobs run, its state folder can be written to, and
the Claude CLI is there. Starts no process and writes no file."""

from __future__ import annotations

import os
import time
from pathlib import Path

import gevent
from flask import Blueprint, current_app

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.concurrency.jobs import Jobs
from opcode_htmx.web.server.url_rules import LateMap

PATIENCE_SECONDS = 2.0
"""How long the disk may take: that of another machine may never answer."""
FRESH_SECONDS = 1.0
"""How long what the disk has said holds: anybody may ask, as often as they like."""

NOT_STARTED = "The server is starting, or is about to stop."
JOB_FAILED = "A part of the server could not be started; its log says which."
NO_ANSWER = "The disk of the state folder does not answer."
NOT_WRITABLE = "The state folder cannot be written to."
NO_CLAUDE = "The Claude CLI is not there any more."
NOT_LOADED = "A part of the server could not be loaded; its log says why."


class Readiness:
    """The state of one worker."""

    def __init__(self, jobs: Jobs, state_dir: Path, claude: Path) -> None:
        self._jobs = jobs
        self._state_dir = state_dir
        self._claude = claude
        self._look: gevent.Greenlet[[], tuple[str, float]] | None = None

    def problem(self, routes: object = None) -> str:
        """Why it cannot do its work, as a sentence without names of files; empty if it can.

        `routes` are those of the app, which may be missing some.
        """
        if isinstance(routes, LateMap) and routes.are_missing:
            return NOT_LOADED
        if not self._jobs.are_started:
            return NOT_STARTED
        if self._jobs.failed:
            return JOB_FAILED
        return self._of_files()

    def _of_files(self) -> str:
        """One look serves all who ask, so that a disk that hangs holds one thread only."""
        look = self._look
        if look is None or (look.ready() and not _is_fresh(look)):
            look = self._look = gevent.spawn(self._looked)
        look.join(PATIENCE_SECONDS)
        if not look.ready() or look.value is None:
            return NO_ANSWER
        return look.value[0]

    def _looked(self) -> tuple[str, float]:
        return run_in_thread(self._problem_of_files), time.monotonic()

    def _problem_of_files(self) -> str:
        if not os.access(self._state_dir, os.W_OK | os.X_OK):
            return NOT_WRITABLE
        if not (self._claude.is_file() and os.access(self._claude, os.X_OK)):
            return NO_CLAUDE
        return ""


def _is_fresh(look: gevent.Greenlet[[], tuple[str, float]]) -> bool:
    return look.value is not None and time.monotonic() - look.value[1] < FRESH_SECONDS


def blueprint(readiness: Readiness) -> Blueprint:
    """`/readyz`, which is there even if no page can be loaded."""
    machines = Blueprint("readiness", __name__)

    @machines.get("/readyz")
    def readyz() -> tuple[dict[str, str], int]:
        """No login is needed, so nothing is named."""
        if problem := readiness.problem(current_app.url_map):
            return {"status": "unavailable", "reason": problem}, 503
        return {"status": "ok"}, 200

    return machines
