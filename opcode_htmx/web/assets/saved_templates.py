"""Compiled templates in a file of the state folder, so that only the first start compiles them.

The file is used as Python uses a `.pyc`: by the program that wrote it, unchanged since.
"""

from __future__ import annotations

import hashlib
import logging
import marshal
import os
import stat
import sys
from importlib.metadata import version
from pathlib import Path
from types import CodeType

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from opcode_htmx.lib.files import atomic_files

log = logging.getLogger(__name__)

LARGEST = 32 * 1024 * 1024
"""Bytes of a file that is read."""

_Code = dict[str, tuple[str, CodeType]]


class SavedTemplates(BytecodeCache):
    """The compiled templates of one program; `save` writes those that are new."""

    def __init__(self, path: Path, program: str) -> None:
        """`program` is another text for each program that would compile a template differently."""
        self._path = path
        self._program = program
        self._code = self._read()
        """Checksum and code by the key of a bucket."""
        self._is_new = False

    def load_bytecode(self, bucket: Bucket) -> None:
        checksum, code = self._code.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._code[bucket.key] = bucket.checksum, bucket.code
            self._is_new = True

    def save(self) -> None:
        """Write the file if a template is not in it yet, and forget the templates.

        An error is logged.
        """
        code, self._code = self._code, {}
        if not self._is_new:
            return
        self._is_new = False
        try:
            atomic_files.write(self._path, marshal.dumps((self._program, code)), durable=False)
        except OSError as error:
            log.warning("compiled templates could not be saved: %s", error)

    def _read(self) -> _Code:
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                if not _is_own(status) or status.st_size > LARGEST:
                    return {}
                program, found = marshal.loads(file.read())  # noqa: S302 - our own file
            return found if program == self._program else {}
        except (OSError, ValueError, EOFError, TypeError):
            return {}


def _is_own(status: os.stat_result) -> bool:
    """Whether nobody else can have written a file. What is in it is executed."""
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def program(package: Path) -> str:
    """A text that changes with Python, Jinja and every module of a package.

    Calls of filters with constant arguments are executed when a template is compiled.
    """
    digest = hashlib.sha256()
    digest.update(f"{sys.version} {version('jinja2')} {package}".encode())
    for folder, folders, files in os.walk(package):
        folders.sort()
        for name in sorted(files):
            if name.endswith(".py"):
                found = os.stat(f"{folder}/{name}")  # noqa: PTH116 - four hundred of them
                digest.update(f"{folder}/{name} {found.st_size} {found.st_mtime_ns}".encode())
    return digest.hexdigest()
