"""Readers of setting values: a text and the home folder in, a checked value out.

Knows no variable's name. Each reader raises ValueError with the end of a sentence that begins
with the name. Pure, except that `folders` looks whether its folders exist.
"""

import os
import re
from pathlib import Path

PERMISSION_MODES = ("default", "acceptEdits", "plan", "bypassPermissions")
ON_DISCONNECT = ("keep", "stop")
LEAST_GRACE = 5
MOST_WORKERS = 16
MOST_LOGIN_DAYS = 400
"""For so long browsers keep a cookie at most."""

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_ORIGIN = re.compile(f"https?://{_HOST.pattern}")
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smh]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_DAYS = re.compile(r"([0-9]{1,5})d?")
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([KMGT]?)B?", re.IGNORECASE)
_SIZES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)%")
_COUNT = re.compile(r"[0-9]{1,9}")
LEAST_LINE = 100_000


def host(text: str, home: Path) -> str:
    if any(c.isspace() or c in "/[]" for c in text):
        raise ValueError(f"must be an address to listen on, such as 127.0.0.1, not {text!r}")
    return text


def port(text: str, home: Path) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise ValueError(f"must be a port number from 1 to 65535, not {text!r}")
    return int(text)


def user(text: str, home: Path) -> str:
    if ":" in text or not text.isprintable():
        raise ValueError("must be a name without a colon or control characters")
    return text


def path(text: str, home: Path) -> Path:
    if text == "~" or text.startswith("~/"):
        return home / text[2:]
    if "\0" in text:
        raise ValueError("must be a path without NUL characters")
    return Path(text).absolute()


def optional_path(text: str, home: Path) -> Path | None:
    return path(text, home) if text else None


def folders(text: str, home: Path) -> tuple[Path, ...]:
    paths = [path(part, home) for part in text.split(os.pathsep) if part.strip()]
    if not paths:
        raise ValueError("must name at least one folder")
    for folder in paths:
        # The home folder is the default, which nobody has chosen and can have misspelt.
        if folder != home and not folder.is_dir():
            raise ValueError(f"names {folder}, which is not a folder")
    return tuple(dict.fromkeys(folder.resolve() for folder in paths))


def permission_mode(text: str, home: Path) -> str | None:
    if text and text not in PERMISSION_MODES:
        raise ValueError(f"must be one of {', '.join(PERMISSION_MODES)}, not {text!r}")
    return text or None


def keeps_running(text: str, home: Path) -> bool:
    if text not in ON_DISCONNECT:
        raise ValueError(f"must be {' or '.join(ON_DISCONNECT)}, not {text!r}")
    return text == "keep"


def workers(text: str, home: Path) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_WORKERS):
        raise ValueError(f"must be a number from 1 to {MOST_WORKERS}, not {text!r}")
    return int(text)


def switch(text: str, home: Path) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"must be 1 or 0, not {text!r}")
    return text == "1"


def _items(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))


def origins(text: str, home: Path) -> tuple[str, ...]:
    found = tuple(item.rstrip("/") for item in _items(text))
    for origin in found:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"must list origins such as https://phone.example, not {origin!r}")
    return found


def hosts(text: str, home: Path) -> tuple[str, ...]:
    found = _items(text)
    for host in found:
        if not _HOST.fullmatch(host):
            raise ValueError(f"must list host names such as phone.example, not {host!r}")
    return found


def demo(text: str, home: Path) -> bool | None:
    if text not in ("", "0", "1"):
        raise ValueError(f"must be 1, 0 or unset, not {text!r}")
    return text == "1" if text else None


def seconds(text: str, home: Path) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"must be a time such as 90, 90s, 30m or 2h, not {text!r}")
    return float(match[1]) * _UNITS[match[2]]


def grace(text: str, home: Path) -> float:
    found = seconds(text, home)
    if found < LEAST_GRACE:
        # A run begins before its page is there to look at it.
        raise ValueError(f"must be {LEAST_GRACE} seconds or longer")
    return found


def days(text: str, home: Path) -> float:
    """Whole days, in seconds."""
    match = _DAYS.fullmatch(text)
    if match is None:
        raise ValueError(f"must be a number of days such as 30d, not {text!r}")
    return int(match[1]) * 86400.0


def login_days(text: str, home: Path) -> float:
    """Days that a login may last, in seconds."""
    found = days(text, home)
    if not 0 < found <= MOST_LOGIN_DAYS * 86400:
        raise ValueError(f"must be from 1 to {MOST_LOGIN_DAYS} days")
    return found


def size(text: str, home: Path) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"must be a size such as 500M or 2G, not {text!r}")
    return int(float(match[1]) * _SIZES[match[2].upper()])


def memory(text: str, home: Path) -> float:
    """Bytes, or up to 1 a share of what the machine has."""
    match = _SHARE.fullmatch(text)
    if match and float(match[1]) <= 100:
        return float(match[1]) / 100
    if _SIZE.fullmatch(text) is None:
        raise ValueError(f"must be a size such as 4G or a share such as 80%, not {text!r}")
    found = size(text, home)
    if found == 1:
        raise ValueError("must be larger than one byte")
    return found


def line_length(text: str, home: Path) -> int:
    found = size(text, home)
    if found < LEAST_LINE:
        # Claude's list of what it offers has to fit in
        raise ValueError(f"must be {LEAST_LINE // 1000}K or more")
    return found


def count(text: str, home: Path) -> int:
    if not _COUNT.fullmatch(text):
        raise ValueError(f"must be a number, not {text!r}")
    return int(text)


def positive_seconds(text: str, home: Path) -> float:
    found = seconds(text, home)
    if found == 0:
        raise ValueError("must be longer than 0 seconds")
    return found
