"""The characters that are not seen: controls, direction marks, joiners, fillers and the like."""

from __future__ import annotations

INVISIBLE = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for the tab and the line feed
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # fillers, Arabic letter mark
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # widths, joiners, directions, line separators
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"  # blanks that are symbols, selectors
    "\ud800-\udfff"  # halves of surrogate pairs, and bytes of file names that are no UTF-8
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"  # tags
)
"""As the inside of a character class of a regular expression."""
