"""The navigation that every page shows, built from the declarations of the features."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal

from flask import Flask, request, url_for
from markupsafe import Markup

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Badge, Feature, NavItem
from opcode_htmx.lib import resources
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.web.server.url_rules import LateMap

BAR_SIZE = 3
"""The number of entries in the bar of a phone, beside "More"; 320 px have no more space."""

ENTRIES_KEPT = 256
"""Entries that stay rendered: a tenth of a page of a session goes into them."""

log = logging.getLogger(__name__)

PLATFORM = (NavItem("logins.page", "Logins", icon="devices", order=900),)
"""The entries of pages that belong to no feature."""

Current = Literal["page", "true", ""]
"""The value of `aria-current`: this page; the section that this page belongs to; neither."""


@dataclass(frozen=True, slots=True)
class NavEntry:
    """An entry as rendered."""

    id: str
    """Unique among the entries; valid as an element id."""
    label: str
    icon: str
    address: str
    current: Current
    badge: int
    badge_words: str
    """What the badge counts, in the singular or the plural."""
    badge_is_quiet: bool = False


@dataclass(frozen=True, slots=True)
class Navigation:
    """The entries in their order: those in the bar of a phone, and those behind "More"."""

    bar: list[NavEntry]
    more: list[NavEntry]

    @property
    def badge(self) -> int:
        """The sum of all badges."""
        return sum(entry.badge for entry in (*self.bar, *self.more))

    @property
    def more_entry(self) -> NavEntry:
        """The entry "More", with the sum of the badges behind it."""
        counted = [entry for entry in self.more if entry.badge]
        return NavEntry(
            id="more",
            label="More",
            icon="more",
            address="",
            current="true" if any(entry.current for entry in self.more) else "",
            badge=sum(entry.badge for entry in counted),
            badge_words=counted[0].badge_words if len(counted) == 1 else "in the pages behind it",
            badge_is_quiet=all(entry.badge_is_quiet for entry in counted),
        )


def register(app: Flask, features: Iterable[Feature], context: AppContext) -> None:
    """Add the template global `navigation()`.

    Raises ValueError if an entry names a symbol that templates/icons.html does not have.
    """
    features = tuple(features)
    items = sorted(
        (
            item
            for item in (*PLATFORM, *(item for feature in features for item in feature.nav))
            if item.shown(context)
        ),
        key=lambda item: item.order,
    )
    # so that no page waits for the modules of theirs
    places = {
        item.endpoint: each.folders[0] for each in features for item in each.nav if each.folders
    }
    # its text, as no start needs the compiled template
    symbols = (resources.TEMPLATES / "icons.html").read_text(encoding="utf-8")
    if unknown := {item.icon for item in items if f'"{item.icon}": "' not in symbols}:
        raise ValueError(f"templates/icons.html has no symbol {', '.join(sorted(unknown))}")

    def navigation() -> Navigation | None:
        """None while pages cannot be loaded."""
        if isinstance(app.url_map, LateMap) and app.url_map.are_missing:
            return None
        root = request.script_root
        entries = [_entry(item, address_of(root, item.endpoint), context) for item in items]
        return Navigation(entries[:BAR_SIZE], entries[BAR_SIZE:])

    @lru_cache(maxsize=ENTRIES_KEPT)
    def navigation_entry(entry: NavEntry, badges: bool) -> Markup:
        macros: Any = app.jinja_env.get_template("navigation_entry.html").module
        html: Markup = macros.link(entry, badges)
        return html

    @lru_cache(maxsize=ENTRIES_KEPT)
    def address_of(root: str, endpoint: str) -> str:
        """The address of a page, below the path at which the app is served."""
        return root + places[endpoint] if endpoint in places else url_for(endpoint)

    app.add_template_global(navigation, "navigation")
    app.add_template_global(navigation_entry, "navigation_entry")


def _entry(item: NavItem, address: str, context: AppContext) -> NavEntry:
    badge = _badge(item, context)
    return NavEntry(
        id=item.endpoint.replace(".", "-"),
        label=item.label,
        icon=item.icon,
        address=address,
        current=_current(item.endpoint),
        badge=badge.count,
        badge_words=badge.words,
        badge_is_quiet=badge.is_quiet,
    )


def _badge(item: NavItem, context: AppContext) -> Badge:
    """0 if it cannot be counted: every page has the navigation, that of an error too."""
    try:
        found = item.badge(context) if item.badge else 0
        if isinstance(found, Badge):
            return found
        count = max(0, int(found))
    except Exception:
        log.exception("the badge of %s could not be counted", item.endpoint)
        count = 0
    return Badge(count, item.badge_words[0 if count == 1 else 1])


def _current(endpoint: str) -> Current:
    if request.endpoint == endpoint:
        return "page"
    return "true" if request.blueprint == endpoint.rpartition(".")[0] else ""
