"""Keeps the sums of what answers have used, each answer counted once over all history files.

An answer that stands in several files (a session was forked, or resumed into a new file) is
counted in the one that was there first: lines that say that they are copies come last, then newer
files. The figures of an answer are not stored; where one changes its file, the file is counted
again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from opcode_htmx.sessions.index.usage.answers import OWN, REWOUND, SUMS, Answer, Counted

AT_ONCE = 500
MOST = 10**18
"""Of a sum: a made-up history claims more, and a larger one does not fit into the database."""
_ADD = (
    f"INSERT INTO spent (file, day, model, kind, {', '.join(SUMS)})"  # noqa: S608 - own names
    f" VALUES ({', '.join('?' * (4 + len(SUMS)))})"
    " ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{name} = min({name} + excluded.{name}, {MOST})" for name in SUMS)
)


class Ledger:
    """The tables `answer`, `copy` and `spent`. The caller holds a transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def add(
        self,
        file: int,
        answers: Mapping[int, Answer],
        names: Mapping[str, int],
        rewound: frozenset[int] | set[int] = frozenset(),
        *,
        last: Counted | None = None,
    ) -> set[int] | None:
        """Count new answers of a file; the other files that are to be counted again.

        `names` are the numbers of models; `rewound` the starts of rewound lines. None, with nothing
        changed, where the file itself is to be counted again: one of its answers was counted
        already, and is not `last`, the newest one that was.
        """
        owners = self._owners(answers)
        repeated = {message for message, owner in owners.items() if abs(owner) == file}
        if repeated - ({last.message} if last else set()):
            return None
        if repeated and last:  # its figures are replaced; what led to it has led to it
            less = *(-figure for figure in last.figures), *(0 for _ in SUMS[OWN:])
            if last.model not in names:
                return None
            self._database.execute(_ADD, (file, last.day, names[last.model], last.kind, *less))
        return self._count(file, answers, owners, names, rewound)

    def replace(
        self,
        file: int,
        answers: Mapping[int, Answer],
        names: Mapping[str, int],
        rewound: frozenset[int] | set[int],
    ) -> set[int]:
        """Count all answers of a file again; the other files that are to be counted again."""
        self._database.execute("DELETE FROM spent WHERE file = ?", (file,))
        return self._count(file, answers, self._owners(answers), names, rewound)

    def forget(self, files: Iterable[int]) -> set[int]:
        """Remove files; those that are to be counted again because they hold copies."""
        gone, execute = list(files), self._database.execute
        marks = ", ".join("?" * len(gone))
        execute(f"DELETE FROM copy WHERE file IN ({marks})", gone)  # noqa: S608
        affected = set[int]()
        if execute("SELECT EXISTS (SELECT 1 FROM copy)").fetchone()[0]:
            held = execute(
                "SELECT DISTINCT file FROM copy WHERE message IN"  # noqa: S608
                f" (SELECT message FROM answer WHERE abs(file) IN ({marks}))",
                gone,
            )
            affected = {each for (each,) in held}
        execute(f"DELETE FROM answer WHERE abs(file) IN ({marks})", gone)  # noqa: S608
        execute(f"DELETE FROM spent WHERE file IN ({marks})", gone)  # noqa: S608
        return affected

    def _owners(self, answers: Mapping[int, Answer]) -> dict[int, int]:
        """The files that answers are counted in, negative where their lines are copies there."""
        found: dict[int, int] = {}
        keys = list(answers)
        for at in range(0, len(keys), AT_ONCE):
            some = keys[at : at + AT_ONCE]
            found.update(
                self._database.execute(
                    "SELECT message, file FROM answer WHERE message IN"  # noqa: S608
                    f" ({', '.join('?' * len(some))})",
                    some,
                )
            )
        return found

    def _count(
        self,
        file: int,
        answers: Mapping[int, Answer],
        owners: Mapping[int, int],
        names: Mapping[str, int],
        rewound: frozenset[int] | set[int],
    ) -> set[int]:
        losers, owned, copies = set[int](), list[tuple[int, int]](), list[tuple[int, int]]()
        sums: dict[tuple[int, int, int], list[int]] = {}
        for message, each in answers.items():
            mine = -file if each.is_copy else file
            owner = owners.get(message)
            if owner is not None and abs(owner) != file:
                if _rank(owner) < _rank(mine):
                    copies.append((message, file))
                    continue
                copies.append((message, abs(owner)))
                losers.add(abs(owner))
            if owner != mine:
                owned.append((message, mine))
            kind = each.kind | (REWOUND if each.start in rewound else 0)
            key = each.day, names[each.model], kind
            total = sums.get(key)
            if total is None:
                sums[key] = list(each.figures)
            else:
                for at, figure in enumerate(each.figures):
                    total[at] += figure
        many = self._database.executemany
        many("INSERT OR REPLACE INTO answer VALUES (?, ?)", sorted(owned))
        many("INSERT OR IGNORE INTO copy VALUES (?, ?)", copies)
        many(_ADD, [(file, *key, *(min(each, MOST) for each in s)) for key, s in sums.items()])
        return losers


def _rank(owner: int) -> tuple[bool, int]:
    return owner < 0, abs(owner)
