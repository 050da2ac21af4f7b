"""The floor of the latency: a file followed by inotify, its bytes to one socket, nothing else.

Prints its port, serves one client and exits with it. Argument: the file.
"""

from __future__ import annotations

import socket as plain
import sys
from collections.abc import Iterator
from pathlib import Path

import gevent
from gevent import socket
from gevent.socket import wait_read

POLL_SECONDS = 0.001
"""Poll interval where inotify is missing."""


def main(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        client, _ = listener.accept()
    client.setsockopt(plain.IPPROTO_TCP, plain.TCP_NODELAY, 1)
    with client, path.open("rb") as file:
        for _ in changes(path):
            if data := file.read():
                client.sendall(data)


def changes(path: Path) -> Iterator[None]:
    """Yield whenever the file may have grown."""
    if sys.platform != "linux":
        while True:
            gevent.sleep(POLL_SECONDS)
            yield
    import inotify_simple

    inotify = inotify_simple.INotify(nonblocking=True)
    inotify.add_watch(path, inotify_simple.flags.MODIFY)
    while True:
        wait_read(inotify.fileno())
        inotify.read(timeout=0)
        yield


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        sys.exit(0)
