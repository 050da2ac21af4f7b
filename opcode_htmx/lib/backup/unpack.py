"""Unpack a backup into an empty folder. It may come from anywhere, so nothing in it is believed.

Only folders and plain files are made, below the folder, with names that its owner knows, none
twice; all of them are private. Files that differ from the hashes in the manifest are refused.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from opcode_htmx.lib.backup.archive import FORMAT, HEADER, MANIFEST, manifest_line
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined

MOST_ENTRIES = 5_000_000
LONGEST_NAME = 2_000
"""Characters of a path in an archive."""
MAX_HEADER = 100_000
"""Bytes of the header."""
MAX_EXTENSION = 16_000
"""Bytes of what tar says beside a member: its longest name, and little else. Python reads it by a
pattern whose time grows with the square of it."""
SPARE = 256_000_000
"""Bytes of the disk that a backup may not take."""
_CHUNK = 1024 * 1024
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_NEVER_OURS = (tarfile.XGLTYPE, tarfile.GNUTYPE_SPARSE)
"""What is said of all members that follow, and lists of holes: both are kept, however long."""
_DAMAGE = (
    tarfile.TarError,
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    UnicodeError,
    ValueError,
    RecursionError,  # one thing said beside a member after another, and no member
)


class BadBackup(Exception):
    """A file that is no backup, is damaged, or must not be unpacked; a sentence for the user."""


DAMAGED = "This backup is damaged or cut off; nothing was restored."


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was unpacked. `total` is in bytes."""

    header: Mapping[str, Any]
    files: int
    total: int


def unpack(
    packed: BinaryIO,
    folder: Path,
    names: Collection[str],
    check: Callable[[Mapping[str, Any]], None] = lambda header: None,
) -> Unpacked:
    """Unpack into a folder that is empty. Raises BadBackup, OSError, DiskFull among them.

    `names` are the entries that the folder may have. `check` gets the header before anything is
    written, and may raise BadBackup. After an error the folder holds a part, for the caller to
    remove.
    """
    try:
        with (
            gzip.GzipFile(fileobj=packed) as stream,
            tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as tar,
        ):
            return _Unpacking(folder, names).all(tar, check)
    except _DAMAGE:
        raise BadBackup(DAMAGED) from None


class _Member(tarfile.TarInfo):
    """Refuses what would be read into memory however large it is."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        is_too_long = self.type in _EXTENSIONS and not 0 <= self.size <= MAX_EXTENSION
        if self.type in _NEVER_OURS or is_too_long:
            raise BadBackup(DAMAGED)
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]

    def _refuse_holes(self, *_: object) -> None:
        raise BadBackup(DAMAGED)

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_holes


class _Unpacking:
    def __init__(self, folder: Path, names: Collection[str]) -> None:
        self._folder = folder
        self._names = frozenset(names)
        self._manifest = hashlib.sha256()
        self._made: set[str] = set()
        """The folders that are there."""
        self._files = 0
        self._total = 0

    def all(self, tar: tarfile.TarFile, check: Callable[[Mapping[str, Any]], None]) -> Unpacked:
        header = self._header(tar)
        check(header)
        for count, member in enumerate(iter(tar.next, None)):
            tar.members.clear()  # type: ignore[attr-defined]  # which would keep all of them
            if count > MOST_ENTRIES:
                raise BadBackup("This backup has more entries than any state folder has.")
            if member.name == MANIFEST:
                if self._read(tar, member, None) != self._manifest.hexdigest():
                    raise BadBackup(DAMAGED)
                if tar.next() is not None:
                    raise BadBackup("This backup goes on behind its end, and is refused.")
                return Unpacked(header, self._files, self._total)
            self._add(tar, member)
        raise BadBackup(DAMAGED)

    def _header(self, tar: tarfile.TarFile) -> Mapping[str, Any]:
        member = tar.next()
        if member is None or member.name != HEADER or member.type not in _PLAIN:
            raise BadBackup("This is no backup of opcode-htmx.")
        file = tar.extractfile(member) if 0 <= member.size <= MAX_HEADER else None
        content = file.read() if file else b""
        try:
            header = json.loads(content)
            number = header["format"]
            if type(number) is not int or number < 1:
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BadBackup("This is no backup of opcode-htmx.") from None
        if number > FORMAT:
            raise BadBackup(
                "This backup was made by a newer version of opcode-htmx; install that one to "
                "restore it."
            )
        digest = hashlib.sha256(content).hexdigest()
        self._manifest.update(manifest_line(HEADER, len(content), digest))
        return dict(header)

    def _add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = self._checked(member)
        if member.type == tarfile.DIRTYPE:
            self._make(path)
            return
        self._make(path.parent)
        free = shutil.disk_usage(self._folder).free
        if member.size > free - SPARE:
            raise BadBackup(
                f"This backup needs more space than the disk has: {member.name!r} has "
                f"{member.size:,} bytes."
            )
        try:
            descriptor = os.open(path, confined.CREATE, 0o600 | member.mode & 0o100)
        except FileExistsError:
            raise BadBackup(f"This backup has {member.name!r} twice, and is refused.") from None
        with os.fdopen(descriptor, "wb") as file:
            digest = self._read(tar, member, file)
        times = min(max(member.mtime, 0), 2**33)
        os.utime(path, (times, times))
        self._files += 1
        self._total += member.size
        self._manifest.update(manifest_line(member.name, member.size, digest))

    def _checked(self, member: tarfile.TarInfo) -> Path:
        """Where a member goes. Raises BadBackup for one that no backup of ours has."""
        name = member.name
        is_plain = member.type in _PLAIN and not member.issparse() and member.size >= 0
        if not is_plain and member.type != tarfile.DIRTYPE:
            raise BadBackup(f"This backup has {name!r}, which is no plain file, and is refused.")
        parts = name.split("/")
        is_odd = any(part in ("", ".", "..") or "\0" in part for part in parts)
        if is_odd or len(name) > LONGEST_NAME or parts[0] not in self._names:
            raise BadBackup(
                f"This backup has {name[:200]!r}, which belongs into no state folder, and is "
                "refused."
            )
        return self._folder.joinpath(*parts)

    def _make(self, path: Path) -> None:
        relative = path.relative_to(self._folder)
        for parent in (*reversed(relative.parents), relative):
            if str(parent) not in self._made:
                try:
                    (self._folder / parent).mkdir(mode=0o700, exist_ok=True)
                except FileExistsError:
                    raise BadBackup(
                        f"This backup has {str(parent)!r} twice, and is refused."
                    ) from None
                self._made.add(str(parent))

    def _read(self, tar: tarfile.TarFile, member: tarfile.TarInfo, out: BinaryIO | None) -> str:
        """Copy the content of a member; its hash."""
        digest, left = hashlib.sha256(), member.size
        file = tar.extractfile(member)
        while file and left > 0:
            data = file.read(min(left, _CHUNK))
            if not data:
                raise BadBackup(DAMAGED)
            left -= len(data)
            digest.update(data)
            if out is not None:
                out.write(data)
        return digest.hexdigest()
