"""What no template may hold: scripts, styles, and text that is not escaped."""

from __future__ import annotations

import re

import pytest

from tests.app.sources import TEMPLATES, those_that

FORBIDDEN = {
    "a text that is called safe": r"\|\s*safe\b|\bMarkup\b",
    "no escaping": r"autoescape",
    "a script in the page": r"<script(?![^>]*\ssrc=)|<script[^>]*>\s*[^\s<]",
    "a style in the page": r"<style|\sstyle\s*=",
    "an event handler": r"""[\s"']on[a-z]+\s*=(?!=)""",
    "an expression for htmx": r"hx-on|\bjs:|hx-vals\s*=\s*['\"]?js|hx-(?:vars|eval)",
    "a javascript: address": r"javascript:",
}


def forbidden_in(template: str) -> set[str]:
    text = re.sub(r"\{#.*?#\}", "", template, flags=re.DOTALL)
    return {what for what, how in FORBIDDEN.items() if re.search(how, text, re.IGNORECASE)}


def test_a_template_has_no_script_no_style_and_escapes_all() -> None:
    # by its name Flask knows that it is to be escaped
    assert [path for path in TEMPLATES if path.suffix != ".html"] == []
    assert those_that(lambda template: bool(forbidden_in(template)), TEMPLATES) == []


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("{{ text | safe }}", "a text that is called safe"),
        ("{{ text|safe }}", "a text that is called safe"),
        ("{% autoescape false %}", "no escaping"),
        ("<script>alert(1)</script>", "a script in the page"),
        ('<script src="a.js">alert(1)</script>', "a script in the page"),
        ('<script type="module">', "a script in the page"),
        ("<style>", "a style in the page"),
        ('<p style="color:red">', "a style in the page"),
        ('<p onclick="f()">', "an event handler"),
        ('<p class="a"onclick=f()>', "an event handler"),
        ('<p hx-on:click="f()">', "an expression for htmx"),
        ("<p hx-vals='js:{a: 1}'>", "an expression for htmx"),
        ('<a href="javascript:f()">', "a javascript: address"),
    ],
)
def test_what_is_forbidden_in_a_template_is_seen(template: str, what: str) -> None:
    assert what in forbidden_in(template)


@pytest.mark.parametrize(
    "template",
    [
        "<script src=\"{{ asset('a.js') }}\" defer></script>",
        '<p class="button" data-action="x">on and off, with style</p>{# <p style="x"> #}',
        "{% if options and one == 1 %}",
    ],
)
def test_what_is_allowed_in_a_template_is_left_alone(template: str) -> None:
    assert forbidden_in(template) == set()
