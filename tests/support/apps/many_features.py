"""The app with made-up features, so that its navigation has twenty entries; gunicorn calls `app`.

The badge of each is the number in the file `badge-<n>` in the state folder, if there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from flask import Blueprint, Flask, render_template_string

from opcode_htmx.app.factory import build
from opcode_htmx.app.registry import FEATURES
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem

ICONS = ("search", "chart", "bell", "clock", "file", "settings", "key", "terminal")
LABELS = (
    "Search",
    "Usage",
    "Notifications",
    "Scheduled automations and other recurring work",
    "Donaudampfschifffahrtsgesellschaft",
    "Settings",
    "Keys",
    "Terminal",
)
MADE_UP = 15
"""Twenty with Home, Running, New, Server and Logins."""

PAGE = (
    '{% extends "base.html" %}{% block main %}<h1>Made up</h1>'
    '{% for n in range(60) %}<p><a href="#p{{ n }}">Line {{ n }}</a></p>{% endfor %}{% endblock %}'
)


def _routes(number: int, context: AppContext) -> Iterable[Blueprint]:
    blueprint = Blueprint(f"made_up_{number}", __name__)
    blueprint.add_url_rule(f"/made-up/{number}", "page", partial(render_template_string, PAGE))
    blueprint.add_url_rule(f"/made-up/{number}/part", "part", partial(render_template_string, PAGE))
    yield blueprint


def _badge(number: int, context: AppContext) -> int:
    file = context.settings.state_dir / f"badge-{number}"
    return int(file.read_text()) if file.exists() else 0


def _feature(number: int) -> Feature:
    """One entry behind "More"; its label distinguishes it from the others."""

    def routes(context: AppContext) -> Iterable[Blueprint]:
        return _routes(number, context)

    badge: Callable[[AppContext], int] = partial(_badge, number)
    label = LABELS[number % len(LABELS)]
    item = NavItem(
        f"made_up_{number}.page",
        label if number < len(LABELS) else f"{label} {number}",
        icon=ICONS[number % len(ICONS)],
        order=100 + number,
        badge=badge,
        badge_words=("thing to do", "things to do"),
    )
    return Feature(f"made_up_{number}", routes, nav=(item,))


def app() -> Flask:
    return build(features=(*FEATURES, *map(_feature, range(MADE_UP))))
