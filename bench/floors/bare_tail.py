"""The floor of the latency: files followed by inotify, the bytes of each to a socket, nothing else.

Prints its port, takes a client for each file, in their order, and exits when one of them goes.
Arguments: the files.
"""

from __future__ import annotations

import socket as plain
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import gevent
from gevent import socket
from gevent.socket import wait_read

if sys.platform == "linux":
    import inotify_simple

POLL_SECONDS = 0.001
"""Poll interval where inotify is missing."""


def main(paths: list[Path]) -> None:
    clients = []
    with socket.create_server(("127.0.0.1", 0), backlog=len(paths)) as listener:
        print(listener.getsockname()[1], flush=True)
        for _ in paths:
            client, _ = listener.accept()
            client.setsockopt(plain.IPPROTO_TCP, plain.TCP_NODELAY, 1)
            clients.append(client)
    files = [path.open("rb") for path in paths]
    for changed in changes(paths):
        for place in changed:
            if data := files[place].read():
                clients[place].sendall(data)


def changes(paths: list[Path]) -> Iterator[Collection[int]]:
    """Yield the places of the files that may have grown, whenever some may have."""
    if sys.platform != "linux":
        while True:
            gevent.sleep(POLL_SECONDS)
            yield range(len(paths))
    inotify = inotify_simple.INotify(nonblocking=True)
    modified = inotify_simple.flags.MODIFY
    places = {inotify.add_watch(path, modified): place for place, path in enumerate(paths)}
    while True:
        wait_read(inotify.fileno())
        yield {places[event.wd] for event in inotify.read(timeout=0)}


if __name__ == "__main__":
    try:
        main([Path(path) for path in sys.argv[1:]])
    except (BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        sys.exit(0)
