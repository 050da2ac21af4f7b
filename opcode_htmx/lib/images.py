"""Images by their bytes: the media type and the size in pixels.

A file's name and a declared media type are not considered: they may be wrong or hostile.
"""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filetype.types.base import Type

HEAD = 96 * 1024
"""As many bytes as hold the size; a photograph may begin with a long description."""

# filetype compares only the first letters of these: it takes "GIFs are images" for an image.
_SIGNATURES = {"image/png": (b"\x89PNG\r\n\x1a\n",), "image/gif": (b"GIF87a", b"GIF89a")}


@cache
def _matchers() -> tuple[Type, ...]:
    """The four that Claude accepts, and no other: those of other types decode and search contents.

    Imported with the first image, as `imagesize` below: with an XML parser and much more.
    """
    from filetype.types import image

    return image.Png(), image.Jpeg(), image.Gif(), image.Webp()


def kind_of(content: bytes) -> str:
    """The media type of an image that Claude can see, by its first bytes; otherwise empty."""
    from filetype import match

    matcher = match(content, _matchers())
    media_type: str = matcher.mime if matcher else ""
    return media_type if content.startswith(_SIGNATURES.get(media_type, b"")) else ""


def size_of(content: bytes) -> tuple[int, int] | None:
    """Width and height, as shown: a photograph may be stored turned. None without such a size.

    Reads the first HEAD bytes at most, and only of the four types of `kind_of`: imagesize knows
    more, such as SVG.
    """
    if not kind_of(content):
        return None
    import imagesize

    # It returns (-1, -1) for whatever it cannot read, and raises nothing.
    width, height = imagesize.get(io.BytesIO(content[:HEAD]))
    return (width, height) if width > 0 and height > 0 else None
