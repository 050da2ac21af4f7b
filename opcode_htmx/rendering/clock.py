"""Format times for pages; a phone may be in another time zone than this computer."""

from __future__ import annotations

from datetime import UTC, datetime


def local_time(seconds: float) -> str:
    """A Unix time as this computer's local time with its offset from UTC, and the day."""
    local = datetime.fromtimestamp(seconds).astimezone()
    offset = local.utcoffset()
    minutes = round(offset.total_seconds() / 60) if offset else 0
    hours, rest = divmod(abs(minutes), 60)
    zone = f"{'+' if minutes > 0 else '−'}{hours}{f':{rest:02}' if rest else ''}" if minutes else ""
    return f"{local:%H:%M} UTC{zone}, {local.day} {local:%b}"


def time_of_day(seconds: float) -> str:
    """A Unix time as this computer's local time of day."""
    return f"{datetime.fromtimestamp(seconds):%H:%M}"


def iso_time(seconds: float) -> str:
    """A Unix time for a `datetime` attribute, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
