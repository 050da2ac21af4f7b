"""The app under real gunicorn, as tests start, ask and end it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import requests

from opcode_htmx.lib.coerce import Json
from tests.support.apps.warm import Forked, warm
from tests.support.cli.offers import offers_of
from tests.support.environment import (
    PASSWORD,
    PATIENCE,
    ROOT,
    USER,
    Sandbox,
    find_claude,
    free_port,
    has_ended,
    is_stand_in,
    kill_processes_of,
    until,
)
from tests.support.suite.start_guard import guard


class Server:
    """The app under real gunicorn, in a process of its own."""

    app = "app:app"

    def __init__(self, sandbox: Sandbox, claude: Path, api_url: str, **settings: str) -> None:
        """`OPCODE_ASK_AHEAD`: it asks the CLI itself what that offers, or not, as real ones do."""
        self.sandbox = sandbox
        self.api_url = api_url
        self._claude = claude
        self.port = free_port()
        self.base_path = settings.get("OPCODE_BASE_PATH", "")
        self.url = f"http://127.0.0.1:{self.port}{self.base_path}"
        self._environment = {
            **sandbox.environment(api_url),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "CLAUDE_PATH": str(claude),
            "OPCODE_USER": USER,
            "OPCODE_PASSWORD": PASSWORD,
            "OPCODE_STATE_DIR": str(sandbox.state),
            "OPCODE_DEMO": "0",
            "OPCODE_MIN_FREE": "0",  # else each of these servers would hold room in reserve
            "OPCODE_MAX_RUNS": "100",  # of sessions that tests leave to one another's server
            "OPCODE_TERMINAL": "1",
            "OPCODE_PREVIEW_PORTS": "off",  # else each would take ports that others have found free
            "OPCODE_SEARCH_INDEX": "0",  # else each server would start a process for it
            "OPCODE_WARM_START": "0",  # else each draft that a test types would start the CLI
            **settings,
        }
        self._asks_itself = "OPCODE_ASK_AHEAD" in settings or not all(
            name.startswith("OPCODE_") for name in settings
        )
        self._process: Forked | subprocess.Popen[bytes] | None = None
        self.log = sandbox.home / "server.log"
        self.foresees_errors = False
        """Whether its test makes it fail in a way that is logged with all of its details."""

    def start(self) -> Server:
        guard.refuse("a server")
        self.begin()
        until(self._answers, f"the server answers; its log is {self.log}")
        return self

    def begin(self) -> None:
        """Start it, and do not wait until it answers."""
        if "PYTEST_VERSION" in os.environ:
            offers = self._offers()
            self._process = warm().start(self.app, self._environment, self.log, offers)
        else:  # what is measured elsewhere is a server as people start it
            self._process = self._popen()

    def _offers(self) -> Json | None:
        """What Claude offers, so that it need not ask for that; None: it asks itself."""
        if self._asks_itself:
            return None
        if self._claude == find_claude():
            return offers_of(self._claude, self.sandbox.environment())
        return {} if is_stand_in(self._claude) else None  # of which it makes the same as of this

    def _popen(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", self.app],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def ensure_started(self) -> None:
        """Start it if a test has left it ended."""
        if self._process is None:
            self.start()

    @property
    def pid(self) -> int:
        """The pid of gunicorn's arbiter."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL to the arbiter and its workers: no chance to tidy up."""
        assert self._process is not None
        arbiter = psutil.Process(self._process.pid)
        arbiter.suspend()  # else it replaces the worker that dies first
        family = [*self.worker_processes(), arbiter]
        for process in family:
            process.kill()
        self._process.wait(PATIENCE)
        # its parent may take its time to collect the worker's exit status
        until(lambda: all(map(has_ended, family)), "they are gone")
        self._process = None

    def worker_processes(self) -> list[psutil.Process]:
        """The workers, which are the arbiter's children but for what they have started."""
        found = []
        for child in psutil.Process(self.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "gunicorn" in " ".join(child.cmdline()) and child.is_running():
                    found.append(child)
        return found

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE)

    def close(self) -> None:
        """End the server and all leftovers of its runs, without its second of cleaning up.

        Raises AssertionError if it has logged anything unexpected.
        """
        if self._process is not None:
            self.kill()
        kill_processes_of(self.sandbox.state)
        logged = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        assert self.foresees_errors or "Traceback" not in logged, logged

    def get(self, path: str, **arguments: object) -> requests.Response:
        return requests.get(self.url + path, auth=(USER, PASSWORD), timeout=PATIENCE, **arguments)  # type: ignore[arg-type]

    def post(
        self, path: str, data: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """A POST as a script makes it: with credentials and without a browser's headers."""
        return requests.post(
            self.url + path,
            data=data,
            headers=headers,
            auth=(USER, PASSWORD),
            timeout=PATIENCE,
            allow_redirects=False,
        )

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text(encoding="utf-8")
        with socket.socket() as visitor:  # a tenth of what a request costs that is refused
            if visitor.connect_ex(("127.0.0.1", self.port)):
                return False
        try:
            return requests.get(f"{self.url}/healthz", timeout=PATIENCE).ok
        except (requests.ConnectionError, requests.Timeout):
            return False


class ColdServer(Server):
    """One as people start it: it has nothing imported yet, and stores passwords as theirs does."""

    def begin(self) -> None:
        self._process = self._popen()
