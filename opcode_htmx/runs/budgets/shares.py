"""What a terminal has cost of a session in which others may have worked meanwhile.

Nobody says whose a cost in the file of a session is. Totals of a session only grow, so each entry
of the ledger stands for a span of them, and what several spans have in common counts once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf
from pathlib import Path

from opcode_htmx.lib.files.json_fields import MOST
from opcode_htmx.runs.budgets.ledger import Ledger, Spent, day_of, project_of

SHARE = "terminal-"
"""How the names of these entries begin."""
_Span = tuple[float, float]
_NOTHING = ((0.0, 0.0),)
"""The spans of an entry all of which was given back."""


def begun(ledger: Ledger, name: str, session_id: str, project: Path, total: float) -> Ledger:
    """With an open share that begins at `total`; the same where it is open already."""
    known = ledger.get(name)
    if (known and known.is_open) or not 0 <= total <= MOST:
        return ledger
    known = known or Spent(session_id, project_of(project), total)
    today, spans = _today(), _spans(known)
    days = {**known.days, today: known.days.get(today, 0.0)}
    share = replace(known, total=total, days=days, at=time.time(), is_open=True, spans=spans)
    return _with(ledger, name, share)


def grown(ledger: Ledger, name: str, total: float) -> Ledger:
    """With what a session has cost up to `total`, as far as no other entry has counted it since."""
    known = ledger.get(name)
    if not known or not known.is_open or not known.total < total <= MOST:
        return ledger
    today, at = _today(), known.total
    new = list[_Span]()
    for begin, end in _spans_of_others(ledger, name, known, total):
        if begin > at:
            new.append((at, min(begin, total)))
        at = max(at, end)
    if total > at:
        new.append((at, total))
    more = _length(new)
    days = {**known.days, today: known.days.get(today, 0.0) + more}
    spans = _joined(*_spans(known), *new)
    share = replace(known, total=total, spent=known.spent + more, days=days, spans=spans)
    return _with(ledger, name, share)


def _spans_of_others(ledger: Ledger, name: str, known: Spent, total: float) -> list[_Span]:
    """What others have counted that may be in a total of the file.

    A larger one that was noted before is not in it: its process was killed.
    """
    return sorted(
        span
        for other, each in ledger.items()
        if other != name
        and each.session_id == known.session_id
        and each.spent
        and (each.at >= known.at or each.total <= total)
        for span in ([(each.begins, inf)] if each.is_torn else _spans(each))
    )


def given_back(ledger: Ledger, session_id: str, begin: float, end: float) -> Ledger:
    """Without what shares have counted between two totals: a run has reported it itself, late."""
    found = dict(ledger)
    for name, each in ledger.items():
        if name.startswith(SHARE) and each.session_id == session_id and each.spent:
            spans, left = _spans(each), list[_Span]()
            for first, last in spans:
                left += [(first, min(last, begin)), (max(first, end), last)]
            kept = _joined(*left)
            less = _length(spans) - _length(kept)
            if less > 0:
                # its total is kept, even where nothing of it is counted any more
                found[name] = replace(
                    each,
                    spent=max(0.0, each.spent - less),
                    days=_without(each.days, less),
                    spans=kept or _NOTHING,
                )
    return found


def _without(days: Mapping[str, float], amount: float) -> dict[str, float]:
    """Days of which an amount is taken away, from the newest first."""
    found = dict(days)
    for day in sorted(found, reverse=True):
        taken = min(amount, found[day])
        found[day] -= taken
        amount -= taken
    return found


def _spans(spent: Spent) -> tuple[_Span, ...]:
    """From which to which total an entry has counted."""
    return spent.spans or (((spent.begins, spent.total),) if spent.spent else ())


def _joined(*spans: _Span) -> tuple[_Span, ...]:
    """Spans in order, without empty ones; those that meet as one."""
    found = list[_Span]()
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        elif end > begin:
            found.append((begin, end))
    return tuple(found)


def _length(spans: Iterable[_Span]) -> float:
    return sum(end - begin for begin, end in spans)


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
