"""Halves of surrogate pairs, which JSON and file names can bring and UTF-8 cannot hold."""

from __future__ import annotations

import json
import re

_HALF = re.compile("[\ud800-\udfff]")


def replaced(text: str) -> str:
    """The text with U+FFFD in the place of each half of a pair."""
    return _HALF.sub("\ufffd", text)


def encoded(text: str) -> bytes:
    """The text in UTF-8, whatever is in it."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return replaced(text).encode()


def json_bytes(value: object) -> bytes:
    """A value as JSON in UTF-8, whatever its texts hold."""
    return encoded(json.dumps(value, ensure_ascii=False))
