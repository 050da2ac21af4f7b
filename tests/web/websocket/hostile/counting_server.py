"""A server that reports its greenlets and its heap, and the sockets of a session on it."""

from __future__ import annotations

from collections.abc import Callable, Collection

import psutil

from tests.support.clients.raw_socket import RawSocket
from tests.support.environment import until
from tests.support.server import Server

SECONDS_OF_NOISE = 10.0


class CountingServer(Server):
    """A server that reports its greenlets and its heap."""

    app = "tests.support.apps.counting:app"

    @property
    def worker(self) -> psutil.Process:
        (worker,) = self.worker_processes()
        return worker

    def counts(self) -> tuple[int, int]:
        """Greenlets and descriptors, the connection that asks for them not included."""
        greenlets: int = self.get("/greenlets").json()["count"]
        return greenlets, self.worker.num_fds()

    def heap(self) -> int:
        """Bytes that the worker's objects use."""
        used: int = self.get("/heap").json()["bytes"]
        return used

    def serves(self, clients: Collection[RawSocket]) -> int:
        """How many of these connections the worker holds."""
        ports = {client.port for client in clients}
        connections = self.worker.net_connections("tcp")
        return sum(bool(each.raddr) and each.raddr.port in ports for each in connections)

    def returns_to(self, before: tuple[int, int]) -> None:
        def has_returned() -> bool:
            return all(now <= then for now, then in zip(self.counts(), before, strict=True))

        until(has_returned, f"as few as before, {before}: there are {self.counts()}")


Open = Callable[..., RawSocket]
