"""Find data in messages that can be downloaded, with its size and a file name. Pure."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import posixpath
from dataclasses import field
from urllib.parse import unquote

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import format_bytes

_EXTENSIONS = {"audio/wav": ".wav", "audio/mpeg": ".mp3", "text/plain": ".txt"}
_FORBIDDEN_IN_NAMES = frozenset('<>:"|?*')


@dataclass(frozen=True, slots=True)
class File:
    """Data to download. `data` is valid base64, `size` is in bytes."""

    name: str
    media_type: str
    size: int
    data: str = field(repr=False)

    def content(self) -> bytes:
        return base64.b64decode(self.data)


def file_in(data: object, media_type: str, name: str, kind: str) -> File | None:
    """The file that a value holds in base64; None if it is no base64 text.

    `name` is a title, a path or a URL; `kind` names the file if that is empty.
    """
    size = _decoded_size(data)
    if not isinstance(data, str) or size is None:
        return None
    return File(_file_name(name, media_type, kind), media_type, size, data)


def size_of(file: File | None) -> str:
    """`6 bytes`, `12 KB`; empty without a file."""
    if file is None:
        return ""
    return f"{file.size} bytes" if file.size < 1000 else format_bytes(file.size)


def _decoded_size(data: object) -> int | None:
    """The number of bytes in a base64 text; None if it is none."""
    try:
        return len(base64.b64decode(data, validate=True)) if isinstance(data, str) else None
    except (ValueError, binascii.Error):
        return None


def _file_name(name: str, media_type: str, kind: str) -> str:
    """A name for a download: the last part of a title, path or URL, or else its kind."""
    last = posixpath.basename(unquote(name).replace("\\", "/").rstrip("/"))
    plain = "".join(each for each in last if each.isprintable() and each not in _FORBIDDEN_IN_NAMES)
    plain = plain.strip(" .")[-80:] or kind.lower()
    plain_type = media_type.partition(";")[0].strip().lower()
    extension = _EXTENSIONS.get(plain_type) or mimetypes.guess_extension(plain_type) or ""
    return plain if "." in plain else f"{plain}{extension}"
