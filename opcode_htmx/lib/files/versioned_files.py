"""Read and replace text files that others edit, too, and keep their last versions.

A file is replaced only by someone who has seen what is in it: `revision` identifies a content, and
a save that is based on another one is refused. What a save replaces is kept as a version.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, confined, file_locks
from opcode_htmx.lib.files.disk_space import DiskFull, raise_disk_full
from opcode_htmx.lib.late.patterns import late_pattern

MOST_BYTES = 1024 * 1024
KEPT = 10
"""Versions of a file."""
NO_FILE = ""
"""The revision of a file that does not exist."""

_VERSION = late_pattern(r"\d{1,20}-[0-9a-f]{16}", re.ASCII)
_FOLDER = late_pattern(r"[0-9a-f]{32}", re.ASCII)
_DELETED = "deleted.json"
"""In the folder of a file's versions: where it lay."""


class FileRefused(Exception):
    """A file cannot be read or written; the text says why."""


class FileChanged(Exception):
    """A file has another content than the one that a change is based on."""

    def __init__(self, place: Place, current: FileText) -> None:
        super().__init__(f"{place.path.name} has changed since you opened it.")
        self.place = place
        self.current = current


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies or would lie.

    `root` is the folder that it must not lead out of; None: its link may lead anywhere.
    `new_mode` are the permissions of a new file.
    """

    path: Path
    root: Path | None = None
    new_mode: int = 0o600


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file; `revision` is NO_FILE where there is none."""

    text: str
    revision: str

    @property
    def exists(self) -> bool:
        return self.revision != NO_FILE


@dataclass(frozen=True, slots=True)
class Version:
    """An earlier content of a file, which was replaced at the Unix time `until`."""

    id: str
    until: float
    size: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """A file that was deleted here, at the Unix time `at`, and can be put back."""

    id: str
    place: Place
    at: float


class VersionedFiles:
    """The files, and a folder with their versions. Writing raises OSError, DiskFull among them."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def read(self, place: Place) -> FileText:
        """The text of a file. Raises FileRefused where there is something else."""
        content = _content(place)
        if content is None:
            return FileText("", NO_FILE)
        return FileText(_text(place, content), _revision(content))

    def save(self, place: Place, text: str, based_on: str) -> FileText:
        """Replace the file, if its revision is `based_on`. Raises FileChanged, FileRefused."""
        try:
            content = text.encode()
        except UnicodeEncodeError:
            raise FileRefused("The text holds half a character, which no file can hold.") from None
        if len(content) > MOST_BYTES:
            raise FileRefused(f"{place.path.name} must not be larger than 1 MB.")
        with self._changing(place, based_on) as before:
            # what is there already is not written again: it would push out an earlier version
            if before != content:
                _replace(place, content, lambda: self._check(place, based_on))
        return FileText(text, _revision(content))

    def remove(self, place: Place, based_on: str) -> Deleted:
        """Delete the file, if its revision is `based_on`. Raises FileChanged, FileRefused."""
        with self._changing(place, based_on):
            folder = self._folder(place)
            as_it_was = replace(place, new_mode=_mode(place, place.path))
            atomic_files.write(folder / _DELETED, _as_json(as_it_was))
            self._check(place, based_on)
            try:
                place.path.unlink(missing_ok=True)
            except OSError as error:
                raise FileRefused(f"{place.path} cannot be deleted ({_why(error)}).") from None
        return Deleted(folder.name, place, time.time())

    def deleted(self, deleted_id: str) -> Deleted | None:
        """A file that was deleted and is not there again; None if there is none."""
        path = self._store / deleted_id / _DELETED
        if not _FOLDER.fullmatch(deleted_id):
            return None
        try:
            place = _place(json.loads(path.read_bytes()))
            if os.path.lexists(place.path):
                return None
            return Deleted(deleted_id, place, path.stat().st_mtime)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def all_deleted(self) -> list[Deleted]:
        """All of them, the last deleted first."""
        names = [each.parent.name for each in self._store.glob(f"*/{_DELETED}")]
        found = [each for each in map(self.deleted, names) if each]
        return sorted(found, key=lambda each: each.at, reverse=True)

    def put_back(self, deleted_id: str) -> Place:
        """Write a deleted file again, as it was. Raises FileRefused, FileChanged."""
        found = self.deleted(deleted_id)
        newest = next(iter(self._files(found.place)), None) if found else None
        if found is None or newest is None:
            raise FileRefused("It is there again, or it is no longer kept.")
        with self._changing(found.place, NO_FILE):
            _replace(found.place, newest.read_bytes(), lambda: self._check(found.place, NO_FILE))
        return found.place

    def versions(self, place: Place) -> list[Version]:
        """The earlier contents, the newest first."""
        found = []
        for path in self._files(place):
            at, _, _ = path.name.partition("-")
            found.append(Version(path.name, int(at) / 1e9, path.stat().st_size))
        return found

    def version(self, place: Place, version_id: str) -> str | None:
        """The text of an earlier content; None if it is not kept."""
        path = self._folder(place) / version_id
        if not _VERSION.fullmatch(version_id) or not path.is_file():
            return None
        return path.read_text(encoding="utf-8", errors="replace")

    @contextmanager
    def _changing(self, place: Place, based_on: str) -> Iterator[bytes | None]:
        """Check the revision, and keep the content as a version once it has been replaced."""
        folder = self._folder(place)
        with raise_disk_full():
            atomic_files.make_folder(folder)
            with file_locks.held(folder / "lock"):
                before = self._check(place, based_on)
                kept: Path | None = None
                if before is not None:
                    kept = folder / f"{time.time_ns()}-{_revision(before)}"
                    atomic_files.write(kept, before)
                try:
                    yield before
                finally:
                    # one that was not replaced is no earlier version
                    if kept and _may_be_there(place, before):
                        kept.unlink(missing_ok=True)
                for old in self._files(place)[KEPT:]:
                    old.unlink(missing_ok=True)

    def _check(self, place: Place, based_on: str) -> bytes | None:
        """The content, which must have this revision. Raises FileChanged, FileRefused."""
        found = _content(place)
        if (NO_FILE if found is None else _revision(found)) != based_on:
            raise FileChanged(place, self.read(place))
        return found

    def _folder(self, place: Place) -> Path:
        name = os.fsencode(place.path.absolute())
        return self._store / hashlib.sha256(name).hexdigest()[:32]

    def _files(self, place: Place) -> list[Path]:
        folder = self._folder(place)
        found = folder.iterdir() if folder.is_dir() else ()
        kept = [each for each in found if _VERSION.fullmatch(each.name)]
        return sorted(kept, key=lambda each: int(each.name.partition("-")[0]), reverse=True)


def _as_json(place: Place) -> bytes:
    root = None if place.root is None else str(place.root)
    content = {"path": str(place.path.absolute()), "root": root, "mode": place.new_mode}
    return json.dumps(content).encode()


def _place(content: dict[str, str]) -> Place:
    root = content["root"]
    return Place(Path(content["path"]), Path(root) if root else None, int(content["mode"]))


def _revision(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _text(place: Place, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise FileRefused(f"{place.path} is not UTF-8 text.") from None


def _content(place: Place) -> bytes | None:
    """What is in a file; None if there is none. Raises FileRefused."""
    path = place.path
    try:
        with confined.open_file(path, place.root or path.resolve().parent) as file:
            content = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except confined.Outside:
        raise FileRefused(f"{path} is a link that leads out of {place.root}.") from None
    except (OSError, RuntimeError) as error:
        raise FileRefused(f"{path} cannot be read ({_why(error)}).") from None
    if len(content) > MOST_BYTES:
        raise FileRefused(f"{path} is larger than 1 MB.")
    return content


def _may_be_there(place: Place, content: bytes | None) -> bool:
    """Whether a file still has a content; False where that cannot be found out."""
    try:
        return _content(place) == content
    except FileRefused:
        return False


def _replace(place: Place, content: bytes, check: Callable[[], object]) -> None:
    """Write a file atomically; a link stays, and its target is replaced.

    `check` is called last, when nothing is left to wait for: others may have written meanwhile.
    """
    path = place.path
    try:
        target = path.resolve()
        if path.is_symlink() and not target.is_file():
            raise FileRefused(f"{path} is a link that leads to no file.")
        if place.root is not None:
            confined.make_folder(target.parent, place.root)
        else:
            atomic_files.make_folder(target.parent)
        atomic_files.write(
            target, content, mode=_mode(place, target), like=target, before_replacing=check
        )
    except DiskFull:
        raise
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        raise FileRefused(f"{path} cannot be written ({_why(error)}).") from None


def _mode(place: Place, target: Path) -> int:
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        return place.new_mode


def _why(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return (os.strerror(number) if number else str(error) or "unknown reason").lower()
