"""Configure gunicorn: gevent workers, which close their sockets before they exit.

Of the app it imports only the choice of ports, because it is read before the worker patches the
standard library. The worker class and the logger class are also loaded before that, and import
little. The arbiter never loads gevent.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

pythonpath = str(Path(__file__).parent)
if pythonpath not in sys.path:  # gunicorn adds it later, and the current folder may be any
    sys.path.insert(0, pythonpath)

from opcode_htmx.web.server import preview_ports  # noqa: E402

_host = os.environ.get("HOST") or "0.0.0.0"  # noqa: S104 - a password always exists
_port = os.environ.get("PORT") or "8080"
_address = f"[{_host}]" if ":" in _host else _host
_previews = preview_ports.choose(_host, int(_port), os.environ) if _port.isdecimal() else ()
bind = [f"{_address}:{port}" for port in (_port, *_previews)]

worker_class = "opcode_htmx.web.server.late_worker.LateWorker"
# Each shows and controls all runs; each run is owned by one of them.
workers = int(os.environ.get("OPCODE_WORKERS") or "1")
# 400 of these are for clients without a login; see web/server/connections.py.
worker_connections = 1400

timeout = 60  # seconds without a heartbeat until a stuck worker is replaced
graceful_timeout = 5
# An idle connection delays the exit of the worker by as long as this.
keepalive = 2

# Set here, because the environment could set them otherwise.
# Who may say that a request came by https; see web/server/trusted_proxies.py for the address.
_proxies = (os.environ.get("OPCODE_TRUSTED_PROXIES") or "").split(",")
forwarded_allow_ips = ",".join(["127.0.0.1", "::1", *filter(None, map(str.strip, _proxies))])
forwarder_headers = ""  # a client could send SCRIPT_NAME; OPCODE_BASE_PATH says where the app is
control_socket_disable = True  # else a socket in the runtime folder or under HOME

# Claude inherits the worker's umask, so the files that it creates have the person's usual modes.
umask = os.umask(0o077)
os.umask(umask)

accesslog = None
errorlog = "-"
logger_class = "opcode_htmx.web.server.gunicorn_log.GunicornLog"
loglevel = "warning"

_WATCH_INTERVAL = 0.2  # seconds


def _close_sockets(worker: Any) -> None:
    """Have the app close its sockets with 1012, once, so that browsers reconnect immediately."""
    if getattr(worker, "sockets_closed", False):
        return
    worker.sockets_closed = True
    shutdown = getattr(worker.wsgi, "extensions", {}).get("opcode_shutdown")
    if shutdown is not None:
        try:
            shutdown()
        except Exception:
            worker.log.exception("The app's shutdown failed")


def _watch(worker: Any) -> None:
    import gevent

    if hasattr(worker, "wait_for_end"):
        worker.wait_for_end()
    else:  # another class of worker, chosen on the command line
        while worker.alive and worker.ppid == os.getppid():
            gevent.sleep(_WATCH_INTERVAL)
        worker.alive = False
    _close_sockets(worker)


def on_starting(server: Any) -> None:
    # Before gunicorn's own report, which would come before a worker has loaded the app. By now the
    # package can be imported.
    from opcode_htmx.web.server import late_worker, service_manager

    service_manager.take(os.environ)
    late_worker.wake_seldom(server)


def when_ready(server: Any) -> None:
    """The sockets listen, our own or those passed to us, and no worker has been forked yet."""
    addresses = [listener.sock.getsockname() for listener in server.LISTENERS]
    preview_ports.opened(int(_port), addresses)


def pre_fork(server: Any, worker: Any) -> None:
    from opcode_htmx.lib.late import collecting

    collecting.freeze_for_a_fork()


def post_worker_init(worker: Any) -> None:
    import gevent

    from opcode_htmx.lib.late import collecting
    from opcode_htmx.web.server import service_manager

    collecting.seldom()  # with `--preload` the app has been loaded before the worker began
    # Ctrl-C reaches the whole process group. The arbiter handles it and sends SIGQUIT; a worker
    # that handles both ends with a traceback. A handler, as child processes would inherit SIG_IGN.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    jobs = getattr(worker.wsgi, "extensions", {}).get("opcode_jobs")
    if jobs is not None:
        jobs.start()
    worker.shutdown_watch = gevent.spawn(_watch, worker)
    service_manager.begin()


def worker_int(worker: Any) -> None:
    # SIGQUIT leaves the worker a tenth of a second, which is too short for _watch.
    _close_sockets(worker)


def on_exit(server: Any) -> None:
    """The workers have exited; the runs continue, unless OPCODE_ON_EXIT is `stop`."""
    if os.environ.get("OPCODE_ON_EXIT") == "stop":
        command = [sys.executable, "-m", "opcode_htmx.end_runs", "--at-exit"]
        subprocess.run(command, cwd=Path(__file__).parent, check=False)
        return
    from opcode_htmx.app.operation import left_runs

    left_runs.report(os.environ)
