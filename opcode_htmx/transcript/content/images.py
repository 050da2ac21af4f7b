"""Images that people and tools put into a session: which of them a page may show, and their size.

What an image says about itself is not trusted: its first bytes decide what it is.
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass

from opcode_htmx.engines.messages import ImageContent

LARGEST_SIDE = 100_000
_HEAD_CHARACTERS = 128 * 1024
"""As much of the base64 as holds the size; a photograph may begin with a long description."""


@dataclass(frozen=True, slots=True)
class ShownImage:
    """An image that a browser may show."""

    media_type: str
    width: int
    height: int


def shown_image(image: ImageContent) -> ShownImage | None:
    """What the image is; None if a page must not or cannot show it."""
    head = _decode(image.data[: _HEAD_CHARACTERS // 4 * 4])
    for media_type, size_of in _SIZES:
        size = size_of(head)
        if size and all(0 < side <= LARGEST_SIDE for side in size):
            return ShownImage(media_type, *size)
    return None


def data(image: ImageContent) -> bytes:
    return _decode(image.data)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _png(head: bytes) -> tuple[int, int] | None:
    if len(head) < 24 or not head.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def _gif(head: bytes) -> tuple[int, int] | None:
    if len(head) < 10 or not head.startswith((b"GIF87a", b"GIF89a")):
        return None
    width, height = struct.unpack("<HH", head[6:10])
    return width, height


def _jpeg(head: bytes) -> tuple[int, int] | None:
    if not head.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", head[at + 2 : at + 4])[0]
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    if len(head) < 30 or head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return None
    match head[12:16]:
        case b"VP8 ":
            width, height = struct.unpack("<HH", head[26:30])
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            wide, high = head[24:27], head[27:30]
            return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
    return None


_SIZES = (
    ("image/png", _png),
    ("image/jpeg", _jpeg),
    ("image/gif", _gif),
    ("image/webp", _webp),
)
