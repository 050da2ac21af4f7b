"""Images by their bytes: the media type and the size in pixels.

A file's name and a declared media type are not considered: they may be wrong or hostile.
"""

import io

import filetype
import imagesize
from filetype.types import image

HEAD = 96 * 1024
"""As many bytes as hold the size; a photograph may begin with a long description."""

# The four that Claude accepts, and no other: matchers of other types decode and search contents.
_MATCHERS = (image.Png(), image.Jpeg(), image.Gif(), image.Webp())
# filetype compares only the first letters of these: it takes "GIFs are images" for an image.
_SIGNATURES = {"image/png": (b"\x89PNG\r\n\x1a\n",), "image/gif": (b"GIF87a", b"GIF89a")}


def kind_of(content: bytes) -> str:
    """The media type of an image that Claude can see, by its first bytes; otherwise empty."""
    matcher = filetype.match(content, _MATCHERS)
    media_type: str = matcher.mime if matcher else ""
    return media_type if content.startswith(_SIGNATURES.get(media_type, b"")) else ""


def size_of(content: bytes) -> tuple[int, int] | None:
    """Width and height, as shown: a photograph may be stored turned. None without such a size.

    Reads the first HEAD bytes at most, and only of the four types of `kind_of`: imagesize knows
    more, such as SVG.
    """
    if not kind_of(content):
        return None
    # It returns (-1, -1) for whatever it cannot read, and raises nothing.
    width, height = imagesize.get(io.BytesIO(content[:HEAD]))
    return (width, height) if width > 0 and height > 0 else None
