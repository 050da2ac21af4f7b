"""What another app shares: its text as one prompt, and its way through a cookie without a login."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from opcode_htmx.lib.dataclass import dataclass

LONGEST_IN_COOKIE = 2400
"""Bytes of a text that a cookie may have: encoded they are 3,200, and browsers take 4,096."""

FIELDS = ("title", "text", "url")
"""The fields of a share, by their names in the manifest. Android has no `url`: it is in `text`."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A text that was shared, and whether there were files with it."""

    text: str = ""
    has_files: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.text or self.has_files)


def text_of(fields: Mapping[str, str]) -> str:
    """The title, text and address of a share below each other, each only once."""
    found = list[str]()
    for name in FIELDS:
        words = fields.get(name, "").replace("\r\n", "\n").strip()
        if words and not any(words in other for other in found):
            # the text of most apps begins with the title
            found = [other for other in found if other not in words] + [words]
    return "\n".join(found)


def appended(draft: str, text: str) -> str:
    """The text of a draft with a shared text below it; the same if it ends with that already."""
    if not text or draft.strip().endswith(text):
        return draft
    return "\n\n".join(filter(None, (draft.rstrip(), text)))


def to_cookie(shared: Shared) -> str | None:
    """The value of a cookie for a share; None if its text is too long for one."""
    data = shared.text.encode("utf-8", "replace")
    if len(data) > LONGEST_IN_COOKIE:
        return None
    mark = "f" if shared.has_files else "t"
    return mark + base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def from_cookie(value: str) -> Shared:
    """The share in the value of a cookie; an empty one if it is malformed."""
    if not value or value[0] not in "ft" or len(value) > 2 * LONGEST_IN_COOKIE:
        return Shared()
    padded = value[1:] + "=" * (-len(value[1:]) % 4)
    try:
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return Shared()
    return Shared(text, value[0] == "f")
