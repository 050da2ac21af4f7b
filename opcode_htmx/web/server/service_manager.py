"""Notify the service manager (systemd) that this server is ready, and alive: sd_notify's protocol.

gunicorn would say that it is ready before any worker has loaded the app. So the arbiter takes the
variables of the protocol away (`take`), and each worker reports for itself. The arbiter loads this
before the standard library is patched: nothing of the app is imported here.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping

from opcode_htmx.lib.dataclass import dataclass

NAMES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_BEATS = 4
"""How often a worker reports within the time after which it would count as hung."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Where reports go: a datagram socket; an address that begins with `@` is an abstract one."""

    address: str
    watchdog: float
    """Seconds without a report after which the server is taken for hung; 0: never."""

    def report(self) -> None:
        """Report that this worker is ready, then, as long as its event loop turns, that it is."""
        import gevent

        self.send("READY=1")
        while self.watchdog:
            self.send("WATCHDOG=1")
            gevent.sleep(self.watchdog / _BEATS)

    def send(self, state: str) -> None:
        """Send one line of the protocol. A service manager that is not there is logged only."""
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.connect(address)
                sender.send(state.encode())
        except OSError as error:
            log.warning("could not report %s to the service manager: %s", state, error)


_taken: list[ServiceManager] = []


def take(environ: MutableMapping[str, str]) -> None:
    """Remove the variables of the protocol, and remember them for the workers.

    Processes that the server starts, Claude among them, would report in its name.
    """
    address, microseconds, pid = (environ.pop(name, "") for name in NAMES)
    if not address.startswith(("/", "@")):
        return
    seconds = int(microseconds) / 1e6 if microseconds.isascii() and microseconds.isdigit() else 0.0
    if pid and pid != str(os.getpid()):
        seconds = 0.0  # the watchdog is that of another process
    _taken[:] = [ServiceManager(address, seconds)]


def begin() -> None:
    """In a worker that is ready: report, if a service manager has started the server."""
    import gevent

    for each in _taken:
        gevent.spawn(each.report)
