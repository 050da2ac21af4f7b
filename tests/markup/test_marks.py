"""Marks around words in safe HTML: on whole texts, across elements, and nowhere else."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup, escape

from opcode_htmx.markup.markdown import render, with_marks
from opcode_htmx.markup.marks import MarkableHtml, Marks


def marked(html: str, words: str, anchor: int = -1) -> str:
    markable = MarkableHtml(Markup(html))  # noqa: S704 - written here
    spans = [each.span() for each in re.finditer(words, markable.text)]
    return markable.with_marks(Marks(spans, anchor), "found")


@pytest.mark.parametrize(
    ("html", "words", "result"),
    [
        ("<p>an apple</p>", "apple", "<p>an <mark>apple</mark></p>"),
        ("<p>a &lt;b&gt; c</p>", "<b>", "<p>a <mark>&lt;b&gt;</mark> c</p>"),
        ("<p>&amp;&amp;</p>", "&", "<p><mark>&amp;</mark><mark>&amp;</mark></p>"),
        (
            '<a title="apple > pie">pie</a>',
            "apple|pie",
            '<a title="apple > pie"><mark>pie</mark></a>',
        ),
        ("<code>te<span>st</span>s</code>", "tests", None),
        ("<p>one</p><p>two</p>", "onetwo", "<p>one</p><p>two</p>"),
        ("<button>Allow</button> it", "Allow|it", "<button>Allow</button> <mark>it</mark>"),
        ('<h2 class="visually-hidden">You</h2>You', "You", None),
        ("", "x", ""),
    ],
)
def test_words_are_marked_in_what_is_read(html: str, words: str, result: str | None) -> None:
    known = {
        "tests": "<code><mark>te</mark><span><mark>st</mark></span><mark>s</mark></code>",
        "You": '<h2 class="visually-hidden">You</h2><mark>You</mark>',
    }
    assert marked(html, words) == (known[words] if result is None else result)


def test_anchor_is_the_mark_that_is_read_first_or_the_beginning() -> None:
    html = "<article><p>a b a</p></article>"
    assert marked(html, "a", 1).count('<mark id="found">a</mark></p>') == 1
    assert marked(html, "z", 0) == '<article><span id="found"></span><p>a b a</p></article>'
    assert marked(html, "z") == html


@given(st.text("ab<>&\"'; x\n", max_size=40), st.lists(st.integers(0, 60), max_size=8))
def test_marks_change_no_character_and_no_other_tag(text: str, places: list[int]) -> None:
    html = Markup('<p title="{}">{}<b>{}</b></p>').format(text, text, text)
    ends = sorted({*places})
    spans = list(zip(ends[::2], ends[1::2], strict=False))
    markable = MarkableHtml(html)
    result = with_marks(markable, Marks(spans, -1), "found")
    assert isinstance(result, Markup)
    assert re.sub(r"</?mark>", "", result) == html
    assert markable.text.strip("\n") == unescape(f"{escape(text)}{escape(text)}").strip("\n")


def test_words_in_rendered_markdown_are_marked() -> None:
    html = marked(render("An **apple** pie, and `pie_crust`."), r"apple pie|crust")
    assert "<strong><mark>apple</mark></strong><mark> pie</mark>" in html
    assert "pie_<mark>crust</mark>" in html


def test_address_of_a_link_hides_none_of_its_text() -> None:
    html = '<a href="/aria-hidden/visually-hidden">pie</a>'
    assert marked(html, "pie") == '<a href="/aria-hidden/visually-hidden"><mark>pie</mark></a>'
