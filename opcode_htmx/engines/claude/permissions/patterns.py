"""Match commands and paths against the patterns of permission rules, in bounded time. Pure.

Patterns may come from a file that nobody has checked, so they are not turned into regular
expressions: the time is at most that of the length of the pattern times that of the text.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from enum import Enum, auto

from opcode_htmx.lib.dataclass import dataclass


def matches_command(pattern: str, command: str) -> bool:
    """Whether a command matches the content of a rule about Bash."""
    if pattern.endswith(":*"):
        prefix = pattern[:-2]
        return command == prefix or command.startswith(f"{prefix} ")
    if "*" not in pattern:
        return command == pattern
    if pattern.endswith(" *") and pattern.count("*") == 1 and command == pattern[:-2]:
        return True
    return _matches(_words(pattern), command)


def matches_domain(pattern: str, host: str) -> bool:
    """Whether a host matches the content of a rule about WebFetch."""
    name = pattern.removeprefix("domain:").lower()
    return _matches(_words(name), host.lower())


@dataclass(frozen=True, slots=True)
class Roots:
    """The folders to which the patterns of paths are relative, as absolute paths."""

    folder: str
    """That in which Claude works."""
    home: str
    of_settings: str
    """That of the settings file, for a pattern that begins with one slash."""


def matches_path(pattern: str, path: str, roots: Roots) -> bool:
    """Whether an absolute path matches a pattern, which is read like one of `.gitignore`."""
    if pattern.startswith("//"):
        root, rest = "/", pattern[2:]
    elif pattern == "~" or pattern.startswith("~/"):
        root, rest = roots.home, pattern[2:]
    elif pattern.startswith("/"):
        root, rest = roots.of_settings, pattern[1:]
    else:
        root, rest = roots.folder, pattern.removeprefix("./")
        if pattern.startswith("../"):
            root, rest = "/", posixpath.normpath(posixpath.join(roots.folder, pattern))[1:]
    inside = relative(path, root)
    if inside is None:
        return False
    rest = rest.rstrip("/")
    if not rest:
        return True
    is_free = "/" not in rest and root == roots.folder and not pattern.startswith("/")
    tokens, names = _tokens(rest), inside.split("/")
    if is_free:
        return any(_matches(tokens, name) for name in names)
    return _matches(tokens, inside, with_all_below=True)


def relative(path: str, root: str) -> str | None:
    """A normal absolute path below a root; None where it is not there."""
    if path == root:
        return ""
    start = root if root.endswith("/") else f"{root}/"
    return path[len(start) :] if path.startswith(start) else None


LONGEST_PATTERN, LONGEST_TEXT = 2000, 10_000
"""Longer ones match nothing."""


class _Wild(Enum):
    """A part of a pattern that stands for other characters than itself."""

    ANY = auto()
    """Any characters but slashes, or none."""
    ALL = auto()
    """Any characters, or none."""
    FOLDERS = auto()
    """Any folders, or none, with the slash behind each."""
    ONE = auto()
    """One character that is no slash."""


_Token = str | _Wild


def _words(pattern: str) -> list[_Token]:
    """A pattern in which a star stands for anything."""
    return [_Wild.ALL if char == "*" else char for char in pattern]


def _tokens(pattern: str) -> list[_Token]:
    """A pattern of paths."""
    found: list[_Token] = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            found.append(_Wild.FOLDERS)
            at += 3
        elif pattern.startswith("**", at):
            found.append(_Wild.ALL)
            at += 2
        else:
            char = pattern[at]
            found.append({"*": _Wild.ANY, "?": _Wild.ONE}.get(char, char))
            at += 1
    return found


def _matches(tokens: Sequence[_Token], text: str, *, with_all_below: bool = False) -> bool:
    """Follow all places in the pattern at once, one character after the other.

    The places are the bits of a number, so that a step takes about as long for many as for one.
    `with_all_below`: a folder that matches stands for all that is in it.
    """
    if len(tokens) > LONGEST_PATTERN or len(text) > LONGEST_TEXT:
        return False
    bits: dict[_Token, int] = {}
    for place, token in enumerate(tokens):
        bits[token] = bits.get(token, 0) | 1 << place
    any_, all_ = bits.get(_Wild.ANY, 0), bits.get(_Wild.ALL, 0)
    folders, one = bits.get(_Wild.FOLDERS, 0), bits.get(_Wild.ONE, 0)
    empty, end = any_ | all_ | folders, 1 << len(tokens)

    def with_skipped(places: int) -> int:
        """These places, and those behind the parts that may stand for nothing: the carry of an
        addition runs through neighbours."""
        return (((places & empty) + empty) ^ empty) | places

    places = with_skipped(1)
    for char in text:
        if char == "/":
            if with_all_below and places & end:
                return True
            stay, step = places & (all_ | folders), places & (bits.get(char, 0) | folders)
        else:
            stay = places & (all_ | folders | any_)
            step = places & (bits.get(char, 0) | one)
        places = with_skipped(stay | step << 1)
        if not places:
            return False
    return bool(places & end)
