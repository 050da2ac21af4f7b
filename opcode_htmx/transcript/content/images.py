"""Decide which images of a session a page may show, and find out their sizes.

The media type that the message names is not trusted: the first bytes decide.
"""

from __future__ import annotations

import base64
import binascii

from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.lib import images
from opcode_htmx.lib.dataclass import dataclass

LARGEST_SIDE = 100_000


@dataclass(frozen=True, slots=True)
class ShownImage:
    """An image that a browser may show; its size is in pixels."""

    media_type: str
    width: int
    height: int


def shown_image(image: ImageContent) -> ShownImage | None:
    """The type and size of the image; None if a page must not or cannot show it."""
    head = _decode(image.data[: images.HEAD // 3 * 4])
    size = images.size_of(head)
    if size is None or max(size) > LARGEST_SIDE:
        return None
    return ShownImage(images.kind_of(head), *size)


def data(image: ImageContent) -> bytes:
    """The bytes of an image; empty if its base64 is not valid."""
    return _decode(image.data)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""
