"""The modes that a program has set in its terminal, read from what it writes.

They are what a viewer needs who sees the output from the middle on: which screen is in use, whether
the cursor is shown, what the mouse reports, colours, margins and character sets. This is no
terminal emulator: it does not know what stands on the screen.
"""

from __future__ import annotations

import re

from opcode_htmx.lib.late.patterns import late_pattern

_TAIL = 4096
"""An escape sequence that is longer is not waited for."""
_MOST = 64
"""Modes, and colours since the last reset, that are kept."""

_PRIVATE = late_pattern(rb"\x1b\[\?([0-9;]{1,60})([hl])")
_OTHER = late_pattern(
    rb"\x1b(?:"
    rb"(?P<keypad>[=>])"
    rb"|(?P<charset>[()*+][0-9A-Za-z])"
    rb"|\[(?P<ansi>4|20)(?P<on>[hl])"
    rb"|\[(?P<margins>[0-9;]{0,12})r"
    rb"|\[(?P<cursor>[0-9]{0,2}) q"
    rb"|\][02];(?P<title>[^\x07\x1b]{0,200})(?:\x07|\x1b\\)"
    rb")"
)
_RESET = late_pattern(rb"\x1b(?:c|\[!p)")
"""All of the terminal, or what most programs mean by that: without the screen in use."""
_KEPT_BY_SOFT_RESET = frozenset(
    {b"47", b"1047", b"1049", b"1000", b"1002", b"1003", b"1005", b"1006", b"1015", b"2004"}
)
_COLOURS = late_pattern(rb"\x1b\[([0-9;:]{0,60})m")
_RESET_COLOURS = (b"\x1b[m", b"\x1b[0m")
_COMPLETE = late_pattern(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])",
    re.DOTALL,
)
_ALTERNATE = (b"47", b"1047", b"1049")


class Modes:
    """Follows the output of one terminal."""

    def __init__(self) -> None:
        self._tail = b""
        """The beginning of an escape sequence, or of a character, that is not complete yet."""
        self._clear()

    def _clear(self) -> None:
        self._private: dict[bytes, bytes] = {}
        self._others: dict[bytes, bytes] = {}
        self._colours: list[bytes] = []

    @property
    def is_between(self) -> bool:
        """Whether the output so far ends between two characters, and in no escape sequence."""
        return not self._tail

    @property
    def unfinished(self) -> bytes:
        """The beginning of an escape sequence, or of a character, with which the output ends."""
        return self._tail

    @property
    def uses_alternate_screen(self) -> bool:
        """Whether a program with a screen of its own is there, such as an editor."""
        return any(self._private.get(mode) == b"h" for mode in _ALTERNATE)

    @property
    def title(self) -> bytes:
        """The title that the program has given; empty without one."""
        return self._others.get(b"title", b"")[4:-1]

    def feed(self, data: bytes) -> None:
        """Read on; the pieces may be cut anywhere."""
        text = self._tail + data
        self._tail = b""
        if b"\x1b" in text:
            self._note_all(text)
            begin = text.rfind(b"\x1b")
            if len(text) - begin <= _TAIL and not _COMPLETE.match(text, begin):
                # A string such as a title ends with an escape sequence of its own
                opened = max(text.rfind(b"\x1b" + each, 0, begin) for each in (b"]", b"P"))
                is_in_string = opened >= 0 and not _COMPLETE.match(text, opened)
                self._tail = text[opened if is_in_string else begin :][:_TAIL]
                return
        self._tail = _cut_character(text)

    def _note_all(self, text: bytes) -> None:
        at = 0
        for reset in _RESET.finditer(text):
            self._note(text[at : reset.start()])
            at = reset.end()
            kept = {} if reset[0] == b"\x1bc" else self._private
            self._clear()
            self._private = {
                mode: state for mode, state in kept.items() if mode in _KEPT_BY_SOFT_RESET
            }
        self._note(text[at:])

    def _note(self, text: bytes) -> None:
        for found in _OTHER.finditer(text):
            self._note_other(found)
        for found in _PRIVATE.finditer(text):
            for mode in found[1].split(b";"):
                self._private.pop(mode, None)
                if len(self._private) < _MOST:
                    self._private[mode] = found[2]
        at = max(text.rfind(each) for each in _RESET_COLOURS)
        if at >= 0:
            self._colours.clear()
        self._colours += _COLOURS.findall(text, at + 1)
        del self._colours[:-_MOST]

    def _note_other(self, found: re.Match[bytes]) -> None:
        sequence = found[0]
        if found["keypad"]:
            self._others[b"keypad"] = sequence
        elif found["charset"]:
            self._others[sequence[1:2]] = sequence
        elif found["ansi"]:
            self._others[found["ansi"]] = sequence
        elif found["margins"] is not None:
            self._others[b"margins"] = sequence
        elif found["cursor"] is not None:
            self._others[b"cursor"] = sequence
        elif found["title"] is not None:
            self._others[b"title"] = b"\x1b]2;" + found["title"] + b"\x07"

    def restores(self) -> bytes:
        """The escape sequences that bring a new terminal into these modes.

        Output that follows on the first screen was written further down: it begins at the bottom.
        """
        parts = [b"\x1b[?%s%s" % each for each in self._private.items()]
        parts += self._others.values()
        if not self.uses_alternate_screen:
            parts.append(b"\x1b[999;1H")
        parts += (b"\x1b[%sm" % colour for colour in self._colours)
        return b"".join(parts)


def _cut_character(text: bytes) -> bytes:
    """The first bytes of a UTF-8 character that is not complete at the end of `text`."""
    for back in range(1, min(4, len(text) + 1)):
        byte = text[-back]
        if byte < 0x80:
            return b""
        if byte >= 0xC0:
            needs = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF8 else 1
            return text[-back:] if needs > back else b""
    return b""
