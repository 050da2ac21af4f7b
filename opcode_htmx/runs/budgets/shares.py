"""What a terminal has cost of a session in which others may have worked meanwhile.

Nobody says whose a cost in the file of a session is. Totals of a session only grow, so each entry
of the ledger stands for a span of them, and what several spans have in common counts once.
"""

from __future__ import annotations

import time
from dataclasses import replace
from math import inf
from pathlib import Path

from opcode_htmx.lib.files.json_fields import MOST
from opcode_htmx.runs.budgets.figures import Ledger, Spent, day_of, project_of

SHARE = "terminal-"
"""How the names of these entries begin."""


def begun(ledger: Ledger, name: str, session_id: str, project: Path, total: float) -> Ledger:
    """With an open share that begins at `total`; the same where it is open already."""
    known = ledger.get(name)
    if (known and known.is_open) or not 0 <= total <= MOST:
        return ledger
    known = known or Spent(session_id, project_of(project), total)
    today = _today()
    days = {**known.days, today: known.days.get(today, 0.0)}
    return _with(ledger, name, replace(known, total=total, days=days, at=time.time(), is_open=True))


def grown(ledger: Ledger, name: str, total: float) -> Ledger:
    """With what a session has cost up to `total`, as far as no other entry has counted it since."""
    known = ledger.get(name)
    if not known or not known.is_open or not known.total < total <= MOST:
        return ledger
    today, more = _today(), 0.0
    at = known.total
    for begin, end in _spans_of_others(ledger, name, known, total):
        more += max(0.0, min(begin, total) - at)
        at = max(at, end)
    more += max(0.0, total - at)
    days = {**known.days, today: known.days.get(today, 0.0) + more}
    return _with(ledger, name, replace(known, total=total, spent=known.spent + more, days=days))


def _spans_of_others(
    ledger: Ledger, name: str, known: Spent, total: float
) -> list[tuple[float, float]]:
    """What others have counted that may be in a total of the file.

    A larger one that was noted before is not in it: its process was killed.
    """
    return sorted(
        (each.begins, inf if each.is_torn else each.total)
        for other, each in ledger.items()
        if other != name
        and each.session_id == known.session_id
        and each.spent
        and (each.at >= known.at or each.total <= total)
    )


def given_back(ledger: Ledger, session_id: str, begin: float, end: float) -> Ledger:
    """Without what shares have counted between two totals: a run has reported it itself, late."""
    found = dict(ledger)
    for name, each in ledger.items():
        if name.startswith(SHARE) and each.session_id == session_id and each.spent:
            less = min(end, each.total) - max(begin, each.total - each.spent)
            if less > 0:
                day = max(each.days)
                days = {**each.days, day: max(0.0, each.days[day] - less)}
                found[name] = replace(each, spent=max(0.0, each.spent - less), days=days)
    return found


def closed(ledger: Ledger, name: str) -> Ledger:
    """With a share to which nothing is added any more."""
    known = ledger.get(name)
    if not known or not known.is_open:
        return ledger
    return {**ledger, name: replace(known, is_open=False)}


def _with(ledger: Ledger, name: str, spent: Spent) -> Ledger:
    """The last one noted is the newest."""
    return {**{other: each for other, each in ledger.items() if other != name}, name: spent}


def _today() -> str:
    return day_of(time.time())
