"""What runs and a terminal have cost in one session counts once, in whatever order it is noted."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from opcode_htmx.runs.budgets import shares
from opcode_htmx.runs.budgets.spending import Spending
from tests.runs.budgets.projects import ORCHARD

NAME = f"{shares.SHARE}a-s1"


class Desk:
    """A session, in which runs, a terminal and strangers work by turns or at once."""

    def __init__(self, folder: Path, random: Random) -> None:
        self.spending = Spending(folder / "spending.json", folder / "lock")
        self.random = random
        self.total = 0.0
        self.counted: list[tuple[float, float]] = []
        """From which to which total a run or the terminal has worked."""
        self.late: list[tuple[str, float, float]] = []
        self.opened: float | None = None

    def run(self) -> None:
        begin = self.total
        self.total += self.random.choice([0.25, 0.5, 1.0])
        self.counted.append((begin, self.total))
        self.late.append((f"r{len(self.counted)}", begin, self.total))
        if self.random.random() < 0.5:
            self.report(-1)

    def report(self, number: int = 0) -> None:
        if self.late:
            name, begin, total = self.late.pop(number)
            self.spending.record(name, "s1", ORCHARD, total, before=begin)

    def open(self) -> None:
        if self.opened is None:
            self.opened = self.total
            self.spending.change(
                lambda ledger: shares.begun(ledger, NAME, "s1", ORCHARD, self.total)
            )

    def close(self) -> None:
        if self.opened is not None:
            self.total += self.random.choice([0.0, 0.25, 0.5])
            self.counted.append((self.opened, self.total))
            self.opened = None
            self.spending.change(
                lambda ledger: shares.closed(shares.grown(ledger, NAME, self.total), NAME)
            )

    def stranger(self) -> None:
        if self.opened is None:
            self.total += 0.5

    def union(self) -> float:
        found = at = 0.0
        for begin, end in sorted(self.counted):
            found += max(0.0, end - max(begin, at))
            at = max(at, end)
        return found


@pytest.mark.parametrize("seed", range(40))
def test_a_cost_counts_once(tmp_path: Path, seed: int) -> None:
    desk = Desk(tmp_path, Random(seed))  # noqa: S311 - the same in each run
    acts = [desk.run, desk.report, desk.open, desk.close, desk.stranger]
    for _ in range(20):
        desk.random.choice(acts)()
    desk.close()
    while desk.late:
        desk.report()
    assert desk.spending.of_today() == pytest.approx(desk.union())
