"""Compiled templates in a file of the state folder, so that only the first start compiles them.

The file is used as Python uses a `.pyc`: by the program that wrote it, unchanged since.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import marshal
import os
import stat
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, NamedTuple

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from opcode_htmx.lib.files import atomic_files

log = logging.getLogger(__name__)

LARGEST = 32 * 1024 * 1024
"""Bytes of a file that is read."""

_HEAD = 8
"""Bytes that say how long the table at the beginning of the file is."""


class _Table(NamedTuple):
    """What the file holds: checksum, offset and size of each template, by the key of its bucket.

    `identity` is the inode of the file and its time of change; the offsets count from `begin`.
    """

    places: dict[str, tuple[str, int, int]]
    identity: tuple[int, int] = (0, 0)
    begin: int = 0


class SavedTemplates(BytecodeCache):
    """The compiled templates of one program; `save` writes those that are new.

    Of the file only its table is in memory: templates are read one by one when they are rendered
    first, as all of them would be 11 MB.
    """

    def __init__(self, path: Path, program: Callable[[], str]) -> None:
        """`program` gives another text for each program that would compile a template differently.

        It is called when a template is needed first, as no start needs one.
        """
        self._path = path
        self._program = program
        self._new: dict[str, tuple[str, bytes]] = {}
        """Checksum and code, by the key of a bucket, of those that the file has not."""

    def has(self, bucket: Bucket) -> bool:
        """Whether `load_bytecode` has the code of a bucket."""
        known = self._new.get(bucket.key) or self._table.places.get(bucket.key) or ("",)
        return known[0] == bucket.checksum

    def load_bytecode(self, bucket: Bucket) -> None:
        if self.has(bucket):
            new = self._new.get(bucket.key)
            with contextlib.suppress(OSError, ValueError, EOFError, TypeError):
                code = new[1] if new else self._read(bucket.key)
                bucket.code = marshal.loads(code)  # noqa: S302 - our own file

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._new[bucket.key] = bucket.checksum, marshal.dumps(bucket.code)

    def save(self) -> None:
        """Write the file if a template is not in it yet. An error is logged."""
        if not self._new:
            return
        try:
            kept = {key: (place[0], self._read(key)) for key, place in self._table.places.items()}
        except (OSError, EOFError):  # another server has replaced the file
            kept = {}
        try:
            atomic_files.write(self._path, self._content(kept | self._new), durable=False)
        except OSError as error:
            log.warning("compiled templates could not be saved: %s", error)
            return
        self._new = {}
        del self._table

    def _content(self, codes: dict[str, tuple[str, bytes]]) -> bytes:
        places, start = dict[str, tuple[str, int, int]](), 0
        for key, (checksum, code) in codes.items():
            places[key] = checksum, start, len(code)
            start += len(code)
        table = marshal.dumps((self._program(), places))
        return b"".join(
            (len(table).to_bytes(_HEAD, "big"), table, *(code for _, code in codes.values()))
        )

    @cached_property
    def _table(self) -> _Table:
        with (
            contextlib.suppress(OSError, ValueError, EOFError, TypeError),
            self._file() as (file, identity),
        ):
            size = int.from_bytes(file.read(_HEAD), "big")
            program, places = marshal.loads(file.read(min(size, LARGEST)))  # noqa: S302 - our own
            if program == self._program():
                return _Table(dict(places), identity, _HEAD + size)
        return _Table({})

    def _read(self, key: str) -> bytes:
        """The code of a template in the file. Raises OSError or EOFError."""
        table = self._table
        _, start, size = table.places[key]
        with self._file() as (file, identity):
            if identity != table.identity:
                raise EOFError("it is another file")
            return os.pread(file.fileno(), size, table.begin + start)

    @contextlib.contextmanager
    def _file(self) -> Iterator[tuple[BinaryIO, tuple[int, int]]]:
        """The file and its identity. Raises OSError."""
        with self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not _is_own(status) or status.st_size > LARGEST:
                raise OSError("it may be somebody else's")
            yield file, (status.st_ino, status.st_mtime_ns)


def _is_own(status: os.stat_result) -> bool:
    """Whether nobody else can have written a file: its content is executed."""
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def program(package: Path) -> str:
    """A text that changes with Python, Jinja and every module of a package.

    Calls of filters with constant arguments are executed when a template is compiled.
    """
    digest = hashlib.sha256()
    digest.update(f"{sys.version} {version('jinja2')} {package}".encode())
    for each in _sources(package):
        found = each.stat()
        digest.update(f"{each.path} {found.st_size} {found.st_mtime_ns}".encode())
    return digest.hexdigest()


def _sources(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """The modules below a folder, in the same order each time."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda each: each.name)
    for each in found:
        if each.name.endswith(".py"):
            yield each
        elif each.name != "__pycache__" and each.is_dir(follow_symlinks=False):
            yield from _sources(each.path)
