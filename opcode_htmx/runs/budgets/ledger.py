"""The ledger: what each run has cost, and on which days; as values, and as files have it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from opcode_htmx.lib.coerce import LATEST
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.json_fields import MOST, number
from opcode_htmx.lib.git import worktrees
from opcode_htmx.runs.budgets.amounts import NEGLIGIBLE

_WORKTREES = (".claude", "worktrees")
"""Where the worktrees of a project are, each in a folder of its name."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one run has cost. `total` is the last one of its session that was seen."""

    session_id: str
    project: str
    total: float
    spent: float = 0.0
    days: Mapping[str, float] = field(default_factory=dict)
    at: float = 0.0
    """When `total` was taken; 0 in what earlier versions noted."""
    is_open: bool = False
    """Of a terminal, whose total its session's file has yet to say."""
    begin: float | None = None
    """Where in the session's totals it has begun to count; None: `spent` before `total`."""
    spans: tuple[tuple[float, float], ...] = ()
    """Of a terminal: from which to which total it has counted, in order, without what a run has
    reported itself. Empty: `spent` before `total`, as in what earlier versions noted.
    """

    @property
    def begins(self) -> float:
        return self.total - self.spent if self.begin is None else self.begin

    @property
    def is_torn(self) -> bool:
        """Whether it has counted more than its total: nobody knows from where."""
        return self.begin is None and self.spent > self.total + NEGLIGIBLE

    def as_json(self) -> dict[str, Any]:
        return {  # asdict takes ten times as long, and there may be thousands
            "session_id": self.session_id,
            "project": self.project,
            "total": self.total,
            "spent": self.spent,
            "days": [{"day": day, "spent": spent} for day, spent in self.days.items()],
            "at": self.at,
            **({"is_open": True} if self.is_open else {}),
            **({} if self.begin is None else {"begin": self.begin}),
            **({"spans": self.spans} if self.spans else {}),
        }


Ledger = dict[str, Spent]


def parse_ledger(found: dict[str, Any]) -> Ledger:
    return {
        str(run_id): Spent(
            str(each["session_id"]),
            project_of(Path(each["project"])),
            number(each["total"], MOST),
            number(each["spent"], MOST),
            {str(part["day"]): number(part["spent"], MOST) for part in each["days"]},
            number(each.get("at", 0.0), LATEST),
            bool(each.get("is_open", False)),
            number(each["begin"], MOST) if "begin" in each else None,
            tuple((number(begin), number(end)) for begin, end in each.get("spans", ())),
        )
        for run_id, each in found["runs"].items()
    }


def day_of(moment: float) -> str:
    """The day of a point in time, where this server is, as `2026-11-29`."""
    return time.strftime("%Y-%m-%d", time.localtime(moment))


def project_of(path: Path) -> str:
    """The folder that a path counts to: work in a worktree of a project is work on the project."""
    parts = path.parts
    for at in range(1, len(parts) - len(_WORKTREES)):
        if parts[at : at + len(_WORKTREES)] == _WORKTREES:
            # what follows the name of the worktree is a folder in the project as well
            return str(Path(*parts[:at], *parts[at + len(_WORKTREES) + 1 :]))
    return str(worktrees.project_of(path))
