"""The resources that processes use: memory as it is, CPU as the difference of two readings."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.processes import process_table
from opcode_htmx.runs.processes.process_table import Row

CPU_SECONDS, OLD_SECONDS = 0.5, 30.0
"""The shortest and the longest time over which CPU usage is measured."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources that a run uses, with all that it has started."""

    memory_bytes: int = 0
    """Resident. Shared memory counts for each process."""
    cpu_percent: float = 0.0
    """Of one core."""
    processes: int = 0


class Readings:
    """What was read of processes before, by pid."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Mapping[int, Row]]] = deque(maxlen=2)
        """With its time: CPU_SECONDS apart, so that one of the two is old enough."""

    @property
    def newest_at(self) -> float:
        """When the newest one was; minus infinity without one."""
        return self._kept[-1][0] if self._kept else float("-inf")

    def note(self, at: float, rows: Mapping[int, Row]) -> None:
        """`rows` were read at a time of the monotonic clock."""
        if not self._kept or at - self._kept[-1][0] >= CPU_SECONDS:
            self._kept.append((at, rows))

    def usage(self, rows: Sequence[Row], at: float) -> Usage:
        """The resources that processes use which were read at that time."""
        cpu = sum(self._busy(row, at) for row in rows)
        return Usage(sum(row.memory_bytes for row in rows), 100 * cpu, len(rows))

    def _busy(self, row: Row, at: float) -> float:
        """The share of a core that a process uses: recently or, if it is new to us, on average."""
        for before, rows in reversed(self._kept):
            seconds = at - before
            if not CPU_SECONDS <= seconds < OLD_SECONDS:
                continue
            earlier = rows.get(row.pid)
            known = earlier is not None and earlier.key == row.key
            used = row.cpu_seconds - (earlier.cpu_seconds if earlier and known else 0.0)
            if known or process_table.age(row.key) <= seconds:
                return used / seconds
        return row.cpu_seconds / max(process_table.age(row.key), CPU_SECONDS)
