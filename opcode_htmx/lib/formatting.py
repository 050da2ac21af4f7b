"""Format numbers of bytes, durations and titles for people."""

from __future__ import annotations


def format_bytes(size: float) -> str:
    """`12 KB`, `3.4 MB`, `1.5 GB`."""
    if size < 1_000_000:
        return f"{max(1, round(size / 1000))} KB"
    if size < 1_000_000_000:
        return f"{size / 1_000_000:.1f} MB"
    return f"{size / 1_000_000_000:.1f} GB"


def count(amount: int, noun: str, plural: str = "") -> str:
    """`1 session`, `2 sessions`; with `plural` where that has another ending."""
    return f"{amount:,} {noun if amount == 1 else plural or f'{noun}s'}"


def round_to_one_digit(size: float) -> float:
    """Round down to one significant digit, so that a shown value changes seldom.

    `size` must be at least 1.
    """
    step = float(f"1e{len(str(int(size))) - 1}")
    return size // step * step


def format_duration(seconds: float) -> str:
    """`45 seconds`, `90 minutes`, `2 hours`, `30 days`. `seconds` must not be negative."""
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= 2 * unit or unit == 1 or seconds == unit:
            amount = f"{round(seconds / unit, 1):g}"
            return f"{amount} {name}" if amount == "1" else f"{amount} {name}s"
    raise AssertionError


def one_line(text: str, longest: int) -> str:
    """A text on one line of at most `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
