"""Checks whether a page has executed injected text, and whether it shows all of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from opcode_htmx.web.assets.minify import minified
from tests.security.corpus.vectors import Plant, holds, words_of
from tests.support.environment import ROOT

SCRIPT = (Path(__file__).parent / "inspection.js").read_text(encoding="utf-8").strip()

# The allowed elements and attributes of our pages. An element or an attribute that a template
# begins to use is added here on purpose.
STRUCTURE = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "link",
        "script",
        "body",
        "header",
        "nav",
        "main",
        "section",
    ),
    *(
        "article",
        "aside",
        "div",
        "span",
        "p",
        "a",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "li",
    ),
    *("dl", "dt", "dd", "details", "summary", "form", "fieldset", "legend", "label", "input"),
    *("textarea", "button", "select", "option", "datalist", "img", "svg", "path", "circle", "time"),
    *("pre", "code", "b", "bdi", "mark", "strong", "em", "s", "br", "hr", "blockquote", "table"),
    *("thead", "tbody", "tr", "th", "td", "noscript", "dialog", "meter"),
    *("audio", "video", "output", "style"),
}
ATTRIBUTES = {
    *("accept", "action", "alt", "aria-activedescendant", "aria-autocomplete", "aria-controls"),
    *("aria-current", "aria-describedby", "aria-hidden", "aria-invalid", "aria-label"),
    *(
        "aria-labelledby",
        "aria-live",
        "aria-pressed",
        "aria-selected",
        "as",
        "async",
        "autocapitalize",
        "autocomplete",
        "autocorrect",
    ),
    *("autofocus", "charset", "checked", "class", "content", "cx", "cy", "d"),
    *("data-address", "data-archived", "data-base", "data-by", "data-copy", "data-count"),
    "data-copying",
    *(
        "data-earlier",
        "data-empty",
        "data-fresh",
        "data-held",
        "data-htmx-powered",
        "data-insert",
        "data-link",
        "data-loads",
        "data-most",
        "data-new",
        "data-refreshed",
    ),
    *(
        "data-dictation",
        "data-gestures",
        "data-keyboard",
        "data-n",
        "data-now",
        "data-o",
        "data-order",
        "data-phase",
        "data-pinned",
        "data-prompt",
        "data-raw",
        "data-select",
        "data-shows",
        "data-since",
        "data-state",
        "data-styles",
        "data-tool",
        "data-winner",
    ),
    *("data-digest", "data-goes-on", "data-status", "data-version", "hx-target", "inputmode"),
    *(
        "min",
        "data-then",
        "datetime",
        "decoding",
        "defer",
        "dir",
        "disabled",
        "download",
        "enctype",
    ),
    *(
        "enterkeyhint",
        "fill",
        "for",
        "form",
        "formaction",
        "formenctype",
        "formmethod",
        "height",
        "hidden",
        "href",
        "hx-disable",
    ),
    *(
        "hx-encoding",
        "hx-get",
        "hx-headers",
        "hx-include",
        "hx-post",
        "hx-swap",
        "hx-swap-oob",
        "hx-sync",
    ),
    *("hx-trigger", "hx-ws:connect", "id", "lang", "list", "loading", "max", "maxlength", "media"),
    *(
        "method",
        "multiple",
        "name",
        "novalidate",
        "open",
        "placeholder",
        "popover",
        "popovertarget",
        "r",
    ),
    "popovertargetaction",
    *("readonly", "rel", "required", "role", "rows", "selected", "spellcheck", "src", "start"),
    *("stroke", "stroke-linecap", "stroke-linejoin", "stroke-width", "tabindex", "target", "title"),
    *("type", "value", "viewBox", "width"),
    *("controls", "data-first", "data-last", "data-view", "inputmode", "pattern", "playsinline"),
    *("preload", "scope"),
}
READABLE = {
    *("title", "value", "alt", "aria-label", "placeholder", "class", "data-insert", "download"),
    *("href", "content", "formaction", "hx-post", "hx-get", "data-earlier", "action", "name"),
    *("data-by", "data-view", "src"),
}
"""Attributes that may hold foreign text."""
CONTROLS = {"input", "textarea", "button", "select", "meta"}
"""Elements that have a name."""
NAMES = "|".join(
    (
        r"csrf_token|prompt_id|session_id|attached|files|prompt|decision|reason-.*|q-.*|e-.*|title|q",
        r"folder|back|to|project|block|(?:was_)?(?:model|effort|permission_mode|keep_running)|user",
        r"password|next|viewport|color-scheme|theme-color|apple-mobile-web-app-(?:capable|title)",
        r"path|line|text|kind|choice-.*|every",
        r"htmx-config|make|open|in|name|chosen|hidden|act|session|tags?|days|before|digest|seen",
    )
)
IMAGES = (
    r"^/(?:static/|projects/[^/]+/(?:sessions/[^/]+/|files/(?:raw|pdf-page)\?)"
    r"|(?:projects/[^/]+/)?new/attachments/)"
)
HTMX = {
    "hx-disable": "^input#files$",
    "hx-encoding": "^(?:input#files|form#(?:answer|composer))$",
    "hx-get": r"^(?:div#options|div#prompt-sheet|aside|p#[\w-]+-state)$",
    "hx-headers": "^div#options$",
    "hx-include": "^(?:button|div#(?:options|prompt-sheet))$",
    "hx-post": "^(?:button|input#files|form#(?:answer|composer)|div#options-form)$",
    "hx-swap": (
        r"^(?:aside|button|div#(?:live|options|options-form|prompt-sheet)|input#files"
        r"|form#(?:answer|composer)|p#[\w-]+-state)$"
    ),
    "hx-swap-oob": "#",
    "hx-sync": "^(button|form#(?:answer|composer))$",
    "hx-trigger": (
        r"^(?:aside|div#options|div#options-form|div#prompt-sheet|input#files|p#[\w-]+-state)$"
    ),
    "hx-ws:connect": "^div#live$",
}
"""On which elements the attributes of htmx stand."""
STYLES = {
    (minified(path) or b"").decode()
    for folder in (ROOT / "static", ROOT / "opcode_htmx" / "features")
    for path in sorted(folder.rglob("*.css"))
    if "vendor" not in path.parts
}
"""Our stylesheets, as they are served: too long to be sent to the browser with each inspection."""
GOLDEN: dict[str, Any] = {
    "tags": sorted(STRUCTURE),
    "attributes": sorted(ATTRIBUTES),
    "readable": sorted(READABLE),
    "controls": sorted(CONTROLS),
    "names": NAMES,
    "images": IMAGES,
    "hx": HTMX,
}


def _script(**golden: Any) -> str:
    """With what is allowed in it: as an argument, it would be half of the time of an inspection."""
    return f"html => ({SCRIPT})({{ html, golden: {json.dumps({**GOLDEN, **golden})} }})"


OF_PAGES = _script(data=False)
OF_EXPORTS = _script(
    data=True, attributes=[*GOLDEN["attributes"], "http-equiv"], names=f"{NAMES}|referrer"
)
"""An exported file brings its policy along."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of an inspection: complaints, the text of the page, and attribute values."""

    wrong: list[str]
    text: str
    values: list[str]

    @property
    def all(self) -> str:
        return "\n".join((self.text, *self.values))


def inspect(page: Page, html: str | None = None, *, export: bool = False) -> Finding:
    """Look at the live page or, if there is one, at `html` as a browser without scripts reads it.

    `export`: the page is a file, which carries its images and styles along.
    """
    found: dict[str, Any] = page.evaluate(OF_EXPORTS if export else OF_PAGES, html)
    planted = [f"style: {each[:300]}" for each in found["styles"] if each not in STYLES]
    return Finding([*found["wrong"], *planted], found["text"], found["values"])


@dataclass(frozen=True, slots=True)
class Expectation:
    """The visible text of a plant: its marks, and its words (in this spelling) between them."""

    plant: Plant
    channel: str
    marks: tuple[str, ...]
    spelt: str | None = None


def unseen(finding: Finding, expected: Iterable[Expectation]) -> list[str]:
    """The expected texts that a page does not show, a sentence each."""
    missing = []
    everything = finding.all
    for each in expected:
        name = f"{each.channel}: {each.plant.vector.text!r}"
        gone = [mark for mark in each.marks if mark not in everything]
        if gone:
            missing.append(f"{name}: {gone}")
        elif each.spelt is not None and not _is_whole(everything, each.plant, each.spelt):
            missing.append(f"{name}: not all of its words")
    return missing


def _is_whole(text: str, plant: Plant, spelt: str) -> bool:
    words, at = words_of(spelt), text.find(plant.begin)
    while at >= 0:
        end = text.find(plant.end, at)
        if end >= 0 and holds(words, text[at:end]):
            return True
        at = text.find(plant.begin, at + 1)
    return False
