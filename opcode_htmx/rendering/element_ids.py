"""The ids of the elements of blocks in pages, which fragments and links name."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.transcript.block_store import OWN_ID

_SAFE_ID = late_pattern(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_OF_PART = late_pattern(
    r"-[0-9]{1,7}-[0-9]{1,7}$"
    r"|-(?:a|about|children|d|in|n|none|note|parts|preview|problem|r|reason|state|text|x[0-9]+)$"
    r"|^line(?:-[0-9]+){1,2}$"
)
"""How ids of elements within a block end: that of a text, `MESSAGE-NUMBER`, is followed by numbers
of its parts and their pieces, which are shorter than the last twelve digits of a UUID, or by a word
of the templates. And what, followed by such numbers, would be an id as OWN_ID."""
_HASHED = late_pattern(r"b--?[0-9a-f]{24}")
"""The id of an element with a hash instead of its block's id; once with one hyphen."""


def dom_id(block_id: str) -> str:
    """The id of a block's element, which is that of no element within another block.

    Claude's ids are not trusted: unusual ones are hashed.
    """
    is_kept = OWN_ID.fullmatch(block_id) or not _OF_PART.search(block_id)
    if is_kept and _SAFE_ID.fullmatch(block_id):
        return f"b-{block_id}"
    return f"b--{_hash(block_id)}"


def is_hashed(element: str) -> bool:
    """Whether the id of a block's element may have a hash instead of the block's id."""
    return bool(_HASHED.fullmatch(element))


def block_of(element: str, ids: Iterable[str]) -> str:
    """The one of `ids` whose block's element has or had the id `element`; empty if none.

    An id that reads as a hash is not taken for one that has this hash.
    """
    own_id = element.removeprefix("b-")
    if not is_hashed(element):
        return next((each for each in ids if each == own_id), "")
    hashed, formerly = own_id.removeprefix("-"), ""
    for each in ids:
        if each == hashed == own_id:
            return each
        if not formerly and _hash(each) == hashed:
            if own_id != hashed:
                return each
            formerly = each  # its element had the hash with one hyphen, which may be an id, too
    return formerly


def _hash(block_id: str) -> str:
    # also of ids that are no valid Unicode, each of which has its own
    return sha256(block_id.encode("utf-8", "surrogatepass")).hexdigest()[:24]
