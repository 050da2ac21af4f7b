"""Data in messages that a person can download: its size, and a name for it. Pure."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import posixpath
from dataclasses import dataclass, field
from urllib.parse import unquote

from opcode_htmx.lib.formatting import format_bytes

_ENDINGS = {"audio/wav": ".wav", "audio/mpeg": ".mp3", "text/plain": ".txt"}
_NOT_IN_NAMES = frozenset('<>:"|?*')


@dataclass(frozen=True, slots=True)
class File:
    """Data that can be downloaded. `data` is valid base64, `size` in bytes."""

    name: str
    media_type: str
    size: int
    data: str = field(repr=False)

    def content(self) -> bytes:
        return base64.b64decode(self.data)


def file_in(data: object, media_type: str, name: str, kind: str) -> File | None:
    """The file that a value holds in base64; None if it holds none.

    `name` is a title, a path or an address; `kind` names the file if that is empty.
    """
    size = _bytes_in(data)
    if not isinstance(data, str) or size is None:
        return None
    return File(_file_name(name, media_type, kind), media_type, size, data)


def size_of(file: File | None) -> str:
    """`6 bytes`, `12 KB`; empty where there is no file."""
    if file is None:
        return ""
    return f"{file.size} bytes" if file.size < 1000 else format_bytes(file.size)


def _bytes_in(data: object) -> int | None:
    """How many bytes a text holds in base64; None if it is none."""
    try:
        return len(base64.b64decode(data, validate=True)) if isinstance(data, str) else None
    except (ValueError, binascii.Error):
        return None


def _file_name(name: str, media_type: str, kind: str) -> str:
    """A name for a download: the last part of a title, path or address, or else its kind."""
    last = posixpath.basename(unquote(name).replace("\\", "/").rstrip("/"))
    plain = "".join(each for each in last if each.isprintable() and each not in _NOT_IN_NAMES)
    plain = plain.strip(" .")[-80:] or kind.lower()
    plain_type = media_type.partition(";")[0].strip().lower()
    ending = _ENDINGS.get(plain_type) or mimetypes.guess_extension(plain_type) or ""
    return plain if "." in plain else f"{plain}{ending}"
