"""Count failed logins, for all workers together; does not depend on passwords or HTTP.

Each network (an IPv4 address, an IPv6 /64) has a leaky bucket of failures in a table of fixed size,
a file that the workers map into memory. Networks without a login also share a common bucket: when
it is full they are slowed down, and networks with a login are not.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import math
import mmap
import os
import struct
import time
from collections.abc import Callable, Collection, Iterator
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

from opcode_htmx.web.origin.hosts import ip_of

SLOTS = 2048
"""Networks with failures that have not leaked away yet. A further network fills the common bucket
only, so that no flood of addresses evicts an attacker."""
PREFIX = 64
"""Bits of an IPv6 address that identify one customer or one device."""

_SLOT = struct.Struct("=16sdd")
"""The network's key, its level of failures, and the time of that level (monotonic, from boot)."""
_COMMON = bytes(16)
_FREE = b"\xff" * 16


def network(address: str) -> str:
    """The network that counts as one client: an IPv4 address, or the /64 of an IPv6 address."""
    ip = ip_of(address)
    if ip is None:
        return address
    return str(IPv6Network((ip, PREFIX), strict=False) if isinstance(ip, IPv6Address) else ip)


class RateLimiter:
    """Refuses a network with `limit` failures, until one has leaked away.

    One of `limit` failures leaks away every `window / limit` seconds. The common bucket holds
    `ceiling` failures of networks that are not `known`.
    """

    def __init__(
        self,
        path: Path,
        known: Callable[[], Collection[str]] = tuple,
        *,
        limit: int = 10,
        window: float = 60.0,
        ceiling: int = 120,
        slots: int = SLOTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`known` are the networks that have logged in. Raises OSError."""
        self._known = known
        self._limit = limit
        self._window = window
        self._ceiling = ceiling
        self._clock = clock
        empty = _SLOT.pack(_COMMON, 0.0, 0.0) + slots * _SLOT.pack(_FREE, 0.0, 0.0)
        self._file = _open(path, empty)
        self._table = mmap.mmap(self._file, len(empty))

    def wait(self, address: str) -> int:
        """Seconds, rounded up, until this address may try again; 0 if it may now."""
        with self._locked():
            slot = self._find(_key(address))
            own = self._level(slot, self._limit) if slot is not None else 0.0
            common = self._level(0, self._ceiling)
        wait = self._wait(own, self._limit)
        if not wait and common > self._ceiling - 1 and network(address) not in self._known():
            wait = self._wait(common, self._ceiling)
        return wait

    def failed(self, address: str) -> None:
        counts_in_common = network(address) not in self._known()
        key = _key(address)
        with self._locked():
            slot = self._find(key)
            if slot is None:
                slot = self._free_slot()
            if slot is not None:
                self._put(slot, key, self._level(slot, self._limit) + 1)
            if counts_in_common:
                self._put(0, _COMMON, self._level(0, self._ceiling) + 1)

    def succeeded(self, address: str) -> None:
        with self._locked():
            slot = self._find(_key(address))
            if slot is not None:
                self._put(slot, _FREE, 0.0)

    def close(self) -> None:
        self._table.close()
        os.close(self._file)

    def _wait(self, level: float, limit: int) -> int:
        return max(0, math.ceil((level - (limit - 1)) * self._window / limit))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Held for microseconds, never across a switch of greenlets, so waiting stalls nothing."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _find(self, key: bytes) -> int | None:
        """The offset of a network's slot."""
        slot = self._table.find(key, _SLOT.size)
        while slot != -1 and slot % _SLOT.size:
            slot = self._table.find(key, slot + 1)
        return None if slot == -1 else slot

    def _free_slot(self) -> int | None:
        """The offset of a slot that is free, or with no failures left."""
        slot = self._find(_FREE)
        if slot is not None:
            return slot
        slots = range(_SLOT.size, len(self._table), _SLOT.size)
        found = next((each for each in slots if not self._level(each, self._limit)), None)
        if found is not None:
            self._put(found, _FREE, 0.0)
        return found

    def _level(self, slot: int, limit: int) -> float:
        _, level, at = _SLOT.unpack_from(self._table, slot)
        now = self._clock()
        # A time in the future is from an earlier boot
        leaked = (now - at) * limit / self._window if at <= now else level
        return float(min(max(0.0, level - leaked), limit + 1))

    def _put(self, slot: int, key: bytes, level: float) -> None:
        _SLOT.pack_into(self._table, slot, key, level, self._clock())


def _open(path: Path, empty: bytes) -> int:
    """The table's file, created if it is missing. One of another size is replaced.

    It is not truncated: that would kill a worker that has it mapped.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        size = os.fstat(file).st_size
        if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file)):
            pass  # another worker has just replaced it
        elif size in (0, len(empty)):
            if size == 0:
                os.pwrite(file, empty, 0)
            fcntl.flock(file, fcntl.LOCK_UN)
            return file
        else:
            path.unlink()
        os.close(file)


def _key(address: str) -> bytes:
    return hashlib.blake2b(network(address).encode("utf-8", "replace"), digest_size=16).digest()
