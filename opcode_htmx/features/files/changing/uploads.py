"""Uploaded files: into a folder of a project, or kept aside until their conflicts are decided."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from opcode_htmx.features.files.changing.trash import FileTrash
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.tree import writing
from opcode_htmx.lib.tree.listing import kind_of
from opcode_htmx.lib.tree.names import FileRefused, Names, names_of, new_name, text_of
from opcode_htmx.lib.tree.tree import FileMissing, FileTooLarge, NameTaken, Tree
from opcode_htmx.sessions.storage.drafts import MAX_FILE

VERSION = 1
KEPT_SECONDS = 86400.0
UPLOAD_ID = late_pattern(r"[0-9a-f]{32}")
MOST_COPIES = 1000
ATTEMPTS = 4
REPLACE, KEEP_BOTH, SKIP = "replace", "both", "skip"
_FACTS = "facts.json"


class Upload(Protocol):
    """A file of a form."""

    @property
    def filename(self) -> str | None: ...
    @property
    def stream(self) -> IO[bytes]: ...


@dataclass(frozen=True, slots=True)
class Undecided:
    """Uploaded files whose names are taken: in the folder `path` of the project in `root`."""

    id: str
    root: str
    path: str
    files: tuple[str, ...]
    """Their names; the content of each is kept under its number."""


_FILE = JsonFileSchema(
    VERSION,
    lambda found: Undecided(
        str(found["id"]), str(found["root"]), str(found["path"]), tuple(map(str, found["files"]))
    ),
)


class Uploads:
    """Puts uploaded files into projects, and keeps those whose names are taken for a day."""

    def __init__(self, folder: Path, trash: FileTrash) -> None:
        self._folder = folder
        self._trash = trash

    def add(
        self, tree: Tree, into: Names, uploads: Iterable[Upload]
    ) -> tuple[list[str], Undecided | None]:
        """Put files into a folder: the names of those that are there now, and the undecided ones.

        Raises FileTooLarge and FileRefused with a sentence for each refused file, after the others
        have been put there.
        """
        added, taken, too_large = list[str](), list[tuple[str, IO[bytes]]](), list[str]()
        for upload in uploads:
            if not upload.filename:
                continue  # a field without a chosen file
            name = new_name(upload.filename.replace("\\", "/").rpartition("/")[2])
            if _size(upload.stream) > MAX_FILE:
                megabytes = MAX_FILE // 1_000_000
                too_large.append(f"“{name}” is too large. A file may have {megabytes} MB.")
                continue
            try:
                writing.create(tree, (*into, name), _binary(upload.stream))
                added.append(name)
            except NameTaken:
                upload.stream.seek(0)
                taken.append((name, upload.stream))
        undecided = self._keep(tree, into, taken) if taken else None
        if too_large and not undecided:
            raise FileTooLarge(" ".join(too_large))
        return added, undecided

    def find(self, root: Path, upload_id: str) -> Undecided:
        """The undecided files of an upload into a project. Raises FileMissing."""
        is_id = UPLOAD_ID.fullmatch(upload_id)
        found = _FILE.read(self._folder / upload_id / _FACTS) if is_id else None
        if found is None or found.root != str(root):
            raise FileMissing("These files are not kept any more: upload them again.")
        return found

    def decide(self, tree: Tree, upload_id: str, choices: Mapping[int, str]) -> list[str]:
        """Put the undecided files where they belong, by REPLACE, KEEP_BOTH or SKIP for each number.

        Gives the names under which they are there. Raises FileMissing, FileRefused, …
        """
        found = self.find(tree.path, upload_id)
        into, names = names_of(found.path), list[str]()
        for number, name in enumerate(found.files):
            path = self._folder / upload_id / str(number)
            if not path.exists():  # it was decided before something else failed
                continue
            choice = choices.get(number, SKIP)
            if choice != SKIP:
                with path.open("rb") as content:
                    put = self._replace if choice == REPLACE else _add_beside
                    names.append(put(tree, into, name, content))
            path.unlink()
        self._forget(upload_id)
        return names

    def collect(self) -> None:
        """Remove what nobody has decided about."""
        for each in self._folder.glob("*"):
            with contextlib.suppress(OSError):
                if time.time() - each.stat().st_mtime > KEPT_SECONDS:
                    self._forget(each.name)

    def _keep(self, tree: Tree, into: Names, taken: list[tuple[str, IO[bytes]]]) -> Undecided:
        upload_id = secrets.token_hex(16)
        folder = self._folder / upload_id
        found = Undecided(
            upload_id, str(tree.path), text_of(into), tuple(name for name, _ in taken)
        )
        with raise_disk_full():
            atomic_files.make_folder(folder)
            for number, (_, stream) in enumerate(taken):
                atomic_files.write(folder / str(number), stream.read(MAX_FILE + 1))
        facts = {"id": upload_id, "root": found.root, "path": found.path, "files": found.files}
        _FILE.write(folder / _FACTS, facts)
        return found

    def _replace(self, tree: Tree, into: Names, name: str, content: BinaryIO) -> str:
        """A copy of the old file goes into the trash: there is one of this name all the time."""
        names = (*into, name)
        for _ in range(ATTEMPTS):
            content.seek(0)
            try:
                before = tree.status(names)
                if kind_of(before.st_mode) != "file":
                    raise FileRefused(f"“{name}” is no file, so it is not replaced.")
                self._trash.keep_copy(tree, names)
                writing.replace(tree, names, content, partial(_check_same, before))
            except _Written:
                continue
            except FileMissing:  # it has gone meanwhile
                content.seek(0)
                writing.create(tree, names, content)
            return name
        raise FileRefused(f"“{name}” is being written just now. Try again.")

    def _forget(self, upload_id: str) -> None:
        if UPLOAD_ID.fullmatch(upload_id):
            run_in_thread(shutil.rmtree, self._folder / upload_id, ignore_errors=True)


class _Written(Exception):
    """A file is not the one any more of which a copy is kept."""


def _check_same(before: os.stat_result, file: BinaryIO) -> None:
    now = os.fstat(file.fileno())
    if not os.path.samestat(before, now) or any(
        getattr(before, each) != getattr(now, each)
        for each in ("st_size", "st_mtime_ns", "st_ctime_ns")
    ):
        raise _Written


def _add_beside(tree: Tree, into: Names, name: str, content: BinaryIO) -> str:
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    for number in range(2, MOST_COPIES):
        content.seek(0)
        other = f"{stem} ({number}){dot}{ending}"
        with contextlib.suppress(NameTaken):
            writing.create(tree, (*into, new_name(other)), content)
            return other
    raise FileRefused(f"There are too many copies of “{name}” already.")


def _size(stream: IO[bytes]) -> int:
    size = stream.seek(0, 2)
    stream.seek(0)
    return size


def _binary(stream: IO[bytes]) -> BinaryIO:
    return stream  # type: ignore[return-value]
