"""Time zones by their IANA names: that of this computer, and those that can be chosen."""

from __future__ import annotations

import contextlib
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

UTC = "UTC"
_LOCALTIME = Path("/etc/localtime")
_FOLDER = "/zoneinfo/"


class UnknownZone(ValueError):
    """There is no time zone with a name; the text says so."""


@cache
def names() -> tuple[str, ...]:
    """The names of all zones, in alphabetical order."""
    return tuple(sorted(name for name in available_timezones() if name != "localtime"))


def zone(name: str) -> ZoneInfo:
    """The time zone with a name. Raises UnknownZone."""
    if name not in names():
        raise UnknownZone(f"There is no time zone “{name[:60]}”.")
    return ZoneInfo(name)


def _is_there(name: str) -> bool:
    """Without a list of all, which takes 30 ms to make; those below `posix` are no other zones."""
    if not name or name == "localtime" or name.startswith(("posix", "right/")):
        return False
    try:
        return bool(ZoneInfo(name))
    except (OSError, ValueError, LookupError):
        return False


def of_server(variable: str) -> str:
    """The name of this computer's zone; UTC if none is known.

    `variable` is the value of TZ in the environment, which comes first.
    """
    places = [variable.removeprefix(":")]
    with contextlib.suppress(OSError):
        places.append(str(_LOCALTIME.resolve()))
    for place in places:
        name = place.rpartition(_FOLDER)[2]
        if _is_there(name):
            return name
    return UTC
