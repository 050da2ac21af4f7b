"""Paths in a folder as text: in addresses, forms and JSON, also where a name is not UTF-8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.parse import quote, unquote_to_bytes

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.surrogates import replaced

Names = tuple[str, ...]
"""The names that lead from a folder to something in it; empty for the folder itself."""

RAW = "raw:"
"""Begins a path whose bytes are percent-encoded, because a form or an address would change it."""
LONGEST_PATH = 4096
"""Bytes, as on Linux."""
LONGEST_NAME = 255

_CONTROL = late_pattern(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class FileRefused(Exception):
    """Something cannot be done with a file or a path; the text is a sentence for the person."""


def names_of(text: str) -> Names:
    """The names of a path as `text_of` gives it. Raises FileRefused."""
    path = os.fsdecode(unquote_to_bytes(text[len(RAW) :])) if text.startswith(RAW) else text
    try:
        size = len(os.fsencode(path))
    except UnicodeEncodeError:
        raise FileRefused("This path holds half a character, which no file name does.") from None
    if "\0" in path:
        raise FileRefused("A path cannot contain a NUL character.")
    if size > LONGEST_PATH:
        raise FileRefused("This path is longer than any path can be.")
    if path.startswith("/"):
        raise FileRefused("This is a path from the root of the computer, not one in the project.")
    names = tuple(name for name in path.split("/") if name not in ("", "."))
    if ".." in names:
        raise FileRefused("A path here leads down into the project, and not up with “..”.")
    return names


def text_of(names: Sequence[str]) -> str:
    """A path as text that addresses and forms leave as it is; see `names_of`."""
    path = "/".join(names)
    is_kept = path == path.strip() and not _CONTROL.search(path) and replaced(path) == path
    if is_kept and not path.startswith(RAW):
        return path
    return RAW + quote(os.fsencode(path))


def new_name(text: str) -> str:
    """A name that a person gives to a file or a folder. Raises FileRefused."""
    name = text.strip()
    if not name:
        raise FileRefused("Type a name.")
    if "/" in name or name in (".", ".."):
        raise FileRefused("A name cannot be “.” or “..”, and contains no “/”.")
    if _CONTROL.search(name) or replaced(name) != name:
        raise FileRefused("A name cannot contain line breaks or control characters.")
    if len(name.encode()) > LONGEST_NAME:
        raise FileRefused(f"A name may have {LONGEST_NAME} bytes.")
    return name


def is_of_git(names: Sequence[str]) -> bool:
    """Whether a path leads to git's own files, on any file system, whatever the case."""
    return any(name.casefold().rstrip(". ") == ".git" for name in names)
