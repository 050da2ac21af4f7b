"""What a link to this computer asks for: a port, and a path of what listens there. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup.addresses import loopback

_PATH = late_pattern(r"/(?!/)[\x21\x23-\x5b\x5d-\x7e]*")
_DOTS = late_pattern(r"[^?#]*?/(?:\.|%2e){1,2}(?:[/?#]|\Z)", re.IGNORECASE)
"""A browser would go up by it: out of a preview that has a path of this server's, to its pages."""
_LONGEST = 4_000
_KEPT = "/%:?#[]@!$&'()*+,;=~"
"""What stands in an address as it is."""


@dataclass(frozen=True, slots=True)
class Target:
    """A page of a dev server. `path` begins with one slash, and may have a query and a fragment."""

    port: int
    path: str


def of_link(address: str) -> Target | None:
    """What `http://localhost:5173/path` means; None for anything but such an address."""
    if len(address) > _LONGEST or not loopback.is_loopback(address):
        return None
    try:
        parts = urlsplit(address)
        port = parts.port or 80
    except ValueError:
        return None
    if parts.scheme != "http" or "@" in parts.netloc:  # then it is the name of a user
        return None
    rest = parts._replace(scheme="", netloc="").geturl()
    return Target(port, path_of("/" + quote(rest.lstrip("/"), safe=_KEPT, errors="replace")))


def path_of(text: str) -> str:
    """A path that can be added to the address of a preview; that of its first page for another."""
    is_path = len(text) <= 3 * _LONGEST and _PATH.fullmatch(text) and not _DOTS.match(text)
    return text if is_path else "/"
