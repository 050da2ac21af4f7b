"""The names of Claude's folders below `projects/`, computed as the CLI computes them.

The name of a folder cannot be turned back into a path, and several paths may have the same one
(`my.app` and `my-app`). So it is computed only where no file names its folder, and a project that
shares its folder with others has an id of its own: the name, then `~`, which no such name contains,
then the beginning of a hash of the path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from opcode_htmx.lib.coerce import encodable
from opcode_htmx.lib.late.patterns import late_pattern

LONGEST = 200
"""UTF-16 code units of a name that is not cut."""

MOST_KEPT = 1024
"""Paths whose names are kept: to compute one takes 20 µs."""
LONGEST_PATH = 4096
"""Characters; no system takes a longer one."""

_NAME = late_pattern(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}")
_DIGEST = late_pattern(r"[0-9a-f]{10}")
_FULL_PATH = late_pattern(r"/|[A-Za-z]:[\\/]")
_SEPARATOR = late_pattern(r"[/\\]")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@lru_cache(maxsize=MOST_KEPT)
def claude_folder(path: Path | str) -> str:
    """The name of the folder in which the CLI stores the sessions of `path`.

    Each UTF-16 code unit that is no ASCII letter or digit becomes `-`; a name of more than LONGEST
    is cut there, and a hash of the whole path is added. The CLI works with the real path of its
    folder: links have to be followed before.
    """
    units = _utf_16(str(path))
    name = "".join(chr(unit) if unit < 128 and chr(unit).isalnum() else "-" for unit in units)
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{_base_36(_hash(units))}"


project_id = claude_folder
"""The id of a project that has a folder of its own."""


def is_folder_name(name: str) -> bool:
    """Whether a folder of Claude's may have this name; then it is safe as a file name."""
    return _NAME.fullmatch(name) is not None


def shared_project_id(folder: str, cwd: str) -> str:
    """The id of the project in `cwd` where Claude's `folder` holds those of other paths, too."""
    return f"{folder}~{digest(cwd)}"


def digest(cwd: str) -> str:
    """Distinguishes the paths in one of Claude's folders; empty for an unknown path."""
    return hashlib.sha256(cwd.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def split(project_id: str) -> tuple[str, str]:
    """Claude's folder and the digest of the path, each empty where the id does not have it.

    Both are empty for a text that is no id.
    """
    name, mark, digest_ = project_id.partition("~")
    if not is_folder_name(name) or (mark and not _DIGEST.fullmatch(digest_)):
        return "", ""
    return name, digest_


class OwnFolder:
    """Finds the folder of a session from the entries of its file.

    That is the first cwd whose name is the one of the folder in which the file lies, else the
    first cwd: a session may have been continued elsewhere, and a file may have been copied.
    """

    def __init__(self, claude_folder: str) -> None:
        """`claude_folder` is the name of the folder in which the file was found."""
        self._name = claude_folder
        self._first = ""
        self._last_seen = ""
        self.is_sure = False
        """Whether further entries cannot change the result."""

    @property
    def path(self) -> str | None:
        """None as long as no entry had a cwd."""
        return self._first or None

    def see(self, entry: Mapping[str, object]) -> None:
        cwd = entry.get("cwd")
        if self.is_sure or not isinstance(cwd, str) or cwd == self._last_seen:
            return
        if not _is_path(cwd):
            return
        self._last_seen = cwd
        self.is_sure = claude_folder(cwd) == self._name
        if self.is_sure or not self._first:
            self._first = encodable(cwd)


def _is_path(cwd: str) -> bool:
    """Whether it is a whole path, as the CLI writes it: without links, `..` or NUL."""
    if len(cwd) > LONGEST_PATH or "\0" in cwd or not _FULL_PATH.match(cwd):
        return False
    return ".." not in _SEPARATOR.split(cwd)


def _utf_16(text: str) -> list[int]:
    data = text.encode("utf-16-le", "surrogatepass")
    return [low | high << 8 for low, high in zip(data[::2], data[1::2], strict=True)]


def _hash(units: list[int]) -> int:
    """The well-known hash of Java's strings, in 32 bits, without its sign."""
    value = 0
    for unit in units:
        value = (value * 31 + unit) & 0xFFFFFFFF
    return value if value < 0x80000000 else 0x100000000 - value


def _base_36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits
