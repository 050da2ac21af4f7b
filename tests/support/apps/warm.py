"""gunicorn, forked from a process that has imported the app's modules already.

Nearly all that a server's start costs is the import of Flask, gevent, Pygments and our own modules
and the compilation of the templates, and the tests start hundreds of servers. So one process per
run of pytest does that, and forks for each server: what runs then is gunicorn's own command line,
with an arbiter and a worker of its own, the environment that it was given, and nothing that another
server has left but compiled templates.

All modules are imported, also those that a worker loads with its first page or request for the API,
and as the worker would import them, with the standard library made
cooperative. The arbiter is given the original functions back, which the worker's fork takes away.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import mimetypes
import os
import pkgutil
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from gevent import monkey
from gevent._hub_local import get_hub_if_exists

from tests.support.suite.shared import FOLDER

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = "gunicorn.app.wsgiapp"
OFFERS = "tests.support.cli.offers"
MODULES = (PROGRAM, "gunicorn.workers.ggevent", OFFERS)
LANGUAGES = ("json", "python", "bash", "diff", "html", "text")
"""Those of most code in tests; Pygments has a module for each, with patterns to compile."""
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
            env={name: os.environ[name] for name in ("PATH", FOLDER) if name in os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._partial_line = b""
        self._ended: dict[int, int] = {}
        self._started: list[int] = []

    def start(
        self,
        app: str,
        environment: Mapping[str, str],
        log: Path,
        offers: Mapping[str, Any] | None = None,
    ) -> Forked:
        """`offers`: what the app gets for an answer of the CLI; see offers.py."""
        assert self._process.stdin
        order = {"app": app, "environment": dict(environment), "log": str(log), "offers": offers}
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
    import_all()
    share_templates()
    # Its clock would stand still until a server's own hub runs, so that what may take a while
    # there would be over before it begins.
    assert get_hub_if_exists() is None, "the preparation has started an event loop"
    gc.collect()
    gc.freeze()  # untouched memory pages stay shared
    serve()


def import_all() -> None:
    for module in MODULES:
        import_module(module)
    # Not before the standard library is patched: they take their locks from there.
    from pygments.lexers import get_lexer_by_name

    import opcode_htmx
    from opcode_htmx.markup import markdown
    from tests.support.suite import cheap_keys

    for found in pkgutil.walk_packages(opcode_htmx.__path__, f"{opcode_htmx.__name__}."):
        if not found.name.endswith(".__main__"):
            import_module(found.name)
    cheap_keys.use()
    markdown.prepare()
    for language in LANGUAGES:
        get_lexer_by_name(language)
    mimetypes.init()


def share_templates() -> None:
    from tests.support.suite.compiled_templates import CompiledTemplates, common_folder

    templates = CompiledTemplates(common_folder())
    templates.fill()
    templates.use_in_new_apps()


def serve() -> None:
    """Fork for each order, and report who has ended, until there are no orders any more."""
    children: set[int] = set()
    orders = b""
    select_ = monkey.get_original("select", "select")
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    handle = monkey.get_original("signal", "signal")  # gevent's starts an event loop
    handle(signal.SIGCHLD, lambda *_: None)
    while True:
        ready = select_([0, woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            reap(children)
        if 0 not in ready:
            continue
        orders += (data := os.read(0, 65536))
        if not data:
            break
        while b"\n" in orders:
            order, _, orders = orders.partition(b"\n")
            pid = monkey.get_original("os", "fork")()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                handle(signal.SIGCHLD, signal.SIG_DFL)
                os.close(woken)
                os.close(wake)
                return become_gunicorn(**json.loads(order))
            children.add(pid)
            report(pid=pid)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    return None


def reap(children: set[int]) -> None:
    waitpid = monkey.get_original("os", "waitpid")
    for pid in list(children):
        found, status = waitpid(pid, os.WNOHANG)
        if found:
            children.discard(pid)
            report(pid=pid, status=os.waitstatus_to_exitcode(status))


def report(**what: int) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def become_gunicorn(
    app: str, environment: Mapping[str, str], log: str, offers: dict[str, Any] | None
) -> None:
    if offers is not None:
        sys.modules[OFFERS].answer_with(offers)
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
        sys.modules[PROGRAM].run()
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
