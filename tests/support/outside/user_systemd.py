"""A real systemd of a user, apart from that of the machine: for tests of the service.

It runs in a cgroup and a mount namespace of its own, with an empty /run. That takes root, and a
systemd that is installed; where either is missing, the tests are skipped.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from tests.support.environment import PATIENCE, until

SYSTEMD = Path("/lib/systemd/systemd")
CGROUPS = Path("/sys/fs/cgroup")
_START = """
for folder in "$@"; do echo $$ > "$folder/cgroup.procs" || exit 1; done
exec unshare --mount sh -c '
    mount --make-rprivate / && mount -t tmpfs tmpfs /run || exit 1
    mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR" && chmod 700 "$XDG_RUNTIME_DIR"
    exec /lib/systemd/systemd --user
'
"""


class UserSystemd:
    """The service manager of a home folder."""

    def __init__(self, home: Path, environ: Mapping[str, str]) -> None:
        self.environ = {**environ, "HOME": str(home), "XDG_RUNTIME_DIR": "/run/user/tests"}
        self.environ["SYSTEMD_LOG_TARGET"] = "console"
        name = f"opcode-tests-{os.getpid()}-{time.monotonic_ns()}"
        # with cgroups of the first version, systemd has a hierarchy for itself
        roots = [CGROUPS / each for each in ("systemd", "unified")]
        self._cgroups = [each / name for each in roots if each.is_dir()] or [CGROUPS / name]
        self._log = home / "systemd.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> UserSystemd:
        """Start it, or skip the test."""
        if os.geteuid() or not SYSTEMD.exists() or not shutil.which("unshare"):
            pytest.skip("A systemd of its own takes root, systemd and unshare.")
        try:
            for each in self._cgroups:
                each.mkdir()
        except OSError as error:
            self.close()
            pytest.skip(f"No cgroup can be made here ({error}).")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _START, "sh", *map(str, self._cgroups)],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            until(self._answers, "systemd answers", timeout=20)
        except AssertionError:
            said = self._log.read_text(errors="replace")
            self.close()
            pytest.skip(f"systemd does not run here: {said}")
        return self

    def run(self, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A command of the user, as from a login at this machine."""
        assert self._process is not None
        inside = ["nsenter", f"--target={self._process.pid}", "--mount", f"--wd={Path.cwd()}"]
        return subprocess.run(
            [*inside, *argv],
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE,
            check=False,
        )

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        done = self.run("systemctl", "--user", "show", unit, f"--property={name}", "--value")
        return done.stdout.strip()

    def pids(self) -> set[int]:
        """All processes that it, or what it has started, has started."""
        found = set[int]()
        for top in self._cgroups:
            for path in top.rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    found |= {int(line) for line in path.read_text().split()}
        return found

    def close(self) -> None:
        """End it with all that it has started."""

        def end() -> bool:
            found = self.pids()
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not found

        until(end, "nothing of it is left")
        if self._process is not None:
            self._process.wait(PATIENCE)
        for top in self._cgroups:
            for each in sorted(top.rglob("*"), reverse=True):
                if each.is_dir():
                    each.rmdir()
            with contextlib.suppress(FileNotFoundError):
                top.rmdir()

    def _answers(self) -> bool:
        assert self._process is not None
        if not psutil.pid_exists(self._process.pid) or self._process.poll() is not None:
            raise AssertionError("it has ended")
        return self.run("systemctl", "--user", "is-system-running").stdout.strip() in (
            "running",
            "degraded",
        )
