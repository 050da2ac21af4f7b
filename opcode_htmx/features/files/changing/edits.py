"""Edit a text file, if it is still as it was when it was read."""

from __future__ import annotations

from typing import BinaryIO

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.tree import text, writing
from opcode_htmx.lib.tree.names import FileRefused, Names
from opcode_htmx.lib.tree.text import Decoded
from opcode_htmx.lib.tree.tree import FileMissing, FileTooLarge, NameTaken, Tree, explained

MOST_EDITED = 500_000
"""Bytes of a file that can be edited in a form."""
NO_FILE = "none"
"""The digest of a file that is not there."""


class FileChanged(Exception):
    """A file is not as it was when it was read; the text is a sentence for the person."""

    def __init__(self, name: str, current: EditedFile | None) -> None:
        super().__init__(
            f"“{name}” has changed since you opened it."
            if current
            else f"“{name}” has been deleted since you opened it."
        )
        self.current = current
        """The file as it is; None if it is gone."""


REFUSALS: dict[type[Exception], int] = {
    FileMissing: 404,
    FileRefused: 422,
    NameTaken: 409,
    FileChanged: 409,
    FileTooLarge: 413,
}
"""Status codes of the exceptions of a change to a file, whose texts are sentences."""


@dataclass(frozen=True, slots=True)
class EditedFile:
    """A text file as it is edited: with line feeds only, whatever it has."""

    text: str
    digest: str
    encoding: str
    line_ends: str
    """`CRLF`, `CR`, `mixed`, or empty."""


def read(tree: Tree, names: Names) -> EditedFile:
    """A file for editing. Raises FileMissing, FileRefused, FileTooLarge."""
    with tree.open(names) as file:
        content = _content(file, names)
    decoded = _decoded(content, names)
    return EditedFile(
        text.normalized(decoded.text),
        writing.digest_of(content),
        text.LABELS[decoded.encoding],
        decoded.line_ends,
    )


def save(tree: Tree, names: Names, edited: str, digest: str) -> EditedFile:
    """Replace the text of a file whose content has this digest, or make one if that is NO_FILE.

    Encoding, mode, and the line ends of lines that were not changed stay. Raises FileChanged with
    the current text, NameTaken, FileMissing, FileRefused, FileTooLarge, DiskFull.
    """
    edited = text.normalized(edited)
    if digest == NO_FILE:
        content = text.encode(edited, Decoded("", "utf-8"))
        _check_size(content, names)
        writing.create(tree, names, content)
        return read(tree, names)
    try:
        with tree.open(names) as file:
            before = _content(file, names)
    except FileMissing:
        raise FileChanged(names[-1], None) from None
    if writing.digest_of(before) != digest:
        raise FileChanged(names[-1], read(tree, names))
    content = run_in_thread(text.encode, edited, _decoded(before, names))
    _check_size(content, names)

    def check(now: BinaryIO) -> None:
        if _content(now, names) != before:
            raise FileChanged(names[-1], read(tree, names))

    if content != before:
        try:
            writing.replace(tree, names, content, check)
        except FileMissing:
            raise FileChanged(names[-1], None) from None
    return read(tree, names)


def _content(file: BinaryIO, names: Names) -> bytes:
    with explained(names):
        content = file.read(MOST_EDITED + 1) or b""
    _check_size(content, names)
    return content


def _check_size(content: bytes, names: Names) -> None:
    if len(content) > MOST_EDITED:
        raise FileTooLarge(f"“{names[-1]}” is too large to be edited here: over 500 KB.")


def _decoded(content: bytes, names: Names) -> Decoded:
    decoded = text.decode(content)
    if decoded is None:
        raise FileRefused(f"“{names[-1]}” is no text.")
    return decoded
