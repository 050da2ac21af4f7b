"""What is left of the plan's limits, as Claude reported it last, and what it says of costs.

One small file for all workers. A limit is forgotten when it has been reset.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.protocol.usage.entries import pico_dollars
from opcode_htmx.engines.plan_limits import LimitWindow
from opcode_htmx.lib.coerce import LATEST
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.json_fields import number
from opcode_htmx.lib.files.json_files import JsonFileSchema

FILE = "usage.json"
VERSION = 1
MOST_COSTS = 500
"""Sessions whose cost is kept as Claude said it last."""
MOST_COST = 1e18
"""Of a session, in trillionths of a dollar."""
NAMES = {
    "five_hour": "5-hour limit",
    "seven_day": "Weekly limit",
    "seven_day_opus": "Weekly limit for Opus",
    "seven_day_sonnet": "Weekly limit for Sonnet",
    "seven_day_overage_included": "Weekly limit for some models",
}
_HOUR = 3600.0
_LENGTHS = {"five_hour": 5 * _HOUR}
_WEEK = 7 * 24 * _HOUR
_LEAST_ELAPSED = 0.02
"""The part of a window before which its pace says nothing."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as it was reported at the Unix time `at`."""

    window: LimitWindow
    at: float

    @property
    def name(self) -> str:
        return NAMES.get(self.window.kind, "Limit")

    @property
    def percent(self) -> int | None:
        """What is used; 100 only where nothing is left."""
        used = self.window.used
        return None if used is None else 100 if used >= 1 else min(99, round(100 * used))

    @property
    def left(self) -> int | None:
        return None if self.percent is None else 100 - self.percent

    @property
    def full_at(self) -> float | None:
        """When it is used up at the pace since it began, as a Unix time; None if it is not before
        the reset, or if that cannot be known.
        """
        used, resets_at = self.window.used, self.window.resets_at
        if used is None or resets_at is None or not 0 < used < 1:
            return None
        length = _LENGTHS.get(self.window.kind, _WEEK)
        elapsed = self.at - (resets_at - length)
        if not _LEAST_ELAPSED * length <= elapsed <= length:
            return None
        full = self.at + elapsed * (1 - used) / used
        return full if full < resets_at else None


@dataclass(frozen=True, slots=True)
class _Content:
    limits: Mapping[str, Limit]
    costs: Mapping[str, int]
    asked: float


_EMPTY = _Content({}, {}, 0.0)


class PlanLimits:
    """The limits, and the costs of sessions as Claude said them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = CachedJsonFiles(_SCHEMA, 1)

    def current(self, now: float | None = None) -> list[Limit]:
        """The limits that were not reset since, in the order of NAMES."""
        now = time.time() if now is None else now
        limits = self._load().limits
        return [
            limits[kind]
            for kind in NAMES
            if kind in limits and (limits[kind].window.resets_at or now + 1) > now
        ]

    @property
    def asked_at(self) -> float:
        """When Claude was asked for them last, as a Unix time."""
        return self._load().asked

    def cost_of(self, session_id: str) -> int | None:
        """What Claude has said a session cost, in trillionths of a dollar."""
        return self._load().costs.get(session_id)

    def report(
        self,
        windows: Iterable[LimitWindow],
        *,
        at: float,
        session_id: str = "",
        cost_usd: float | None = None,
        was_asked: bool = False,
    ) -> None:
        """Keep what Claude has reported. Raises OSError, DiskFull among them."""
        with file_locks.held(self._path.with_name(f"{FILE}.lock")):
            old = self._load()
            limits = {**old.limits}
            for each in windows:
                known = limits.get(each.kind)
                if each.used is None and known and known.window.resets_at == each.resets_at:
                    continue  # it says less than is known
                limits[each.kind] = Limit(each, at)
            costs = dict(old.costs)
            cost = pico_dollars(cost_usd)
            if session_id and cost is not None:
                costs.pop(session_id, None)
                costs[session_id] = cost
            content = {
                "limits": [{**asdict(each.window), "at": each.at} for each in limits.values()],
                "costs": dict(list(costs.items())[-MOST_COSTS:]),
                "asked": at if was_asked else old.asked,
            }
            self._files.write(self._path, content, durable=False)

    def _load(self) -> _Content:
        return self._files.read(self._path) or _EMPTY


def _parse(found: dict[str, Any]) -> _Content:
    limits = {
        str(each["kind"]): Limit(
            LimitWindow(
                str(each["kind"]),
                None if each["used"] is None else number(each["used"]),
                None if each["resets_at"] is None else number(each["resets_at"], LATEST),
            ),
            number(each["at"], LATEST),
        )
        for each in found["limits"]
    }
    costs = {str(session): int(number(cost, MOST_COST)) for session, cost in found["costs"].items()}
    return _Content(limits, costs, number(found["asked"], LATEST))


_SCHEMA = JsonFileSchema(VERSION, _parse)
