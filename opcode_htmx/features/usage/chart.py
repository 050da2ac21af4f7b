"""The bars of a chart: days, or some days together where there are many. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from opcode_htmx.features.usage.query import date_of, today
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.index.usage.figures import DayCosts

MOST_BARS = 62
HEIGHT = 100.0
STEP, WIDTH = 10, 8
"""Of a bar, in the units of the drawing; between two bars there is a gap."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its places in the drawing, from the top; the upper part is that of subagents."""

    label: str
    x: int
    top: float
    agents: float
    """The height of the upper part."""
    main: float
    amount: int
    """A cost, or a number of tokens."""


@dataclass(frozen=True, slots=True)
class Chart:
    bars: tuple[Bar, ...]
    most: int
    """The amount of the highest bar."""
    is_cost: bool
    """Whether amounts are costs, in trillionths of a dollar, or tokens."""
    days_of_bar: int

    @property
    def width(self) -> int:
        return len(self.bars) * STEP


def chart_of(days: Mapping[int, DayCosts], first: int | None, last: int | None) -> Chart | None:
    """None without a dated answer. `first` and `last` are the days of the range, if it has any."""
    dated = {day: costs for day, costs in days.items() if day >= 0}
    if not dated:
        return None
    begin = min(dated) if first is None else first
    end = max(max(dated), begin) if last is None else last
    begin, end = max(begin, min(dated) - MOST_BARS), min(end, max(dated) + MOST_BARS)
    span = end - begin + 1
    weeks = -(-span // (28 * MOST_BARS)) * 28
    size = next((each for each in (1, 7) if span <= each * MOST_BARS), weeks)
    is_cost = any(each.cost for each in dated.values())
    whole, agents = dict[int, int](), dict[int, int]()
    for day, sums in dated.items():
        at = (day - begin) // size
        whole[at] = whole.get(at, 0) + (sums.cost if is_cost else sums.tokens)
        agents[at] = agents.get(at, 0) + (sums.agent_cost if is_cost else 0)
    most = max(whole.values())
    bars = []
    for at in range(-(-span // size)):
        height = HEIGHT * whole.get(at, 0) / most if most else 0.0
        upper = HEIGHT * agents.get(at, 0) / most if most else 0.0
        label = label_of(begin + at * size, size)
        bars.append(
            Bar(
                label,
                at * STEP + 1,
                round(HEIGHT - height, 2),
                round(upper, 2),
                round(height - upper, 2),
                whole.get(at, 0),
            )
        )
    return Chart(tuple(bars), most, is_cost, size)


def label_of(day: int, size: int = 1) -> str:
    """A day as `28 Nov`, or `28 Nov 2025` in another year; several as `22 Nov to 28 Nov 2026`."""
    if day < 0:
        return "Without a date"
    first = date_of(day)
    text = f"{first.day} {first:%b}"
    if size == 1:
        return text if first.year == date_of(today()).year else f"{text} {first.year}"
    last = date_of(day + size - 1)
    return f"{text} to {last.day} {last:%b %Y}"
