"""Time zones by their IANA names: that of this computer, and those that can be chosen.

Every start asks for the first: `zoneinfo`, which reads how Python was built, is imported later.
"""

from __future__ import annotations

import contextlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

UTC = "UTC"
_LOCALTIME = Path("/etc/localtime")
_SYSTEM, _FOLDER = "/usr/share", "/zoneinfo/"


class UnknownZone(ValueError):
    """There is no time zone with a name; the text says so."""


@cache
def names() -> tuple[str, ...]:
    """The names of all zones, in alphabetical order."""
    from zoneinfo import available_timezones

    return tuple(sorted(name for name in available_timezones() if name != "localtime"))


def zone(name: str) -> ZoneInfo:
    """The time zone with a name. Raises UnknownZone."""
    if name not in names():
        raise UnknownZone(f"There is no time zone “{name[:60]}”.")
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def _is_there(name: str) -> bool:
    """Without a list of all, which takes 30 ms to make; those below `posix` are no other zones."""
    if not name or name == "localtime" or name.startswith(("posix", "right/")):
        return False
    from zoneinfo import ZoneInfo

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
        folder, _, name = place.rpartition(_FOLDER)
        if (folder == _SYSTEM and Path(place).is_file()) or _is_there(name):
            return name
    return UTC
