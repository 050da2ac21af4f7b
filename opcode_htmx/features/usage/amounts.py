"""Costs, tokens and times as they are shown."""

from __future__ import annotations

import time

from flask import Blueprint

from opcode_htmx.engines.claude.protocol.usage.entries import PICO
from opcode_htmx.sessions.index.usage.figures import Sums


def dollars(cost: int) -> str:
    """`$1,234.56`; a smaller amount than a cent as `under $0.01`."""
    if 0 < cost < PICO // 200:
        return "under $0.01"
    return f"-${-cost / PICO:,.2f}" if cost <= -PICO // 200 else f"${abs(cost) / PICO:,.2f}"


def cost_of(sums: Sums) -> str:
    """The cost of sums: `unknown` without any price, `$2.00 and more` with some unknown ones."""
    if not sums.has_cost:
        return "unknown"
    return dollars(sums.cost) if sums.is_known else f"{dollars(sums.cost)} + unknown"


def short(amount: int) -> str:
    """`950`, `12.3k`, `4.56M`, `1.2B`."""
    for size, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if amount >= size:
            value = amount / size
            return f"{value:.0f}{unit}" if value >= 100 else f"{value:.3g}{unit}"
    return str(amount)


def worked(seconds: int) -> str:
    """`45 s`, `12 min`, `3 h 20 min`, `120 h`."""
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes and hours < 100 else f"{hours:,} h"


def clock(seconds: float) -> str:
    """A Unix time as `16:40`, with its day where that is not today."""
    moment, now = time.localtime(seconds), time.localtime()
    text = time.strftime("%H:%M", moment)
    if moment[:3] == now[:3]:
        return text
    return f"{time.strftime('%a', moment)} {moment.tm_mday} {time.strftime('%b', moment)}, {text}"


def install(pages: Blueprint) -> None:
    """Make them filters of the templates."""
    for each in (dollars, cost_of, short, worked, clock):
        pages.add_app_template_filter(each, f"usage_{each.__name__}")
