"""The folders that Claude may work in: one rule for a person's choice and for each start.

A path is checked when it is chosen, and again when it is used: an opened folder stays the same one,
whatever its path leads to by then.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined
from opcode_htmx.lib.surrogates import replaced

_URI = "file:///"


class InvalidFolder(Exception):
    """Claude may not, or cannot, work in a folder; the text says why."""


class FolderMissing(InvalidFolder):
    """Claude may work in the folder, which does not exist; `path` is where it would be."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"There is no folder “{path}”.")
        self.path = path


@dataclass(frozen=True, slots=True)
class OpenFolder:
    """A folder in which Claude may work: its path, resolved, and a descriptor of it."""

    path: Path
    descriptor: int


class WorkingFolders:
    """The folders in and below which Claude may work."""

    def __init__(self, roots: Iterable[Path]) -> None:
        self._roots = tuple(roots)

    def choose(self, text: str) -> Path:
        """The folder that a person typed, resolved. Raises InvalidFolder."""
        return choice(text, self._roots)

    def make(self, text: str) -> Path:
        """The folder that a person typed, which is made if it is missing. Raises InvalidFolder."""
        try:
            return self.choose(text)
        except FolderMissing as missing:
            root = self.root_of(missing.path)
            if root is None:
                raise
            try:
                confined.make_folder(missing.path, root)
            except OSError as error:
                raise InvalidFolder(
                    f"“{missing.path}” cannot be made: {_reason(error)}."
                ) from error
        return self.choose(text)

    @property
    def roots(self) -> tuple[Path, ...]:
        """The roots that exist, resolved."""
        resolved = (root.expanduser().resolve() for root in self._roots)
        return tuple(dict.fromkeys(root for root in resolved if _is_folder(root)))

    def root_of(self, path: Path) -> Path | None:
        """The root that a resolved path lies in, itself resolved."""
        return _root_of(path, self._roots)

    def check(self, folder: Path) -> None:
        """Raises InvalidFolder where Claude may not go on with a session of this folder."""
        self._resolved(folder)

    def allow(self, folder: Path) -> bool:
        """Whether Claude may work in a folder."""
        try:
            self.check(folder)
        except InvalidFolder:
            return False
        return True

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[OpenFolder]:
        """The folder itself, for a process to start in. Raises InvalidFolder."""
        root, path = self._resolved(folder)
        try:
            descriptor = confined.open_folder(path, root)
        except OSError as error:
            raise InvalidFolder(f"“{folder}” cannot be opened: {_reason(error)}.") from error
        try:
            yield OpenFolder(path, descriptor)
        finally:
            os.close(descriptor)

    def _resolved(self, folder: Path) -> tuple[Path, Path]:
        """The root that a folder lies in, and the folder, both resolved."""
        try:
            path = folder.resolve()
            root = _root_of(path, self._roots)
        except (OSError, RuntimeError, ValueError) as error:
            raise InvalidFolder(f"“{folder}” cannot be opened: {_reason(error)}.") from error
        if root is None:
            raise InvalidFolder(
                f"This session works in “{path}”, outside the folders that may be worked in "
                "(OPCODE_PROJECT_ROOTS). It can be read, and not continued."
            )
        return root, path


def choice(path_text: str, roots: Iterable[Path]) -> Path:
    """The folder that a person typed, resolved, if Claude may work in it; else InvalidFolder.

    It must be absolute, begin with `~` or be a `file:` URI, exist, and lie in one of `roots` once
    links are followed. Raises FolderMissing if all that it lacks is to exist.
    """
    text = path_text.strip()
    if not text:
        raise InvalidFolder("Type the path of a folder.")
    if "\0" in text:
        raise InvalidFolder("A path cannot contain a NUL character.")
    try:
        path = _from_uri(text) if text.startswith(_URI) else Path(text).expanduser()
        if not path.is_absolute():
            raise InvalidFolder(f"“{text}” is not a full path: begin with / or ~.")
        path = path.resolve()
        if _root_of(path, roots) is None:
            raise InvalidFolder(
                f"“{path}” is outside the folders that may be worked in (OPCODE_PROJECT_ROOTS)."
            )
        if not is_utf8(path):
            raise InvalidFolder(
                f"Claude Code cannot work in “{replaced(str(path))}”, whose name is not UTF-8."
            )
        if not path.exists():
            raise FolderMissing(path)
        if not path.is_dir():
            raise InvalidFolder(f"“{path}” is a file, not a folder.")
        next(path.iterdir(), None)
    except (OSError, RuntimeError) as error:
        raise InvalidFolder(f"“{text}” cannot be opened: {_reason(error)}.") from error
    return path


def reference(path: Path) -> str:
    """The text that stands for a folder in forms and addresses, and that `choice` accepts.

    It is the path itself, or a `file:` URI where a form would change the path.
    """
    text = str(path)
    is_kept = text == text.strip() and not set(text) & {"\r", "\n"} and is_utf8(path)
    return text if is_kept or not path.is_absolute() else path.as_uri()


def path_of(reference: str) -> Path:
    """The path that such a text stands for, unchecked."""
    if reference.startswith("file:///"):
        return Path(os.fsdecode(unquote_to_bytes(reference.removeprefix("file://"))))
    return Path(reference)


def is_utf8(path: Path) -> bool:
    """Whether the path can be written as text: the CLI of Claude finds no other folder."""
    return replaced(str(path)) == str(path)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # in a folder that may not be entered
        return False


def _from_uri(text: str) -> Path:
    decoded = os.fsdecode(unquote_to_bytes(text.removeprefix("file://")))
    if "\0" in decoded:
        raise InvalidFolder("A path cannot contain a NUL character.")
    return Path(decoded)


def _root_of(path: Path, roots: Iterable[Path]) -> Path | None:
    """The root that a resolved path lies in, itself resolved."""
    resolved = (root.expanduser().resolve() for root in roots)
    return next((root for root in resolved if path.is_relative_to(root)), None)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or "unknown reason").rstrip(".").lower()
