"""Encode text with lone surrogates, which JSON and file names may hold and UTF-8 cannot."""

from __future__ import annotations

import json

from opcode_htmx.lib.late.patterns import late_pattern

_SURROGATE = late_pattern("[\ud800-\udfff]")


def replaced(text: str) -> str:
    """The text with U+FFFD in place of each lone surrogate."""
    return _SURROGATE.sub("\ufffd", text)


def encoded(text: str) -> bytes:
    """The text in UTF-8, with lone surrogates replaced. Raises nothing."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return replaced(text).encode()


def json_bytes(value: object) -> bytes:
    """A value as JSON in UTF-8, with lone surrogates replaced."""
    return encoded(json.dumps(value, ensure_ascii=False))
