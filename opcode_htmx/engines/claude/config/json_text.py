"""Change single values in the text of a JSON file; everything else stays as somebody wrote it.

Pure. A settings file is a person's own: its order, its indentation and keys that nobody here knows
are kept.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

Path = tuple[str | int, ...]
"""The keys and list positions that lead to a value."""

_DECODER = json.JSONDecoder()
_SPACE = late_pattern(r"[ \t\r\n]*")
_SCALAR = late_pattern(r"[^\s,:\]}\"]+")
_INDENTED = late_pattern(r"\{\r?\n([ \t]{1,16})\"")


class InvalidJson(ValueError):
    """A text is no JSON object that can be changed; the text of the error says where and why."""


@dataclass(frozen=True, slots=True)
class StringSpan:
    """A string value in a text: from its first quotation mark to behind the last one."""

    path: Path
    start: int
    end: int
    value: str


def parse(text: str) -> dict[str, Any]:
    """The object in a text, empty for an empty one. Raises InvalidJson."""
    text = text.removeprefix("\ufeff")
    if not text.strip():
        return {}
    try:
        found = json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise InvalidJson(
            f"It is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from None
    except InvalidJson:
        raise
    except (ValueError, RecursionError):
        raise InvalidJson("It holds something that JSON cannot hold.") from None
    if not isinstance(found, dict):
        raise InvalidJson("It must be an object: { … }.")
    return found


def with_value(text: str, path: Sequence[str], value: object) -> str:
    """The text with a value at a path of keys; objects on the way are made. Raises InvalidJson."""
    found = parse(text)
    holder = found
    for key in path[:-1]:
        inner = holder.setdefault(key, {})
        if not isinstance(inner, dict):
            raise InvalidJson(f"“{key}” holds something else than an object.")
        holder = inner
    holder[path[-1]] = value
    return _dumped(found, text)


def without(text: str, path: Sequence[str]) -> str:
    """The text without the value at a path, and without the objects left empty by that.

    Raises InvalidJson.
    """
    found = parse(text)
    holders: list[tuple[dict[str, Any], str]] = []
    at: object = found
    for key in path:
        if not isinstance(at, dict) or key not in at:
            return text
        holders.append((at, key))
        at = at[key]
    for holder, key in reversed(holders):
        del holder[key]
        if holder:
            break
    return _dumped(found, text)


def value_at(found: object, path: Sequence[str | int]) -> object:
    """The value at a path; None if there is none."""
    for key in path:
        match found, key:
            case dict(), str() if key in found:
                found = found[key]
            case list(), int() if 0 <= key < len(found):
                found = found[key]
            case _:
                return None
    return found


def strings(text: str) -> Iterator[StringSpan]:
    """The string values in a valid JSON text, in order."""
    text_end = len(text)
    at = _skip(text, 1 if text.startswith("\ufeff") else 0)
    if at < text_end:
        yield from _strings(text, at, ())


def replaced(text: str, replacements: Sequence[tuple[StringSpan, str]]) -> str:
    """The text with other string values in these places."""
    parts, end = [], 0
    for span, value in replacements:
        parts += [text[end : span.start], json.dumps(value, ensure_ascii=False)]
        end = span.end
    return "".join([*parts, text[end:]])


def _dumped(found: dict[str, Any], before: str) -> str:
    """The object in the style of the text that it replaces."""
    indented = _INDENTED.search(before)
    newline = "\r\n" if "\r\n" in before else "\n"
    try:
        text = json.dumps(
            found,
            indent=indented[1] if indented else 2,
            ensure_ascii=False,
            allow_nan=False,
        )
    except (ValueError, RecursionError):
        raise InvalidJson("It holds something that JSON cannot hold.") from None
    mark = "\ufeff" if before.startswith("\ufeff") else ""
    return mark + text.replace("\n", newline) + newline


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one of two values with the same key would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise InvalidJson(f"“{twice}” stands in it twice; keep one of them.")
    return found


def _refuse(constant: str) -> NoReturn:
    raise InvalidJson(f"{constant} is no JSON.")


# --- positions ------------------------------------------------------------------------------


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _strings(text: str, at: int, path: Path) -> Iterator[StringSpan]:
    """The strings of the value that begins at `at`."""
    stack: list[tuple[Path, int]] = []  # of the open objects (-1) and lists (the position)
    while True:
        char = text[at : at + 1]
        if char == '"':
            value, end = _DECODER.raw_decode(text, at)
            yield StringSpan(path, at, end, value)
            at = end
        elif char in ("{", "["):
            inner = _skip(text, at + 1)
            if text[inner : inner + 1] not in ("}", "]"):
                stack.append((path, -1 if char == "{" else 0))
                at, path = _next(text, inner, stack[-1])
                continue
            at = inner + 1
        else:
            scalar = _SCALAR.match(text, at)
            if not scalar:
                return
            at = scalar.end()
        while True:
            if not stack:
                return
            at = _skip(text, at)
            if text[at : at + 1] == ",":
                holder, position = stack.pop()
                stack.append((holder, position + 1 if position >= 0 else -1))
                at, path = _next(text, _skip(text, at + 1), stack[-1])
                break
            stack.pop()
            at += 1


def _next(text: str, at: int, holder: tuple[Path, int]) -> tuple[int, Path]:
    """Where the next value of an object or a list begins, and its path."""
    path, position = holder
    if position >= 0:
        return at, (*path, position)
    key, end = _DECODER.raw_decode(text, at)
    return _skip(text, _skip(text, end) + 1), (*path, key)
