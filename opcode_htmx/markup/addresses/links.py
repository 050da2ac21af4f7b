"""Decide which addresses in foreign text may become links."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.markup.addresses.rules import is_absolute

_PROTOCOLS = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class Link:
    url: str
    text: str


def link(url: object, text: object = "") -> Link | None:
    """A link that is safe to follow; None if the address is not http or https."""
    address = _text(url).strip()
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    # Python and browsers remove line feeds and tabs at different places
    if not is_absolute(address) or not address.isprintable():
        return None
    if parts.scheme.lower() not in _PROTOCOLS or not parts.netloc:
        return None
    return Link(address, _text(text).strip() or address)


def links(items: Iterable[object]) -> tuple[Link, ...]:
    """The safe links among objects with a `url` and a `title`."""
    found = (link(each.get("url"), each.get("title")) for each in items if isinstance(each, dict))
    return tuple(filter(None, found))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
