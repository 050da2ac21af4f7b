"""The text of a file, and its bytes again after an edit: encoding, mark and line ends."""

from __future__ import annotations

import codecs
import difflib
from collections import Counter
from collections.abc import Sequence

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.tree.names import FileRefused

HEAD = 8192
"""Bytes that decide whether a file is text, as git does it."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
MOST_MATCHED, MOST_STEPS = 4000, 100_000
"""Lines between the first and the last changed one, and pairs of equal ones among them, that are
compared; the time for it grows with their square."""
_LATIN = "iso-8859-1"
_END = late_pattern(r"(\r\n|\r|\n)")
LABELS = {"utf-8": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", _LATIN: "Latin-1"}


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a file, with its own line ends."""

    text: str
    encoding: str
    bom: bytes = b""

    @property
    def line_ends(self) -> str:
        """`CRLF`, `CR` or `mixed`; empty for line feeds, and without any."""
        kinds = Counter(_END.findall(self.text))
        if len(kinds) > 1:
            return "mixed"
        return {"\r\n": "CRLF", "\r": "CR"}.get(next(iter(kinds), ""), "")


def is_binary(head: bytes) -> bool:
    """Whether the first bytes of a file are no text."""
    if any(head.startswith(bom) for bom, _ in _BOMS):
        return False
    return b"\0" in head[:HEAD]


def encoding_of(head: bytes) -> tuple[str, bytes]:
    """The encoding of a text by its first bytes, and its byte order mark."""
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding, bom
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=False)
    except UnicodeDecodeError:
        return _LATIN, b""
    return "utf-8", b""


def decode(content: bytes) -> Decoded | None:
    """The text of a whole file; None if it is binary."""
    if is_binary(content):
        return None
    encoding, bom = encoding_of(content)
    try:
        return Decoded(content[len(bom) :].decode(encoding), encoding, bom)
    except UnicodeDecodeError:  # half of a character of UTF-16, or of UTF-8 at its end
        return None if bom else Decoded(content.decode(_LATIN), _LATIN)


def normalized(text: str) -> str:
    """A text with line feeds only, as a form sends it and a page shows it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def encode(edited: str, before: Decoded) -> bytes:
    """The bytes of an edited text, as the file had it: encoding, mark and line ends.

    `edited` has line feeds only. A line that was not changed keeps its own line end; a new one gets
    that of most lines. Raises FileRefused if the encoding has no such characters.
    """
    try:
        return before.bom + _with_line_ends(edited, before.text).encode(before.encoding)
    except UnicodeEncodeError as error:
        label, part = LABELS[before.encoding], error.object[error.start : error.start + 1]
        sign = "half a character" if "\ud800" <= part <= "\udfff" else f"“{part}”"
        raise FileRefused(f"This file is {label}, in which there is no {sign}.") from None


def _with_line_ends(edited: str, before: str) -> str:
    ends = Counter(_END.findall(before))
    if not ends or set(ends) == {"\n"}:
        return edited
    usual = max(ends, key=lambda end: ends[end])
    if len(ends) == 1:
        return edited.replace("\n", usual)
    old, new = _lines(before), _lines(edited)
    plain = [normalized(line) for line in old]
    head = _equal(plain, new)
    tail = _equal(plain[head:][::-1], new[head:][::-1])
    old_end, new_end = len(old) - tail, len(new) - tail
    changed = _matched(old[head:old_end], plain[head:old_end], new[head:new_end], usual)
    return "".join((*old[:head], *changed, *old[old_end:]))


def _equal(first: Sequence[str], second: Sequence[str]) -> int:
    """How many lines at their beginnings are equal."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))


def _matched(old: list[str], plain: list[str], new: list[str], usual: str) -> list[str]:
    """The new lines, those that were there with their own line end."""
    counts = Counter(plain)
    steps = sum(counts[line] for line in new)
    if len(old) + len(new) > MOST_MATCHED or steps > MOST_STEPS:
        return [line.replace("\n", usual) for line in new]
    found: list[str] = []
    matcher = difflib.SequenceMatcher(None, plain, new, autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            found += old[start:end]
        else:
            found += [line.replace("\n", usual) for line in new[new_start:new_end]]
    return found


def _lines(text: str) -> list[str]:
    """The lines of a text, each with its line end."""
    pieces = [*_END.split(text), ""]
    return ["".join(line) for line in zip(pieces[::2], pieces[1::2], strict=True)]
