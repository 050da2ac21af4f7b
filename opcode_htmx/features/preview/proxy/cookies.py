"""Keep the cookies of a dev server, of this app and of other dev servers apart.

Browsers send a cookie to every port of a host. So ours never pass, and a cookie that scripts cannot
read is renamed on its way to the browser: only the preview that set it gets it back. Those that
scripts read keep their names, which scripts expect.
"""

from __future__ import annotations

import re

from opcode_htmx.lib.late.patterns import late_pattern

_OURS = late_pattern(r"(__(Host|Secure)-)?(opcode|came_from)", re.IGNORECASE)
_MARKED = late_pattern(r"preview[0-9]{1,5}\.")
_LOGIN = late_pattern(r"(__Host-)?opcode(_[0-9]{1,5})?")
_CONTROLS = late_pattern(r"[\x00-\x1f\x7f]")
MOST = 100
"""Cookies of a login's name that are looked at."""


def mark(port: int) -> str:
    """What the names of a preview's hidden cookies begin with; `port` is that of ours."""
    return f"preview{port}."


def logins(header: str) -> list[str]:
    """The values of the cookies that may be a login here, in the order in which they were sent."""
    pairs = map(_pair, header.split(";"))
    return [value for name, value in pairs if _LOGIN.fullmatch(name)][:MOST]


def own_name(port: int) -> str:
    """The name of the cookie that proves a login at a port, where the login's own is not sent."""
    return f"opcode_preview_{port}"


def own(header: str, port: int) -> str:
    """The value of that cookie; empty without it."""
    pairs = map(_pair, header.split(";"))
    return next((value for name, value in pairs if name == own_name(port)), "")


def for_server(header: str, port: int) -> str:
    """The value of Cookie for the dev server behind a port of ours; empty for none."""
    own = mark(port)
    kept = []
    for part in header.split(";"):
        name, value = _pair(part)
        if name.startswith(own):
            kept.append(f"{name.removeprefix(own)}={value}")
        elif name and not _OURS.match(name) and not _MARKED.match(name):
            kept.append(f"{name}={value}")
    return "; ".join(kept)


def for_browser(value: str, port: int, *, is_secure: bool) -> str | None:
    """The value of Set-Cookie for the browser; None for a cookie that it must not get."""
    if _CONTROLS.search(value):
        return None
    first, *attributes = (part.strip() for part in value.split(";"))
    name, found = _pair(first)
    if not name or _OURS.match(name) or _MARKED.match(name):
        return None
    kept, is_hidden = [], False
    for attribute in attributes:
        key, _, text = attribute.partition("=")
        match key.strip().lower():
            case "domain":
                continue  # of another host than localhost: the browser would refuse the cookie
            case "secure" | "partitioned" if not is_secure:
                continue
            case "samesite" if not is_secure and text.strip().lower() == "none":
                continue
            case "httponly":
                is_hidden = True
        kept.append(attribute)
    name = f"{mark(port)}{name}" if is_hidden else name
    return "; ".join([f"{name}={found}", *filter(None, kept)])


def _pair(part: str) -> tuple[str, str]:
    name, equals, value = part.strip().partition("=")
    return (name.strip(), value.strip()) if equals else ("", name)
