"""One line as the object that it holds; others have their turn while it is a very long one."""

from __future__ import annotations

import json
import json.decoder
import json.scanner
import re
from math import isfinite
from typing import Any, NamedTuple, cast

from opcode_htmx.lib.coerce import (
    DEEPEST,
    Json,
    as_str,
    is_too_deep,
)
from opcode_htmx.lib.cooperative import run_cpu_in_thread
from opcode_htmx.lib.surrogates import replaced

SHORT = 300_000
"""Bytes; a longer line is read aside."""
MOST_AT_ONCE = 1_000_000
"""Values that C reads in 30 ms; what holds more, which is hardly text, is read in Python."""
COST_OF_A_CONTAINER = 8
"""In values."""

_SURROGATE_ESCAPED = re.compile(r"\\u[dD]")


class Found(NamedTuple):
    """The object of a line, which has a type; whether it is nested deeper than makes sense."""

    content: Json
    too_deep: bool


def read(line: bytes) -> Found | None:
    """What the line holds; None if that is no object with a type."""
    return _read(line, _DECODER) if len(line) <= SHORT else run_cpu_in_thread(_read_long, line)


def uuid_of(line: bytes) -> str:
    """The uuid of the object in a line; empty if it has none."""
    found = read(line)
    return as_str(found.content.get("uuid")) if found else ""


def _read_long(line: bytes) -> Found | None:
    is_dense = line.count(b",") + COST_OF_A_CONTAINER * _containers(line) > MOST_AT_ONCE
    return _read(line, _PATIENT_DECODER if is_dense else _DECODER)


def _read(line: bytes, decoder: json.JSONDecoder) -> Found | None:
    text = line.decode("utf-8", "replace")
    try:
        content = decoder.decode(text)
        if _SURROGATE_ESCAPED.search(text):
            # Half of a surrogate pair is valid in JSON and nowhere else: no page could hold it
            whole = replaced(json.dumps(content, ensure_ascii=False))
            content = decoder.decode(whole)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("type"), str):
        return None
    return Found(content, _containers(line) > DEEPEST and is_too_deep(content))


def _containers(line: bytes) -> int:
    return line.count(b"{") + line.count(b"[")


def _finite(number: str) -> float | None:
    value = float(number)
    return value if isfinite(value) else None


def _decoder(*, patient: bool = False) -> json.JSONDecoder:
    """NaN and numbers without an end are no JSON: a browser could not read what repeats them."""
    decoder: Any = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None)
    if patient:  # all of it in Python, as the standard library does where it has no C
        parts, scanner = cast(Any, json.decoder), cast(Any, json.scanner)
        decoder.parse_object, decoder.parse_array = parts.JSONObject, parts.JSONArray
        decoder.scan_once = scanner.py_make_scanner(decoder)
    return cast(json.JSONDecoder, decoder)


_DECODER = _decoder()
_PATIENT_DECODER = _decoder(patient=True)
"""Takes several times as long, in which others have their turn: C lets nobody have one."""
