"""Every template expression with a foreign text shows its invisible characters."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.environment import TEMPLATES

READ_ATTRIBUTES = frozenset({"title", "aria-label", "alt", "placeholder", "label"})
"""The attributes with values that people read. The others hold addresses, ids or form values."""

CALL = re.compile(r"\w+\(.*\)", re.DOTALL)
"""A macro, whose own expressions are checked where it is defined, or a function of this program."""
CONSTANT = re.compile(r"\"[^\"]*\"(?: if .* else .*| \| format\(.*\)|\.format\(.*\))?")
AMOUNT = re.compile(
    r".*(?:\| (?:length(?: \+ [\w.]+)?|count\(\"[\w ]+\"\)|milliseconds|format_bytes|\w+_time"
    r"|usage_(?:clock|cost_of|dollars|short|worked))"
    r"|\.more)"
)
MARKUP = re.compile(
    r"item\.(?:file|name|text)|status_panel(?:\.\w+|\[.*\])|details|element|fragments|html|seen|stop"
    r"|shown|part(?:\.html)?|piece\.html|own|owner|about|acts|open_file"
)
"""Expressions that are HTML already, or have their invisible characters shown."""
OURS = frozenset(
    {
        *("b.kind", "b.label", "b.state", "field.label", "label", "placeholder", "title", "when"),
        *("notice.sentence", "disk_message", "s.label", "s.prompt_text", "view.grace", "view.note"),
        *("each.details", "each.method", "each.path", "each.summary", "tag", "login_command"),
        *("code.until", "each.obstacle", "pair_command", "ways[login.how]"),
        *(
            "clock",
            "count",
            "done",
            "found.left_out",
            "found.short",
            "found.words",
            "loop.index",
            "more",
            "number",
            "since",
            "total",
            "needs",
            "orphan.pid",
        ),
        *(
            "attention_count",
            "counts",
            "entry.address",
            "each.description",
            "entry.badge",
            'entry.badge if entry.badge < 1000 else "999+"',
            "entry.badge_words",
            "entry.label",
            "heading",
            "help",
            "hidden",
            "item.file",
            "item.name",
            "item.text",
            "login.address",
            "login.device",
            "look.attributes | xmlattr",
            "nav.badge",
            "needed",
            "number",
            "total",
            "view.shown.note",
        ),
        "base_path",
        *("percent", "seen.height", "seen.width", "status", "tokens", "usage.processes"),
        *("view.added", "view.removed", "view.shown.numbers", "link.label"),
        *("view.part.note", "view.html", "view.table.columns"),
        *("its.sessions", "its.prompts", "its.added", "its.removed", "each.left", "all_rows"),
        *("record.id", "m.files_changed", "m.lines_added", "m.lines_removed"),
        *("(100 * report.progress) | int", "unit", "prices.SOURCE", "prices.AS_OF"),
        'label if label == "Markdown" else label | lower',
    }
)
"""This program's own words, and numbers."""
PROSE = frozenset(
    {"b.text", "file.text", 'each.text or "(only an image)"', "text", "words", "typed", "error"}
)
"""Texts of a user, in an element with isolated direction, or in a field."""


def expressions(template: str) -> Iterator[tuple[str, str]]:
    """Each expression, and the attribute whose value it stands in; empty where it is text."""
    plain = re.sub(r"\{#.*?#\}", "", template, flags=re.DOTALL)
    for found in re.finditer(r"\{\{-?\s*(.*?)\s*-?\}\}", plain, re.DOTALL):
        before = re.sub(r"\{[{%].*?[%}]\}", "", plain[: found.start()], flags=re.DOTALL)
        attribute = re.search(r"([\w:-]+)=\"[^\"<>]*$", before)
        yield found[1], attribute[1] if attribute else ""


def is_shown(expression: str) -> bool:
    """Whether the expression shows invisible characters, or holds no foreign text."""
    if "| visible" in expression or expression in OURS | PROSE:
        return True
    return any(each.fullmatch(expression) for each in (CALL, CONSTANT, AMOUNT, MARKUP))


def hidden_in(template: str) -> list[str]:
    return [
        expression
        for expression, attribute in expressions(template)
        if (not attribute or attribute in READ_ATTRIBUTES) and not is_shown(expression)
    ]


def test_templates_show_invisible_characters_of_names() -> None:
    found = {str(path): hidden_in(path.read_text(encoding="utf-8")) for path in TEMPLATES}
    assert {path: hidden for path, hidden in found.items() if hidden} == {}


@pytest.mark.parametrize(
    ("template", "hidden"),
    [
        ("<p>{{ run.title }}</p>", ["run.title"]),
        ('<p title="{{ path }}">{{ path | visible }}</p>', ["path"]),
        ('<p title="{{ path | visible_text }}">', []),
        ('<input value="{{ path }}">', []),
        ('<a href="/{{ id }}" aria-label="{{ name }}">', ["name"]),
        ("{{ macro(path) }}", []),
        ("{# {{ path }} #}{{ 'a' ~ path }}", ["'a' ~ path"]),
    ],
)
def test_an_expression_that_hides_something_is_seen(template: str, hidden: list[str]) -> None:
    assert hidden_in(template) == hidden
