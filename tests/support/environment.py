"""The test environment: isolated folders, the CLI, processes, and waiting for conditions."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import os
import shutil
import socket
import stat
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from opcode_htmx.app import state_folders
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.lib.files.state_folders import StateDir

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
    condition looks at it is a reason to look again. Greenlets of this thread do not run meanwhile,
    nor does gevent collect exit statuses; see the one in cli/supervision.py for that."""
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


def state_dir(path: Path) -> StateDir:
    """The state folder at `path`, with everything that the app declares in it."""
    return StateDir(path, state_folders.of(FEATURES))
