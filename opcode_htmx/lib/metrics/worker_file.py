"""The numbers of one worker in a file that is mapped into memory, for all workers to read.

A line of JSON names the numbers, which follow as doubles of the machine. The lock on a second file
makes a worker the only writer. A worker that starts takes over the file of one that has ended and
adds to its numbers, so their sums over all files never fall, and there are as many files as there
have been workers at once.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import math
import mmap
import os
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from opcode_htmx.lib.files import atomic_files, file_locks

log = logging.getLogger(__name__)

ENDING = ".values"
_FORMAT = 1
_DOUBLE = struct.calcsize("d")
_LARGEST = 16 * 1024 * 1024
"""Bytes: a longer file is none of ours."""


class NoValues(Exception):
    """A file that holds no numbers of this version and machine."""


class MappedValues:
    """A file of numbers, mapped into memory; `names` tells which they are."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        """Raises OSError, NoValues."""
        file = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_NOFOLLOW)
        try:
            status = os.fstat(file)
            if not 0 < status.st_size <= _LARGEST:
                raise NoValues(f"{path} is empty or too large")
            access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
            self._map = mmap.mmap(file, status.st_size, access=access)
        finally:
            os.close(file)
        self.place = status.st_ino, status.st_size
        """Which file it is, and its size: one that was cut off must not be read, as the kernel ends
        who reads behind the end of a mapped file."""
        try:
            self.names, begin = _names_in(self._map)
        except NoValues:
            self._map.close()
            raise
        self.values = memoryview(self._map)[begin:].cast("d")
        """One for each of `names`. Writing one is a single store of eight aligned bytes."""

    def close(self) -> None:
        self.values.release()
        with contextlib.suppress(BufferError):  # a slice is in use: it goes with that
            self._map.close()


def _names_in(data: mmap.mmap) -> tuple[tuple[str, ...], int]:
    """The names of the numbers, and where these begin. Raises NoValues."""
    begin = data.find(b"\n") + 1
    try:
        head = json.loads(data[:begin])
        names = tuple(map(str, head["names"]))
        kind = (head["format"], head["byteorder"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NoValues("its first line is not valid") from error
    if kind != (_FORMAT, sys.byteorder) or begin % _DOUBLE:
        raise NoValues("it is of another version or machine")
    if len(data) != begin + len(names) * _DOUBLE:
        raise NoValues("it is of another length")
    return names, begin


def _content(names: Sequence[str], values: Mapping[str, float]) -> bytes:
    head = {"format": _FORMAT, "byteorder": sys.byteorder, "names": list(names)}
    line = json.dumps(head).encode()
    line += b" " * (-(len(line) + 1) % _DOUBLE) + b"\n"
    return line + struct.pack(f"{len(names)}d", *(values.get(name, 0.0) for name in names))


class WorkerFile:
    """The file that this worker writes."""

    def __init__(self, path: Path, lock: int, mapped: MappedValues) -> None:
        self.values = mapped.values
        self._path = path
        self._mapped = mapped
        self._lock = lock

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
                return cls(path, lock, _prepared(path, tuple(names)))
            except BaseException:
                os.close(lock)
                raise
        raise AssertionError("there are as many numbers as are needed")

    def is_there(self) -> bool:
        """Whether others can read it; not if somebody has removed or replaced it."""
        try:
            return self._path.stat().st_ino == self._mapped.place[0]
        except OSError:
            return False

    def release(self) -> None:
        """Let another worker go on with the file."""
        self._mapped.close()
        os.close(self._lock)


def _prepared(path: Path, names: tuple[str, ...]) -> MappedValues:
    values: dict[str, float] = {}
    try:
        mapped = MappedValues(path, writable=True)
        if mapped.names == names:
            _mend(mapped.values)
            return mapped
        values = dict(zip(mapped.names, mapped.values, strict=True))
        mapped.close()
    except FileNotFoundError:
        pass
    except (OSError, NoValues) as error:
        log.warning("the metrics in %s begin anew: %s", path, error)
    # written in full: to write into a hole of a mapped file needs space that there may not be
    atomic_files.write(path, _content(names, values), durable=False)
    mapped = MappedValues(path, writable=True)
    _mend(mapped.values)
    return mapped


def _mend(values: memoryview[float]) -> None:
    """Set to zero what no sum can be, after a power failure."""
    for place, value in enumerate(values):
        if not (math.isfinite(value) and value >= 0):
            values[place] = 0.0


class WorkerFiles:
    """The files of all workers, of this one and of those that have ended, to be read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mapped: dict[str, MappedValues] = {}

    def __iter__(self) -> Iterator[MappedValues]:
        """Files that cannot be read are left out. Raises OSError for the folder."""
        with os.scandir(self._folder) as entries:
            found = dict(_places(entries))
        for name in self._mapped.keys() - found.keys():
            self._mapped.pop(name).close()
        for name, place in sorted(found.items()):
            mapped = self._mapped.get(name)
            if mapped is None or mapped.place != place:
                if mapped:
                    self._mapped.pop(name).close()
                try:
                    mapped = self._mapped[name] = MappedValues(self._folder / name)
                except (OSError, NoValues):
                    continue  # another worker is about to begin it anew
            yield mapped

    def close(self) -> None:
        while self._mapped:
            self._mapped.popitem()[1].close()


def _places(entries: Iterable[os.DirEntry[str]]) -> Iterator[tuple[str, tuple[int, int]]]:
    for each in entries:
        if each.name.endswith(ENDING):
            with contextlib.suppress(OSError):  # removed meanwhile
                found = each.stat(follow_symlinks=False)
                yield each.name, (found.st_ino, found.st_size)
