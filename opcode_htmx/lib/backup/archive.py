"""Write a backup: a tar file, packed with gzip, which begins with a header and ends with hashes.

    opcode-backup.json    the format of the archive, and what its maker says of it
    …                     folders and files
    manifest.ndjson       a line for each file before: its name, size and SHA-256

Any program for tar can unpack it. An archive without its last member was cut off.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import field
from pathlib import Path
from typing import IO, Any, BinaryIO

from opcode_htmx.lib.backup import contents
from opcode_htmx.lib.backup.contents import Item
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined

FORMAT = 1
HEADER = "opcode-backup.json"
MANIFEST = "manifest.ndjson"
COMPRESSION = 5
_SPOOLED = 16_000_000
"""Bytes of a manifest in memory; a longer one is in a temporary file."""


class BackupFailed(Exception):
    """A backup cannot be made; the text is a sentence for the user."""


@dataclass(slots=True)
class Written:
    """What a backup holds."""

    files: int = 0
    total: int = 0
    """Bytes, unpacked."""
    left_out: list[str] = field(default_factory=list)
    """Links and devices, and files that cannot be read."""


def write(
    root: Path,
    names: Collection[str],
    out: BinaryIO,
    about: Mapping[str, Any],
    verbatim: Collection[str] = (),
) -> Written:
    """Write the entries of `root` with these names. Raises OSError, BackupFailed.

    `about` is for the header. Nothing in `root` is changed, and programs may write there.
    """
    header = json.dumps({"format": FORMAT, **about}, indent=1).encode()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", compresslevel=COMPRESSION, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        tempfile.SpooledTemporaryFile(_SPOOLED) as manifest,
    ):
        writer = _Writer(tar, manifest)
        writer.add_bytes(HEADER, header)
        for item in contents.items(root, names, writer.written.left_out.append, verbatim):
            writer.add(item)
        writer.finish()
    return writer.written


def manifest_line(name: str, size: int, digest: str) -> bytes:
    """A line of the manifest, for writing and for checking it."""
    entry = {"name": name, "size": size, "sha256": digest}
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


class _Writer:
    def __init__(self, tar: tarfile.TarFile, manifest: IO[bytes]) -> None:
        self._tar = tar
        self._manifest = manifest
        self.written = Written()

    def add_bytes(self, name: str, content: bytes) -> None:
        self._add(name, io.BytesIO(content), len(content), 0, 0o600)

    def add(self, item: Item) -> None:
        if item.is_folder:
            member = tarfile.TarInfo(item.name)
            member.type, member.mode = tarfile.DIRTYPE, 0o700
            self._tar.addfile(member)
        elif item.is_database:
            self._add_database(item)
        else:
            self._add_file(item)

    def _add_file(self, item: Item) -> None:
        try:
            descriptor = os.open(item.path, confined.READ)
        except FileNotFoundError:
            return
        except OSError:
            self.written.left_out.append(item.name)
            return
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            size = status.st_size
            if item.size is not None:
                size = contents.whole_lines(descriptor, min(size, item.size))
            self._add(item.name, file, size, int(status.st_mtime), 0o600 | status.st_mode & 0o100)

    def _add_database(self, item: Item) -> None:
        """A copy that SQLite makes, which is consistent even if another process writes."""
        with tempfile.NamedTemporaryFile(prefix="opcode-backup-") as copy:
            try:
                source = sqlite3.connect(f"{item.path.absolute().as_uri()}?mode=ro", uri=True)
                with (
                    contextlib.closing(source),
                    contextlib.closing(sqlite3.connect(copy.name)) as target,
                ):
                    source.backup(target)
            except sqlite3.Error:
                self.written.left_out.append(item.name)
                return
            status = Path(copy.name).stat()
            with Path(copy.name).open("rb") as file:
                self._add(item.name, file, status.st_size, int(status.st_mtime), 0o600)

    def _add(self, name: str, file: IO[bytes], size: int, mtime: int, mode: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = size, mtime, mode
        reader = _Hashing(file)
        try:
            self._tar.addfile(member, reader)
        except OSError as error:
            if "unexpected end of data" in str(error):
                raise BackupFailed(f"{name} was cut while it was copied; try again.") from None
            raise
        self.written.files += 1
        self.written.total += size
        self._manifest.write(manifest_line(name, size, reader.hash.hexdigest()))

    def finish(self) -> None:
        size = self._manifest.tell()
        self._manifest.seek(0)
        member = tarfile.TarInfo(MANIFEST)
        member.size, member.mode = size, 0o600
        self._tar.addfile(member, self._manifest)
        self.written.files -= 1  # the header is no file of the folder


class _Hashing:
    """A file whose content is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.hash.update(data)
        return data
