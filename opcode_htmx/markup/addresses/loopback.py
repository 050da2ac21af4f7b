"""Links to the computer that Claude works on, by names that mean another one on a phone.

`http://localhost:5173` leads to the device that it is opened on. So on a page that was not asked
for by such a name, these links lead to the preview of what listens there, or have the page's own
host name instead; their text stays as it is.
"""

from __future__ import annotations

import re
from html import escape, unescape
from urllib.parse import quote

from opcode_htmx.lib.late.patterns import late_pattern

TITLE = "localhost is the computer that Claude works on"

_NAMES = r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|%5B::1%5D)"
_ADDRESS = late_pattern(rf"https?://{_NAMES}(?=[:/?#]|\Z)", re.IGNORECASE)
_LINK = late_pattern(
    rf'(<a [^<>]*?(?<= )href=")((https?)://{_NAMES}((?:[:/?#][^"]*+)?))"',
    re.IGNORECASE,
)
"""In HTML: foreign text may have such quotes, but no such `<`, and an attribute no such quotes."""
_LONGEST = 2_000
"""Characters of an address that is handed on within another one."""
_HINTS = b"://localhost", b"://127.0.0.1", b"://0.0.0.0", b"://[::1]"
_HOST = late_pattern(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}")
_OWN = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1"})  # noqa: S104 - nothing listens there


def is_loopback(address: str) -> bool:
    """Whether an address means the device that it is opened on."""
    return _ADDRESS.match(address) is not None


def for_host(html: str, host: str, previews: str = "") -> str:
    """HTML whose links to loopback names lead somewhere from a page that was asked for by `host`.

    Those of http lead to the path `previews`, which is given the address as `to`; those of https,
    or all without such a path, have `host` instead of their name. Unchanged where the page was
    asked for by a loopback name itself. `host` is lower-case, without a port and without brackets.
    """
    if host in _OWN or not _HOST.fullmatch(host):
        return html
    name = f"[{host}]" if ":" in host else host

    def led(link: re.Match[str]) -> str:
        given = quote(unescape(link[2]), safe="", errors="replace")
        if previews and link[3].lower() == "http" and len(given) <= _LONGEST:
            return f'{link[1]}{escape(previews)}?to={given}"'
        return f'{link[1]}{link[3]}://{name}{link[4]}"'

    return _LINK.sub(led, html)


def may_be_in(html: bytes) -> bool:
    """Whether there may be such a link in HTML; quickly found out."""
    return any(hint in html for hint in _HINTS)
