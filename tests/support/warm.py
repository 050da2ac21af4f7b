"""gunicorn, forked from a process that has imported the app's modules already.

Three quarters of what a server's start costs is the import of Flask, gevent, Pygments and our own
modules, and the tests start hundreds of servers. So one process per run of pytest imports them, and
forks for each server: what runs then is gunicorn's own command line, with an arbiter and a worker
of its own, the environment that it was given, and nothing that another server has left but
compiled templates.

The modules are imported as the worker would import them, with the standard library made
cooperative. The arbiter is given the original functions back, which the worker's fork takes away.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from gevent import monkey
from gevent._hub_local import get_hub_if_exists

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("gunicorn.app.wsgiapp", "gunicorn.workers.ggevent", "opcode_htmx.app.factory")
REAPING = 0.02
"""Seconds from one look at who has ended to the next."""
ARGUMENTS = ["gunicorn", "-c", "gunicorn.conf.py"]


class Forked:
    """A gunicorn that was started here; as a `subprocess.Popen` as far as the tests need one."""

    def __init__(self, warm: Warm, pid: int) -> None:
        self._warm = warm
        self.pid = pid

    def poll(self) -> int | None:
        """The exit status; negative: ended by this signal. None while it runs."""
        return self._warm.status(self.pid, 0)

    def wait(self, timeout: float) -> int:
        status = self._warm.status(self.pid, timeout)
        if status is None:
            raise subprocess.TimeoutExpired(ARGUMENTS, timeout)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class Warm:
    """The client side of the process that forks servers."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *ARGUMENTS],
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", "")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._partial_line = b""
        self._ended: dict[int, int] = {}
        self._started: list[int] = []

    def start(self, app: str, environment: Mapping[str, str], log: Path) -> Forked:
        assert self._process.stdin
        order = {"app": app, "environment": dict(environment), "log": str(log)}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        while not self._started:
            self._read_reports()
        return Forked(self, self._started.pop())

    def status(self, pid: int, timeout: float) -> int | None:
        assert self._process.stdout
        while pid not in self._ended and select.select([self._process.stdout], [], [], timeout)[0]:
            self._read_reports()
        return self._ended.get(pid)

    def _read_reports(self) -> None:
        assert self._process.stdout
        data = self._process.stdout.read(65536)
        assert data, "the process that forks has ended"
        *lines, self._partial_line = (self._partial_line + data).split(b"\n")
        for report in map(json.loads, lines):
            if "status" in report:
                self._ended[report["pid"]] = report["status"]
            else:
                self._ended.pop(report["pid"], None)  # of an earlier process with this pid
                self._started.append(report["pid"])

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


@cache
def warm() -> Warm:
    """The one of this process, started when it is first asked for."""
    made = Warm()
    atexit.register(made.close)
    return made


# --- in the process that forks ---------------------------------------------------------------


def main() -> None:
    monkey.patch_all()
    for module in MODULES:
        import_module(module)
    # Its clock would stand still until a server's own hub runs, so that what may take a while
    # there would be over before it begins.
    assert get_hub_if_exists() is None, "an import has started an event loop"
    gc.freeze()  # untouched memory pages stay shared
    compiled = tempfile.mkdtemp(prefix="templates-")
    share_templates(compiled)
    children: set[int] = set()
    orders = b""
    wait = monkey.get_original("select", "select")
    while True:
        ready = wait([0], [], [], REAPING if children else None)[0]
        reap(children)
        if not ready:
            continue
        orders += (data := os.read(0, 65536))
        if not data:
            break
        while b"\n" in orders:
            order, _, orders = orders.partition(b"\n")
            pid = monkey.get_original("os", "fork")()
            if pid == 0:
                return become_gunicorn(**json.loads(order))
            children.add(pid)
            report(pid=pid)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(compiled, ignore_errors=True)
    return None


def share_templates(folder: str) -> None:
    """Let the first server compile the templates, most of its start, and the others read that."""
    # Not before the standard library is patched: Jinja takes its locks from there.
    from flask import Flask
    from jinja2 import FileSystemBytecodeCache

    options = {**Flask.jinja_options, "bytecode_cache": FileSystemBytecodeCache(folder)}
    Flask.jinja_options = options


def reap(children: set[int]) -> None:
    waitpid = monkey.get_original("os", "waitpid")
    for pid in list(children):
        found, status = waitpid(pid, os.WNOHANG)
        if found:
            children.discard(pid)
            report(pid=pid, status=os.waitstatus_to_exitcode(status))


def report(**what: int) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def become_gunicorn(app: str, environment: Mapping[str, str], log: str) -> None:
    arbiter = os.getpid()
    be_ordinary(arbiter)
    nothing = os.open(os.devnull, os.O_RDONLY)
    into = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for source, target in ((nothing, 0), (into, 1), (into, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(into)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [*ARGUMENTS, app]
    try:
        sys.modules[MODULES[0]].run()
    except SystemExit as end:
        if os.getpid() == arbiter:  # which has nothing cooperative to wind up
            os._exit(end.code if isinstance(end.code, int) else 0)
        raise


def be_ordinary(arbiter: int) -> None:
    """Restore the standard library's own functions, except in the forked worker."""
    changed = [
        (vars(sys.modules[module]), name, vars(sys.modules[module])[name], original)
        for module, names in vars(monkey)["saved"].items()
        if module in sys.modules
        for name, original in names.items()
        if name in vars(sys.modules[module])
    ]

    # Forks by the worker itself are not handled here.
    def ordinary() -> None:
        for module, name, _, original in changed if os.getpid() == arbiter else ():
            module[name] = original

    def cooperative() -> None:
        for module, name, patched, _ in changed if os.getpid() == arbiter else ():
            module[name] = patched

    ordinary()
    os.register_at_fork(before=cooperative, after_in_parent=ordinary)


if __name__ == "__main__":
    main()
