"""How far a viewer of a session has come; the same means the same to every server."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CURSOR = re.compile(r"([0-9]{1,6}):([0-9]{1,15}):([0-9]{1,15})(?::([0-9a-f-]{1,600}))?")


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a viewer has: the newest run up to `revision`, and the history file up to `history`.

    Both are byte offsets. `left` names the branches that the page has folded.
    """

    run: int = 0
    """The number of the run; 0 where there is none."""
    revision: int = 0
    history: int = 0
    left: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The cursor that `text` holds; the very beginning if it holds none."""
        match = _CURSOR.fullmatch(text)
        if match is None:
            return cls()
        left = match[4].split("-") if match[4] else []
        return cls(int(match[1]), int(match[2]), int(match[3]), tuple(left))

    def __str__(self) -> str:
        left = f":{'-'.join(self.left)}" if self.left else ""
        return f"{self.run}:{self.revision}:{self.history}{left}"
