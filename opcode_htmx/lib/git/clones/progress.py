"""Read how far git is from what it writes to stderr. Pure; keeps no text of the remote's."""

from __future__ import annotations

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

_STEP = late_pattern(
    rb"(?:remote: )?(Enumerating|Counting|Compressing|Receiving|Resolving|Unpacking|Updating) "
    rb"(objects|deltas|files): +(\d{1,3})% \(\d{1,12}/\d{1,12}\)(?:, ([0-9.]{1,12} [KMG]?i?B))?"
)
_LONGEST = 400
"""Bytes of a line; the rest of a longer one is dropped."""
_WORDS = {
    b"Enumerating": "Preparing at the other end",
    b"Counting": "Preparing at the other end",
    b"Compressing": "Preparing at the other end",
    b"Receiving": "Receiving",
    b"Unpacking": "Receiving",
    b"Resolving": "Putting together",
    b"Updating": "Writing files",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """What git does, in words; `percent` of this step; `received` such as `1.20 MiB`, or empty."""

    step: str = ""
    percent: int = 0
    received: str = ""


class ProgressReader:
    """Follows git's stderr, piece by piece."""

    def __init__(self) -> None:
        self._rest = b""
        self.newest = Progress()

    def feed(self, piece: bytes) -> None:
        """Take further bytes of stderr; lines end with CR or LF."""
        *lines, rest = (self._rest + piece).replace(b"\r", b"\n").split(b"\n")
        self._rest = rest[-_LONGEST:]
        for line in lines:
            if match := _STEP.match(line[:_LONGEST]):
                received = match[4].decode() if match[4] else self.newest.received
                self.newest = Progress(_WORDS[match[1]], min(100, int(match[3])), received)
