"""Decode the object in a line; a very long one is decoded in a thread."""

from __future__ import annotations

import json
import json.decoder
import json.scanner
from math import isfinite
from typing import Any, NamedTuple, cast

from opcode_htmx.lib.coerce import (
    DEEPEST,
    Json,
    as_str,
    is_too_deep,
)
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.concurrency.freeing import LargeObject
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.surrogates import replaced

SHORT = 300_000
"""Bytes; a longer line is decoded in a thread."""
MOST_AT_ONCE = 1_000_000
"""Values that the C decoder reads in 30 ms; a line with more is decoded in Python."""
COST_OF_A_CONTAINER = 8
"""In values."""
FEW_MEMBERS = 1000
"""Of an object that is copied at once; Claude's have twenty."""

_SURROGATE_ESCAPED = late_pattern(r"\\u[dD]")


class Found(NamedTuple):
    """The object of a line, which has a type, and whether it is nested too deeply."""

    content: Json
    too_deep: bool


def read(line: bytes) -> Found | None:
    """The object in the line; None if it holds no object with a type."""
    return _read(line, _DECODER) if len(line) <= SHORT else run_cpu_in_thread(_read_long, line)


def uuid_of(line: bytes) -> str:
    """The uuid of the object in a line; empty if it has none."""
    found = read(line)
    return as_str(found.content.get("uuid")) if found else ""


def _read_long(line: bytes) -> Found | None:
    is_dense = line.count(b",") + COST_OF_A_CONTAINER * _containers(line) > MOST_AT_ONCE
    if not is_dense:
        return _read(line, _DECODER)
    found = _read(line, _PATIENT_DECODER)
    if found is None or len(found.content) > FEW_MEMBERS:
        return found
    return found._replace(content=LargeObject(found.content))


def _read(line: bytes, decoder: json.JSONDecoder) -> Found | None:
    text = line.decode("utf-8", "replace")
    try:
        content = decoder.decode(text)
        if _SURROGATE_ESCAPED.search(text):
            # a lone surrogate is valid in JSON only: no page could hold it
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
    """NaN and infinity are no JSON: a browser could not read them."""
    decoder: Any = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None)
    if patient:  # all of it in Python, as the standard library does where it has no C
        parts, scanner = cast(Any, json.decoder), cast(Any, json.scanner)
        decoder.parse_object, decoder.parse_array = parts.JSONObject, parts.JSONArray
        decoder.scan_once = scanner.py_make_scanner(decoder)
    return cast(json.JSONDecoder, decoder)


_DECODER = _decoder()
_PATIENT_DECODER = _decoder(patient=True)
"""Takes several times as long, but other threads run meanwhile: the C decoder keeps the GIL."""
