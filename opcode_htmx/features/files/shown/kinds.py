"""What a file is, by its first bytes; its name decides only between kinds of text."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from opcode_htmx.lib import images
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.tree import text

if TYPE_CHECKING:
    from filetype.types.base import Type

HEAD = images.HEAD
MOST_PIXELS = 50_000_000
"""A larger image is not shown: decoding it would take the memory of a phone."""
MOST_SVG = 1_000_000
"""Bytes."""
PDF = b"%PDF-"
"""How a PDF document begins."""
_TABLES = {"csv": ",", "tsv": "\t", "tab": "\t"}
_MARKDOWN = frozenset({"md", "markdown", "mdown", "mkd"})
_WEB = {"audio/x-wav": "audio/wav", "audio/x-flac": "audio/flac", "video/x-m4v": "video/mp4"}


@cache
def _media() -> tuple[Type, ...]:
    from filetype.types import audio, video

    return (
        audio.Mp3(), audio.M4a(), audio.Ogg(), audio.Flac(), audio.Wav(),
        video.Mp4(), video.Webm(), video.Mov(), video.M4v(),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is: `image`, `pdf`, `audio`, `video`, `notebook`, `markdown`, `table`, `text` or
    `binary`.

    `media_type` is sent to browsers that show it; empty for what they only save.
    """

    name: str
    media_type: str = ""
    size: tuple[int, int] | None = None
    """Pixels of an image, if they are known."""
    separator: str = ""
    """Of a table."""

    @property
    def is_text(self) -> bool:
        return self.media_type.startswith("text/") or self.media_type == "image/svg+xml"

    @property
    def is_shown_image(self) -> bool:
        """Whether a page may load the image."""
        if self.name != "image" or (self.size is None and self.media_type != "image/svg+xml"):
            return False
        width, height = self.size or (1, 1)
        return width * height <= MOST_PIXELS


def kind_of(head: bytes, name: str, size: int) -> Kind:
    """The kind of a file by its first HEAD bytes, its name and its size in bytes."""
    if media_type := images.kind_of(head):
        return Kind("image", media_type, images.size_of(head))
    if head.startswith(PDF):
        return Kind("pdf", "application/pdf")
    from filetype import match

    if found := match(head, _media()):
        media_type = _WEB.get(found.mime, found.mime).replace("video/quicktime", "video/mp4")
        return Kind(media_type.partition("/")[0], media_type)
    if text.is_binary(head):
        return Kind("binary")
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending == "svg" and size <= MOST_SVG:
        return Kind("image", "image/svg+xml")
    plain = "text/plain"
    if ending == "ipynb":
        return Kind("notebook", plain)
    if ending in _TABLES:
        return Kind("table", plain, separator=_TABLES[ending])
    return Kind("markdown" if ending in _MARKDOWN else "text", plain)
