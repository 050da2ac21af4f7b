"""Tags of sessions as they are kept: as a person types them, and as a file has them. Pure."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence

MOST_TAGS = 10
"""Tags of one session."""
LONGEST_TAG = 24
"""Characters."""
_LONGEST_READ = 10 * LONGEST_TAG
"""Characters of a text in a file that may be a tag, once it is written as tags are."""
_SEPARATORS = str.maketrans(dict.fromkeys(";\r\n\u060c\u3001\uff0c", ","))


class BadTag(Exception):
    """A tag that cannot be given; the text is a sentence for the user."""


def tags_of(text: str) -> tuple[str, ...]:
    """The tags in a text that a person typed, separated by commas. Raises BadTag.

    Tags are compared by their letters, so they are kept in small ones, with single blanks, and
    without what cannot be seen.
    """
    found = (_normalised(part) for part in text.translate(_SEPARATORS).split(","))
    return checked(tuple(filter(None, found)))


def checked(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a session, each once. Raises BadTag."""
    once = tuple(dict.fromkeys(tags))
    if long := next((tag for tag in once if len(tag) > LONGEST_TAG), None):
        raise BadTag(f"A tag has at most {LONGEST_TAG} characters; “{long[:40]}” has more.")
    if len(once) > MOST_TAGS:
        raise BadTag(f"A session has at most {MOST_TAGS} tags.")
    return once


def usable(texts: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """The tags of a session by the texts of a file, and whether they are all of them."""
    found = dict.fromkeys(map(_read, texts))
    is_all = None not in found and len(found) <= MOST_TAGS
    return tuple(filter(None, found))[:MOST_TAGS], is_all


@functools.lru_cache(1000)
def _read(text: str) -> str | None:
    known = _normalised(text) if len(text) <= _LONGEST_READ else ""
    return known if 0 < len(known) <= LONGEST_TAG else None


def _normalised(tag: str) -> str:
    known = unicodedata.normalize("NFKC", tag).lower()
    shown = "".join(
        each if unicodedata.category(each)[0] != "C" else " " if each.isspace() else ""
        for each in known
    )
    return " ".join(shown.replace(",", " ").split()).lstrip("# ")
