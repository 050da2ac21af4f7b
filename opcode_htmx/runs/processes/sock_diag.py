"""Ask the kernel of Linux which TCP sockets listen: a question for these alone.

/proc/net/tcp has a line for every connection of the machine, which takes milliseconds to read where
there are hundreds; this takes a tenth of one.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from opcode_htmx.lib.concurrency.plain_sockets import plain_socket

_SOCK_DIAG = 4
"""NETLINK_SOCK_DIAG, and below other numbers of <linux/netlink.h> and <linux/inet_diag.h>."""
_BY_FAMILY = 20
_DUMP = 0x301
"""NLM_F_REQUEST | NLM_F_DUMP"""
_ERROR, _DONE = 2, 3
_LISTENING = 1 << 10
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI48x")
_FOUND = struct.Struct("=B3x2s2x16s28xIIIII")
"""Family, port and address (of the network's byte order), and five numbers, the last the inode."""
_MOST = 1 << 16
"""Bytes of a part of the answer; the kernel sends smaller ones."""
_SECONDS = 1.0


class ListeningSocket(NamedTuple):
    """A socket that listens. `address`: 4 bytes, or 16 of IPv6."""

    inode: int
    port: int
    address: bytes


def listening() -> Iterator[ListeningSocket]:
    """Those of this network namespace. Raises OSError where the kernel does not answer."""
    # gevent's own would make a hub in a thread, which nothing runs there
    with plain_socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.settimeout(_SECONDS)
        for family in (socket.AF_INET, socket.AF_INET6):
            request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, _LISTENING)
            kernel.send(
                _HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, _DUMP, 1, 0) + request
            )
            yield from _answers(kernel)


def _answers(kernel: socket.socket) -> Iterator[ListeningSocket]:
    while True:
        data = kernel.recv(_MOST)
        place = 0
        while place + _HEADER.size <= len(data):
            length, kind, *_ = _HEADER.unpack_from(data, place)
            if kind == _DONE:
                return
            if kind == _ERROR or length < _HEADER.size + _FOUND.size:
                raise OSError("the kernel does not list sockets")
            family, port, address, *_, inode = _FOUND.unpack_from(data, place + _HEADER.size)
            size = 4 if family == socket.AF_INET else 16
            yield ListeningSocket(inode, int.from_bytes(port), address[:size])
            place += (length + 3) & ~3
        if not data:
            raise OSError("the kernel does not list sockets")
