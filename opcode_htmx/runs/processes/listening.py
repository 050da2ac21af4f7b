"""Which TCP ports processes listen on, where this machine itself can reach them.

A listening socket is identified by its holder (pid and start) and the kernel's number of it: any
other program that takes the port later is another one. Blocks on files of /proc, for
milliseconds: to be called in a thread, but for `still_listens`, which takes some microseconds.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import psutil

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.process_identity import HAS_PROC, ProcessKey
from opcode_htmx.runs.processes import sock_diag
from opcode_htmx.runs.processes.process_table import Row, is_alive

_PROC = "/proc"
_LISTEN = "0A"
_SOCKET = late_pattern(r"socket:\[([0-9]{1,20})\]")

_V4_LOOPBACK, _V4_ANY = "0100007F", "0" * 8
_V6_LOOPBACK, _V6_ANY = "0" * 24 + "01000000", "0" * 32
_REACHED = {
    _V4_LOOPBACK: "127.0.0.1",
    _V4_ANY: "127.0.0.1",
    _V6_LOOPBACK: "::1",
    _V6_ANY: "::1",
}
"""How a socket with this address in /proc/net is reached from here; little endian, as on all
machines that Claude Code runs on. Others are bound to one network and are not offered."""


_REACHED_BY = {
    bytes([127, 0, 0, 1]): "127.0.0.1",
    bytes(4): "127.0.0.1",
    bytes(15) + b"\1": "::1",
    bytes(16): "::1",
}
"""The same for the addresses as the network writes them."""


class Listener(NamedTuple):
    """A listening socket of a process."""

    port: int
    address: str
    """Where it is reached from this machine: 127.0.0.1 or ::1."""
    key: ProcessKey
    """The process that holds it; the oldest, where several share it."""
    descriptor: int
    """The number by which that process knows it; -1 where the system does not say."""
    inode: int
    """The kernel's number of the socket; 0 where the system does not say."""


def find(rows: Iterable[Row]) -> list[Listener]:
    """What these processes listen on, by port; one entry for each port."""
    rows = sorted(rows, key=lambda row: row.started)
    found: dict[int, Listener] = {}
    for each in _from_proc(rows) if HAS_PROC else _from_psutil(rows):
        known = found.get(each.port)
        if known is None or (known.address != "127.0.0.1" and each.address == "127.0.0.1"):
            found[each.port] = each
    return [found[port] for port in sorted(found)]


def all_sockets() -> frozenset[int] | None:
    """The numbers of all listening sockets of this machine: other ones, if anything has changed.

    Takes a tenth of a millisecond. None where the system does not say.
    """
    return frozenset(_listening_sockets()) if HAS_PROC else None


def still_listens(listener: Listener) -> bool:
    """Whether the same process still holds the same socket."""
    if not is_alive(listener.key):
        return False
    if listener.descriptor < 0:
        return listener in _of_process(listener.key)
    path = f"{_PROC}/{listener.key.pid}/fd/{listener.descriptor}"
    return _inode_at(path) == listener.inode


def _from_proc(rows: Iterable[Row]) -> Iterator[Listener]:
    listening = _listening_sockets()
    for row in rows if listening else ():
        folder = f"{_PROC}/{row.pid}/fd"
        try:
            names = os.listdir(folder)  # noqa: PTH208 - of a folder with thousands of entries
        except OSError:
            continue
        for name in names:
            inode = _inode_at(f"{folder}/{name}")
            place = listening.get(inode)
            if place:
                port, address = place
                yield Listener(port, address, row.key, int(name), inode)


def _listening_sockets() -> dict[int, tuple[int, str]]:
    """Port and address, by inode, of the sockets that listen in our network namespace."""
    try:
        return {
            each.inode: (each.port, _REACHED_BY[each.address])
            for each in sock_diag.listening()
            if each.address in _REACHED_BY
        }
    except OSError:  # a kernel, or a sandbox, that does not list sockets
        return dict(_sockets_of_proc())


def _sockets_of_proc() -> Iterator[tuple[int, tuple[int, str]]]:
    """The same from files with a line for every connection."""
    for name in ("tcp", "tcp6"):
        with (
            contextlib.suppress(OSError),
            open(f"{_PROC}/self/net/{name}", encoding="ascii") as table,  # noqa: PTH123
        ):
            next(table, None)
            yield from filter(None, map(_listening_in, table))


def _listening_in(line: str) -> tuple[int, tuple[int, str]] | None:
    """Inode, port and address of a line in /proc/net; None if no such socket listens there."""
    fields = line.split()
    if len(fields) < 10 or fields[3] != _LISTEN:
        return None
    place, _, port = fields[1].partition(":")
    address = _REACHED.get(place)
    return (int(fields[9]), (int(port, 16), address)) if address else None


def _inode_at(path: str) -> int:
    """The number of the socket behind a link in /proc/<pid>/fd; 0 if it is none."""
    try:
        match = _SOCKET.fullmatch(os.readlink(path))  # noqa: PTH115 - thousands of them
    except OSError:
        return 0
    return int(match[1]) if match else 0


def _from_psutil(rows: Iterable[Row]) -> Iterator[Listener]:
    for row in rows:
        yield from _of_process(row.key)


def _of_process(key: ProcessKey) -> list[Listener]:
    found = []
    with contextlib.suppress(psutil.Error, OSError):
        for each in psutil.Process(key.pid).net_connections(kind="tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr:
                address = _reached(each.laddr.ip, each.family)
                if address:
                    found.append(Listener(each.laddr.port, address, key, -1, 0))
    return found


def _reached(ip: str, family: int) -> str:
    """Where a socket with this address is reached from here; empty if it is of one network."""
    if ip in ("127.0.0.1", "0.0.0.0"):  # noqa: S104
        return "127.0.0.1"
    is_any = family == socket.AF_INET6 and ip in ("::", "*")
    return "::1" if is_any or ip == "::1" else ""
