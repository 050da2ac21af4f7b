"""Links to the computer that Claude works on, by names that mean another one on a phone.

`http://localhost:5173` leads to the device that it is opened on. So a page that was not asked for
by such a name gets these links with its own host name instead; their text stays as it is.
"""

from __future__ import annotations

import re

TITLE = "localhost is the computer that Claude works on"

_NAMES = r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|%5B::1%5D)"
_ADDRESS = re.compile(rf"https?://{_NAMES}(?=[:/?#]|\Z)", re.IGNORECASE)
_LINK = re.compile(rf'( href="https?://){_NAMES}(?=[:/?#"])', re.IGNORECASE)
"""In HTML; foreign text has no such quotes outside of an attribute, and one host name for another
changes nothing but what is read or opened."""
_HINTS = b"://localhost", b"://127.0.0.1", b"://0.0.0.0", b"://[::1]"
_HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}")
_OWN = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1"})  # noqa: S104 - nothing listens there


def is_loopback(address: str) -> bool:
    """Whether an address means the device that it is opened on."""
    return _ADDRESS.match(address) is not None


def for_host(html: str, host: str) -> str:
    """HTML in which links to loopback names lead to `host`, the name that a page was asked for by.

    Unchanged where the page was asked for by a loopback name itself. `host` is lower-case, without
    a port and without brackets.
    """
    if host in _OWN or not _HOST.fullmatch(host):
        return html
    name = f"[{host}]" if ":" in host else host
    return _LINK.sub(lambda link: link[1] + name, html)


def may_be_in(html: bytes) -> bool:
    """Whether there may be such a link in HTML; quickly found out."""
    return any(hint in html for hint in _HINTS)
