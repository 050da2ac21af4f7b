"""The navigation that every page shows, made from the declarations of the features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Flask, request, url_for

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem


@dataclass(frozen=True, slots=True)
class NavEntry:
    """An entry as a page shows it."""

    id: str
    """Unique among the entries; fit for the id of an element."""
    label: str
    icon: str
    address: str
    is_current: bool
    badge: int
    badge_words: str
    """What the badge counts, in the singular or the plural."""


def register(app: Flask, features: Iterable[Feature], context: AppContext) -> None:
    """Add the template global `navigation()`: the entries in their order."""
    items = sorted(
        (item for feature in features for item in feature.nav), key=lambda item: item.order
    )

    def navigation() -> list[NavEntry]:
        return [_entry(item, context) for item in items]

    app.add_template_global(navigation, "navigation")


def _entry(item: NavItem, context: AppContext) -> NavEntry:
    badge = item.badge(context) if item.badge else 0
    return NavEntry(
        id=item.endpoint.replace(".", "-"),
        label=item.label,
        icon=item.icon,
        address=url_for(item.endpoint),
        is_current=request.endpoint == item.endpoint,
        badge=badge,
        badge_words=item.badge_words[0 if badge == 1 else 1],
    )
