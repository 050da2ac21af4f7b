"""The numbers of one worker in a file, for all workers to read.

A line of JSON names the numbers, which follow as doubles of the machine. The lock on a second file
makes a worker the only writer. A worker that starts takes over the file of one that has ended and
adds to its numbers, so their sums over all files never fall, and there are as many files as there
have been workers at once.

A number is written by one call, in its place, and not by a mapping of the file into memory: the
kernel ends a process that writes behind the end of a mapped file, which anybody could cut off.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import math
import os
import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from opcode_htmx.lib.files import atomic_files, confined, file_locks

log = logging.getLogger(__name__)

ENDING = ".values"
_FORMAT = 1
_NUMBER = struct.Struct("d")
_LARGEST = 16 * 1024 * 1024
"""Bytes: a longer file is none of ours."""


class NoValues(Exception):
    """A file that holds no numbers of this version and machine."""


class Values(NamedTuple):
    """What a file holds: numbers, and their names."""

    names: tuple[str, ...]
    numbers: array[float]


class WorkerFile:
    """The file that this worker writes."""

    def __init__(self, path: Path, lock: int, file: int, found: Values) -> None:
        self.numbers = found.numbers
        """Those that were in it."""
        self.name = path.name
        self._path = path
        self._lock = lock
        self._file = file
        self._head = _head(found.names)

    @classmethod
    def take(cls, folder: Path, names: Sequence[str]) -> WorkerFile:
        """The first file that no live worker writes, made if there is none. Raises OSError.

        What it holds under these names is kept; numbers of other names are dropped.
        """
        atomic_files.make_folder(folder)
        for number in itertools.count():
            path = folder / f"{number}{ENDING}"
            lock = file_locks.take(path.with_suffix(".lock"))
            if lock is None:
                continue
            try:
                found = _prepared(path, tuple(names))
                file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
                return cls(path, lock, file, found)
            except BaseException:
                os.close(lock)
                raise
        raise AssertionError("there are as many numbers as are needed")

    def put(self, place: int, number: float) -> None:
        """Write a number, of eight aligned bytes: a reader gets the old number or this one."""
        # The space is there since the file was written in full; on some file systems it may not be
        with contextlib.suppress(OSError):
            os.pwrite(self._file, _NUMBER.pack(number), len(self._head) + place * _NUMBER.size)

    def keep(self, numbers: array[float]) -> bool:
        """Write these numbers again if the file has others; False if it was removed or replaced."""
        try:
            if not os.path.samestat(self._path.lstat(), os.fstat(self._file)):
                return False
            content = self._head + numbers.tobytes()
            if os.pread(self._file, len(content) + 1, 0) != content:
                log.warning("the metrics in %s were changed, and are written again", self._path)
                os.pwrite(self._file, content, 0)
                os.ftruncate(self._file, len(content))
        except OSError:
            return False
        return True

    def release(self) -> None:
        """Let another worker go on with the file."""
        os.close(self._file)
        os.close(self._lock)


def _prepared(path: Path, names: tuple[str, ...]) -> Values:
    """The numbers of these names in a file, which then has all of them."""
    found = Values((), array("d"))
    try:
        found = _read(path)
    except FileNotFoundError:
        pass
    except (OSError, NoValues) as error:
        log.warning("the metrics in %s begin anew: %s", path, error)
    known = dict(zip(found.names, found.numbers, strict=True))
    numbers = array("d", (_mended(known.get(name, 0.0)) for name in names))
    if found != (names, numbers):
        # in full: to write into a hole of it needs space that there may not be
        atomic_files.write(path, _head(names) + numbers.tobytes(), durable=False)
    return Values(names, numbers)


def _mended(number: float) -> float:
    """Zero for what no sum can be, after a power failure."""
    return number if math.isfinite(number) and number >= 0 else 0.0


def _head(names: Sequence[str]) -> bytes:
    head = {"format": _FORMAT, "byteorder": sys.byteorder, "names": list(names)}
    line = json.dumps(head).encode()
    return line + b" " * (-(len(line) + 1) % _NUMBER.size) + b"\n"


def _read(path: Path) -> Values:
    """Raises OSError, NoValues."""
    with os.fdopen(os.open(path, confined.READ), "rb") as file:
        content = file.read(_LARGEST + 1)
    if not 0 < len(content) <= _LARGEST:
        raise NoValues("it is empty or too large")
    begin = content.find(b"\n") + 1
    try:
        head = json.loads(content[:begin])
        names = tuple(map(str, head["names"]))
        kind = (head["format"], head["byteorder"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NoValues("its first line is not valid") from error
    if kind != (_FORMAT, sys.byteorder) or begin % _NUMBER.size:
        raise NoValues("it is of another version or machine")
    if len(content) != begin + len(names) * _NUMBER.size:
        raise NoValues("it is of another length")
    return Values(names, array("d", content[begin:]))


def others(folder: Path, own: str) -> Iterator[Values]:
    """What the files hold but for that of this name. Those that cannot be read are left out.

    Raises OSError for the folder.
    """
    for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names only
        if name.endswith(ENDING) and name != own:
            # removed meanwhile, or another worker is about to begin it anew
            with contextlib.suppress(OSError, NoValues):
                yield _read(folder / name)
