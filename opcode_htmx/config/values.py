"""Types of setting values: annotated types that parse and check a text.

Knows no variable's name. A parser raises ValueError with the end of a sentence that begins with
the name. Pure, except that `Folders` checks that its folders exist. Parsers of paths take the home
folder from the model that the field belongs to.
"""

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any

from opcode_htmx.config.declarations import Parser
from opcode_htmx.lib.late.patterns import late_pattern

PERMISSION_MODES = ("default", "acceptEdits", "plan", "bypassPermissions")
KEEP_OR_STOP = ("keep", "stop")
MIN_GRACE = 5
MAX_WORKERS = 16
MAX_LOGIN_DAYS = 400
"""Browsers keep a cookie no longer."""
MIN_LINE = 100_000

_TOKEN_TEXT = late_pattern(r"[!-~]{0,1000}")
_HOST = late_pattern(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_ORIGIN = late_pattern(f"https?://{_HOST.pattern}")
_BASE_PATH = late_pattern(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")
MAX_BASE_PATH = 200
_DURATION = late_pattern(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smh]?)")
_DURATION_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_DAYS = late_pattern(r"([0-9]{1,5})d?")
_SIZE = late_pattern(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([KMGT]?)B?", re.IGNORECASE)
_SIZE_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SHARE = late_pattern(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)%")
_COUNT = late_pattern(r"[0-9]{1,9}")


# --- addresses and names ----------------------------------------------------------------------


def _host(text: str) -> str:
    if any(c.isspace() or c in "/[]" for c in text):
        raise ValueError(f"must be an address to listen on, such as 127.0.0.1, not {text!r}")
    return text


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise ValueError(f"must be a port number from 1 to 65535, not {text!r}")
    return int(text)


def _user(text: str) -> str:
    if ":" in text or not text.isprintable():
        raise ValueError("must be a name without a colon or control characters")
    return text


def _password(text: str) -> str | None:
    return text or None


def _token(text: str) -> str:
    found = text.strip()
    if not _TOKEN_TEXT.fullmatch(found):
        raise ValueError("must be a token: letters, digits and signs, without spaces")
    return found


def _items(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))


def _origins(text: str) -> tuple[str, ...]:
    found = tuple(item.rstrip("/") for item in _items(text))
    for origin in found:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"must list origins such as https://phone.example, not {origin!r}")
    return found


def _hosts(text: str) -> tuple[str, ...]:
    found = _items(text)
    for host in found:
        if not _HOST.fullmatch(host):
            raise ValueError(f"must list host names such as phone.example, not {host!r}")
    return found


def _base_path(text: str) -> str:
    if text and not (_BASE_PATH.fullmatch(text) and len(text) <= MAX_BASE_PATH):
        raise ValueError(
            "must begin with / and not end with one, such as /opcode, with letters, digits and "
            f"._~- between; not {text!r}"
        )
    return text


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    found = []
    for item in _items(text):
        try:
            found.append(ip_network(item))
        except ValueError:
            raise ValueError(
                f"must list addresses and networks such as 10.0.0.2 or 10.0.0.0/24, not {item!r}"
            ) from None
    return tuple(found)


Host = Annotated[str, Parser(_host)]
Port = Annotated[int, Parser(_port)]
User = Annotated[str, Parser(_user)]
Password = Annotated[str | None, Parser(_password)]
Token = Annotated[str, Parser(_token)]
Origins = Annotated[tuple[str, ...], Parser(_origins)]
Hosts = Annotated[tuple[str, ...], Parser(_hosts)]
BasePath = Annotated[str, Parser(_base_path)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], Parser(_networks)]


# --- paths ------------------------------------------------------------------------------------


def absolute(text: str, home: Path) -> Path:
    """The absolute path that a text means."""
    if text == "~" or text.startswith("~/"):
        return home / text[2:]
    if "\0" in text:
        raise ValueError("must be a path without NUL characters")
    return Path(text).absolute()


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long for the system
        return False


def path_of(text: str, others: Mapping[str, Any]) -> Path:
    return absolute(text, others["home"])


def optional_path(text: str, others: Mapping[str, Any]) -> Path | None:
    return path_of(text, others) if text else None


def _folders(text: str, others: Mapping[str, Any]) -> tuple[Path, ...]:
    paths = [path_of(part, others) for part in text.split(os.pathsep) if part.strip()]
    if not paths:
        raise ValueError("must name at least one folder")
    for folder in paths:
        # The home folder is the default, which nobody has chosen and can have misspelt.
        if folder != others["home"] and not is_folder(folder):
            raise ValueError(f"names {folder}, which is not a folder")
    return tuple(dict.fromkeys(folder.resolve() for folder in paths))


AbsolutePath = Annotated[Path, Parser(path_of, needs_others=True)]
OptionalPath = Annotated[Path | None, Parser(optional_path, needs_others=True)]
Folders = Annotated[tuple[Path, ...], Parser(_folders, needs_others=True)]


# --- choices ----------------------------------------------------------------------------------


def _permission_mode(text: str) -> str | None:
    if text and text not in PERMISSION_MODES:
        raise ValueError(f"must be one of {', '.join(PERMISSION_MODES)}, not {text!r}")
    return text or None


def _keep(text: str) -> bool:
    if text not in KEEP_OR_STOP:
        raise ValueError(f"must be {' or '.join(KEEP_OR_STOP)}, not {text!r}")
    return text == "keep"


def _switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"must be 1 or 0, not {text!r}")
    return text == "1"


def _optional_switch(text: str) -> bool | None:
    if text not in ("", "0", "1"):
        raise ValueError(f"must be 1, 0 or unset, not {text!r}")
    return text == "1" if text else None


PermissionMode = Annotated[str | None, Parser(_permission_mode)]
Keep = Annotated[bool, Parser(_keep)]
Switch = Annotated[bool, Parser(_switch)]
OptionalSwitch = Annotated[bool | None, Parser(_optional_switch)]


# --- amounts ----------------------------------------------------------------------------------


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise ValueError(f"must be a number, not {text!r}")
    return int(text)


def _workers(text: str) -> int:
    if not (_COUNT.fullmatch(text) and 1 <= int(text) <= MAX_WORKERS):
        raise ValueError(f"must be a number from 1 to {MAX_WORKERS}, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"must be a time such as 90, 90s, 30m or 2h, not {text!r}")
    return float(match[1]) * _DURATION_UNITS[match[2]]


def _positive_seconds(text: str) -> float:
    found = _seconds(text)
    if found == 0:
        raise ValueError("must be longer than 0 seconds")
    return found


def _grace(text: str) -> float:
    found = _seconds(text)
    if found < MIN_GRACE:
        # A run begins before its page is connected.
        raise ValueError(f"must be {MIN_GRACE} seconds or longer")
    return found


def _days(text: str) -> float:
    match = _DAYS.fullmatch(text)
    if match is None:
        raise ValueError(f"must be a number of days such as 30d, not {text!r}")
    return int(match[1]) * 86400.0


def _login_days(text: str) -> float:
    found = _days(text)
    if not 0 < found <= MAX_LOGIN_DAYS * 86400:
        raise ValueError(f"must be from 1 to {MAX_LOGIN_DAYS} days")
    return found


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"must be a size such as 500M or 2G, not {text!r}")
    return int(float(match[1]) * _SIZE_UNITS[match[2].upper()])


def _memory(text: str) -> float:
    match = _SHARE.fullmatch(text)
    if match and float(match[1]) <= 100:
        return float(match[1]) / 100
    if _SIZE.fullmatch(text) is None:
        raise ValueError(f"must be a size such as 4G or a share such as 80%, not {text!r}")
    found = _size(text)
    if found == 1:
        raise ValueError("must be larger than one byte")
    return found


def _line_length(text: str) -> int:
    found = _size(text)
    if found < MIN_LINE:
        # Claude's list of its commands and models has to fit in.
        raise ValueError(f"must be {MIN_LINE // 1000}K or more")
    return found


Count = Annotated[int, Parser(_count)]
Workers = Annotated[int, Parser(_workers)]
Seconds = Annotated[float, Parser(_seconds)]
PositiveSeconds = Annotated[float, Parser(_positive_seconds)]
Grace = Annotated[float, Parser(_grace)]
Days = Annotated[float, Parser(_days)]
"""Whole days, in seconds."""
LoginDays = Annotated[float, Parser(_login_days)]
"""Days that a login may last, in seconds."""
Size = Annotated[int, Parser(_size)]
"""Bytes."""
Memory = Annotated[float, Parser(_memory)]
"""Bytes; up to 1, a share of the machine's memory."""
LineLength = Annotated[int, Parser(_line_length)]
"""Bytes."""
