"""Keep what is deleted or replaced in projects for some days, so that it can be put back.

Each is a folder of the state folder: its facts, and the file or folder itself. It is renamed into
it, or copied where that is on another disk; nothing is removed that has not been kept.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from opcode_htmx.lib.coerce import LATEST
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_fields import number
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.tree import copying, writing
from opcode_htmx.lib.tree.names import Names, names_of, text_of
from opcode_htmx.lib.tree.tree import FileMissing, NameTaken, Tree, explained, kind_words

log = logging.getLogger(__name__)

VERSION = 1
KEPT_SECONDS = 7 * 86400.0
TRASH_ID = late_pattern(r"[0-9a-f]{32}")
_FACTS, _CONTENT = "facts.json", "content"


@dataclass(frozen=True, slots=True)
class Deleted:
    """What is kept. `root` is the folder of its project, `path` as `names.text_of` gives it."""

    id: str
    root: str
    path: str
    what: str
    """`a file`, `a folder` or `a link`."""
    at: float
    was_replaced: bool
    """Whether another file has taken its place, by an upload."""


_FILE = JsonFileSchema(
    VERSION,
    lambda found: Deleted(
        str(found["id"]),
        str(found["root"]),
        str(found["path"]),
        str(found["what"]),
        number(found["at"], LATEST),
        bool(found["was_replaced"]),
    ),
)


class FileTrash:
    """What has been deleted, in a folder that all workers share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, tree: Tree, names: Names) -> Deleted:
        """Delete something of a project. Raises FileMissing, FileRefused, FileTooLarge, …"""
        what = kind_words(tree.status(names).st_mode)
        with self._new(tree, names, what) as (deleted, place), explained(names):
            try:
                writing.take_out(tree, names, place, _CONTENT)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                run_in_thread(_take_copy, tree, names, place)
        return deleted

    def keep_copy(self, tree: Tree, names: Names) -> Deleted:
        """Keep a copy of a file that is about to be replaced. Raises as `put` does."""
        what = kind_words(tree.status(names).st_mode)
        with (
            self._new(tree, names, what, was_replaced=True) as (deleted, place),
            explained(names),
            tree.parent(names) as source,
        ):
            run_in_thread(copying.copy, source, names[-1], place, _CONTENT)
        return deleted

    def find(self, deleted_id: str) -> Deleted | None:
        """What is kept under an id; None if there is nothing."""
        if not TRASH_ID.fullmatch(deleted_id):
            return None
        found = _FILE.read(self._folder / deleted_id / _FACTS)
        return found if found and os.path.lexists(self._folder / deleted_id / _CONTENT) else None

    def of(self, root: Path) -> list[Deleted]:
        """What is kept of a project, the last deleted first."""
        names = [each.name for each in self._folder.glob("*") if TRASH_ID.fullmatch(each.name)]
        found = [each for each in map(self.find, names) if each and each.root == str(root)]
        return sorted(found, key=lambda each: each.at, reverse=True)

    def restore(self, tree: Tree, deleted_id: str) -> Names:
        """Put something back where it was. Raises FileMissing, NameTaken, …

        In exchange for a file that has replaced it, which is kept in turn.
        """
        deleted = self.find(deleted_id)
        if deleted is None or deleted.root != str(tree.path):
            raise FileMissing("This is not kept any more.")
        names = names_of(deleted.path)
        if deleted.was_replaced and self._exchange(tree, names, deleted_id):
            return names
        for end in range(1, len(names)):
            with contextlib.suppress(NameTaken):
                writing.make_folder(tree, names[:end])
        place = os.open(self._folder / deleted_id, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with explained(names):
                try:
                    writing.put_in(tree, names, place, _CONTENT)
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
                    run_in_thread(_put_copy, tree, names, place)
        finally:
            os.close(place)
        self.forget(deleted_id)
        return names

    def _exchange(self, tree: Tree, names: Names, deleted_id: str) -> bool:
        """Put a replaced file in the place of the other one; False if that is gone."""
        with contextlib.suppress(FileMissing):
            self.keep_copy(tree, names)
            with (self._folder / deleted_id / _CONTENT).open("rb") as content:
                writing.replace(tree, names, content, lambda _: None)
            self.forget(deleted_id)
            return True
        return False

    def forget(self, deleted_id: str) -> None:
        """Remove it for good."""
        if TRASH_ID.fullmatch(deleted_id):
            run_in_thread(shutil.rmtree, self._folder / deleted_id, ignore_errors=True)

    def collect(self) -> None:
        """Remove what has been kept long enough, and what a crash has left half kept."""
        for each in self._folder.glob("*"):
            with contextlib.suppress(OSError):
                if time.time() - each.stat().st_mtime > KEPT_SECONDS:
                    self.forget(each.name)

    @contextlib.contextmanager
    def _new(
        self, tree: Tree, names: Names, what: str, *, was_replaced: bool = False
    ) -> Iterator[tuple[Deleted, int]]:
        """A new place: its facts are written first, so that nothing is ever kept without them."""
        deleted_id = secrets.token_hex(16)
        deleted = Deleted(
            deleted_id, str(tree.path), text_of(names), what, time.time(), was_replaced
        )
        folder = self._folder / deleted_id
        with raise_disk_full():
            atomic_files.make_folder(folder)
        try:
            _FILE.write(folder / _FACTS, asdict(deleted))
            place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                yield deleted, place
            finally:
                os.close(place)
        except BaseException:
            if not os.path.lexists(folder / _CONTENT):
                self.forget(deleted_id)
            raise


def _take_copy(tree: Tree, names: Names, place: int) -> None:
    """Move something to another disk. It has another name meanwhile, so that nobody changes it."""
    writing.refuse_own(names)
    with tree.parent(names) as source:
        hidden = f".opcode-{secrets.token_hex(12)}"
        os.rename(names[-1], hidden, src_dir_fd=source, dst_dir_fd=source)
        try:
            copying.copy(source, hidden, place, _CONTENT)
        except BaseException:
            os.rename(hidden, names[-1], src_dir_fd=source, dst_dir_fd=source)
            _remove(place, _CONTENT)
            raise
        _remove(source, hidden)


def _put_copy(tree: Tree, names: Names, place: int) -> None:
    with tree.parent(names) as target:
        hidden = f".opcode-{secrets.token_hex(12)}"
        try:
            copying.copy(place, _CONTENT, target, hidden)
            writing.put_in(tree, names, target, hidden)
        except BaseException:
            _remove(target, hidden)
            raise


def _remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        shutil.rmtree(name, dir_fd=folder)
