"""The test environment: isolated folders, the CLI, real servers, and waiting for conditions."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
import requests

from opcode_htmx.app import state_folders
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.files.state_folders import StateDir
from tests.support.apps.warm import Forked, warm
from tests.support.cli.offers import offers_of
from tests.support.suite.start_guard import guard

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(
    [*(ROOT / "templates").rglob("*.html"), *(ROOT / "opcode_htmx").rglob("templates/**/*.html")]
)
"""Of all pages: the common ones, and those of the features."""
PATIENCE = 60.0
"""Seconds for which a condition is waited for: longer than a stall of a busy machine lasts."""
USER, PASSWORD = "opcode", "for-the-tests"
CHEAP_CLI = {
    # No CLI of a test runs as long as optimized code, or a heap that is collected early, needs to
    # be worth its threads: a start and two turns take three quarters of the CPU time.
    **{"BUN_JSC_useDFGJIT": "0", "BUN_JSC_useConcurrentGC": "0", "BUN_JSC_numberOfGCMarkers": "1"},
    **{"BUN_JSC_smallHeapGrowthFactor": "8", "BUN_JSC_mediumHeapGrowthFactor": "6"},
    "BUN_GC_TIMER_DISABLE": "1",
}
"""Settings of the engine in which the CLI runs."""
CLI_FOLDER = "CLAUDE_CODE_TMPDIR"
"""Names the CLI's folder for files that it does not keep, which is else one for all of a user."""
SYSTEM_PATH = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin:/usr/bin:/bin"])


def until(
    condition: Callable[[], T],
    what: str,
    timeout: float = PATIENCE,
    sleep: Callable[[], object] | None = None,
    pause: Callable[[float], object] = time.sleep,
    shortest: float = 0.02,
) -> T:
    """Wait until `condition` gives something true, and give that.

    Between two looks it calls `sleep`; without one it pauses for nine times as long as a look
    takes, so that costly looks do not slow down what is waited for. A process that ends while the
    condition looks at it is a reason to look again."""
    deadline = time.monotonic() + timeout
    while True:
        began = time.monotonic()
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if value := condition():
                return value
        now = time.monotonic()
        assert now < deadline, f"not within {timeout} s: {what}"
        if sleep:
            sleep()
        else:
            pause(min(max(shortest, 9 * (now - began)), 0.5))


def missing(part: str, how: str) -> None:
    """A part that the tests need is not here: in CI that fails, elsewhere it skips."""
    sentence = f"{part} was not found: {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


def find_claude() -> Path | None:
    """The CLI that the tests use: CLAUDE_PATH, or the one in the wheel."""
    if given := os.environ.get("CLAUDE_PATH"):
        return Path(given)
    spec = importlib.util.find_spec("claude_agent_sdk")
    for place in (spec and spec.submodule_search_locations) or ():
        bundled = Path(place) / "_bundled" / "claude"
        if bundled.is_file():
            return bundled
    return None


def basic_header() -> dict[str, str]:
    """The credentials of the tests' servers, as scripts send them."""
    encoded = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass(frozen=True)
class Sandbox:
    """A HOME of its own, with a project folder, and the environment that goes with it."""

    home: Path
    name: str = "orchard"
    """That of the project folder."""

    @property
    def config_dir(self) -> Path:
        return self.home / "claude-config"

    @property
    def project(self) -> Path:
        return self.home / "work" / self.name

    @property
    def state(self) -> Path:
        return self.home / "state"

    def make(self) -> Sandbox:
        for folder in (self.config_dir, self.project):
            folder.mkdir(parents=True)
        return self

    def with_own_project(self) -> Sandbox:
        """The same home with another, empty project: for one of the tests that share a server."""
        found = Sandbox(self.home, f"{self.name}-{uuid.uuid4().hex[:8]}")
        found.project.mkdir(parents=True)
        return found

    def empty_config(self) -> None:
        """Remove all that is in Claude's folder, for the next test of a shared server."""
        for each in self.config_dir.iterdir():
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each)
            else:
                each.unlink()

    def environment(self, api_url: str = "http://127.0.0.1:9") -> dict[str, str]:
        """A clean environment; by default with an API address where nothing listens."""
        return {
            "PATH": SYSTEM_PATH,
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "CLAUDE_CONFIG_DIR": str(self.config_dir),
            "ANTHROPIC_BASE_URL": api_url,
            "ANTHROPIC_API_KEY": "dummy",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            # A CLI that lives for 5 s looks through what all others have left there, and tidies up.
            CLI_FOLDER: f"{self.home}-tmp",
            **CHEAP_CLI,
        }


def write_stand_in(path: Path) -> Path:
    """Write the stand-in for the CLI, executable at `path`; see stand_in.py for its steps."""
    return make_executable(path, _stand_in())


STAND_IN = """#!/bin/sh
""\":"
if [ "$*" = --version ]; then echo "2.1.330 (Claude Code)"; exit; fi
exec {} -IS "$0" "$@"
":""\"

import sys

sys.path.append({!r})
import stand_in

stand_in.main()
"""
"""A script of the shell, which every server asks for its version, and else one of Python."""


def is_stand_in(claude: Path) -> bool:
    """Whether it was written by `write_stand_in`."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return claude.stat().st_size < 1000 and claude.read_text(encoding="utf-8") == _stand_in()
    return False


def _stand_in() -> str:
    return STAND_IN.format(sys.executable, str(ROOT / "tests/support/cli"))


def write_script(source: Path, path: Path) -> Path:
    """A Python script as a command of its own, executable at `path`."""
    return make_executable(path, f"#!{sys.executable}\n{source.read_text(encoding='utf-8')}")


def make_executable(path: Path, text: str) -> Path:
    """Write a script that can be started."""
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def has_ended(process: psutil.Process) -> bool:
    """Whether nothing of it is left but, maybe, its exit status."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def processes_of(state: Path, run_id: str | None = None) -> list[psutil.Process]:
    """The processes alive that carry the mark of a run in this state folder, or of the one."""
    runs = [run_id] if run_id else [path.name for path in (state / "runs").glob("*")]
    marks = {f"OPCODE_RUN_ID={run}".encode() for run in runs}
    found = []
    for pid in psutil.pids() if marks else ():
        try:
            # psutil's `environ` would take ten times as long, and there are hundreds of processes
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            if b"OPCODE_RUN_ID=" in environment and not marks.isdisjoint(environment.split(b"\0")):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def runs_of(state: Path, session_id: str) -> list[Path]:
    """The folders of a session's runs, oldest first."""
    found = list[tuple[float, Path]]()
    for path in (state / "runs").glob("*/run.json"):
        record = json.loads(path.read_bytes())
        if record["session_id"] == session_id:
            found.append((record["created_at"], path.parent))
    return [folder for _, folder in sorted(found)]


def kill_processes_of(state: Path, run_id: str | None = None) -> None:
    """SIGKILL to what `processes_of` finds; some of it may end by itself meanwhile."""
    for process in processes_of(state, run_id):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


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


def state_dir(path: Path) -> StateDir:
    """The state folder at `path`, with everything that the app declares in it."""
    return StateDir(path, state_folders.of(FEATURES))
