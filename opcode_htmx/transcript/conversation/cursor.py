"""Cursors: how much of a session a viewer has. They mean the same to every server."""

from __future__ import annotations

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

_CURSOR = late_pattern(r"([0-9]{1,6}):([0-9]{1,15}):([0-9]{1,15})(?::([0-9a-f-]{1,600}))?")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A viewer has the newest run up to `revision`, and the history file up to `history`.

    Both are byte offsets. `branches` names the abandoned branches that the page has collapsed.
    """

    run: int = 0
    """The number of the run; 0 if there is none."""
    revision: int = 0
    history: int = 0
    branches: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The cursor in `text`; the start of the session if it is none."""
        match = _CURSOR.fullmatch(text)
        if match is None:
            return cls()
        branches = match[4].split("-") if match[4] else []
        return cls(int(match[1]), int(match[2]), int(match[3]), tuple(branches))

    def __str__(self) -> str:
        branches = f":{'-'.join(self.branches)}" if self.branches else ""
        return f"{self.run}:{self.revision}:{self.history}{branches}"
