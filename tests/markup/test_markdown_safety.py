"""Claude's Markdown as HTML: allowed markup only, whatever the text is."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opcode_htmx.markup import sanitizer
from opcode_htmx.markup.markdown import render
from tests.markup.safe_html import hostile, parts_of, read_safely
from tests.support.fuzzing import examples

# --- safety ---------------------------------------------------------------------------------


@examples(300)
@given(hostile)
@example('<a href="javascript:alert(1)">x</a>')
@example("[x](javascript:alert(1))")
@example("[x](java\tscript:alert(1))")
@example("[x](&#106;avascript:alert(1))")
@example("[x](data:text/html;base64,PHNjcmlwdD4=)")
@example("[x](data:image/gif;base64,R0lGOD)")
@example('[x](https://a.b/"onmouseover=alert(1) "onclick=alert(1)")')
@example("<javascript:alert(1)> <https://a.b/'onload=alert(1)>")
@example("![x](https://a.b/x.png) ![x](javascript:alert(1))")
@example("<img src=x onerror=alert(1)><svg/onload=alert(1)><script>alert(1)</script>")
@example("```\n</code></pre><script>alert(1)</script>")
@example('```"onclick="alert(1)\n```')
@example('```html" style="x\n<p style="text-align:left">\n```')
@example("|<script>|\n|:-|\n|</table><script>|\n")
@example("<<scr<script>ipt>alert(1)</scr</script>ipt>")
@example("&lt;script&gt;alert(1)&lt;/script&gt; &amp;lt;script&amp;gt;")
def test_hostile_text_yields_allowed_markup_only(text: str) -> None:
    read_safely(render(text))
    for part in parts_of(text, *range(len(text))).parts:
        read_safely(part.html)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "</p></article><b>",
        "&lt;script&gt; &amp;",
        "<!-- a --> <![CDATA[ b ]]>",
    ],
)
def test_html_is_escaped(text: str) -> None:
    shown = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert read_safely(render(text)).text.strip() == shown
    assert read_safely(render(f"```\n{text}\n```")).code.strip() == text


@pytest.mark.parametrize(
    "mark", ["*", "**", "_", "> ", "[", "![", "- ", "`", "~~", "<", "(", "1. "]
)
def test_deep_nesting_is_rendered_all_the_same(mark: str) -> None:
    read_safely(render(mark * 2000 + "a" + mark[::-1] * 2000))


def test_an_image_is_never_loaded() -> None:
    reader = read_safely(render("![a cat](https://a.b/c.png)"))
    assert [tag for tag, _ in reader.tags] == ["p", "a"]
    assert reader.text.strip() == "a cat"


def test_a_link_opens_a_page_of_its_own_that_cannot_reach_back() -> None:
    reader = read_safely(render('[x](https://a.b/?c&d "title") <https://e.f>'))
    own = {"rel": "noopener noreferrer", "target": "_blank"}
    assert [attributes for tag, attributes in reader.tags if tag == "a"] == [
        {"href": "https://a.b/?c&d", "title": "title", **own},
        {"href": "https://e.f", **own},
    ]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[docs/a.md](docs/a.md)", "docs/a.md"),
        ("[the guide](docs/a.md)", "the guide (docs/a.md)"),
        ("[a b](src/a%20b.py#L3)", "a b (src/a b.py#L3)"),
        ("[the heading](#heading-one)", "the heading"),
        ("[`run`](a.py:12)", "run (a.py:12)"),
        ("[x](/etc/hosts 'the title')", 'x (/etc/hosts "the title")'),
        ("[x](//host/path)", "x (//host/path)"),
        ("[x](www.example.com)", "x (www.example.com)"),
        ("[x](https:relative)", "x (https:relative)"),
        ("[x](https:///path)", "x (https:///path)"),
        (r"[x](http:\\\\host)", r"x (http:\\host)"),
        (r"[x](\\\\host\share)", r"x (\\host\share)"),
        ("[x](file:///a)", "x (file:///a)"),
        ("[x](vscode://file/a)", "x (vscode://file/a)"),
        ("[x](javascript:alert)", "x (javascript:alert)"),
        ("<vscode://file/a>", "vscode://file/a"),
        ("[x]()", "x"),
        ("![a cat](img/cat.png)", "a cat (img/cat.png)"),
        ("![](img/cat.png)", "image (img/cat.png)"),
        ("[![state](state.svg)](docs/a.md)", "state (docs/a.md)"),
    ],
)
def test_relative_link_is_shown_as_its_path(written: str, shown: str) -> None:
    reader = read_safely(render(f"See {written}, please."))
    assert "a" not in [tag for tag, _ in reader.tags]
    assert reader.text.strip() == f"See {shown}, please."


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("[x](https://a.b)", "https://a.b"),
        ("[x](HTTP://a.b/c?d#e)", "HTTP://a.b/c?d#e"),
        ("[x](mailto:me@a.b)", "mailto:me@a.b"),
        ("<me@a.b>", "mailto:me@a.b"),
        ("![a cat](https://a.b/c.png)", "https://a.b/c.png"),
        ("[![state](https://i.j/s.svg)](https://a.b/)", "https://a.b/"),
    ],
)
def test_a_whole_address_stays_a_link(written: str, address: str) -> None:
    reader = read_safely(render(written))
    assert [attributes["href"] for tag, attributes in reader.tags if tag == "a"] == [address]


# --- what may skip the cleaning -------------------------------------------------------------

WORDS_AND_MARKS = (
    *("*a*", "**b**", "`c`", "~~d~~", "***", "text ", "- x\n", "1. y\n", "> q\n", "# h\n", "<b>"),
    *("```py\ndef a(): 1\n```\n", "|a|b|\n|:-|-|\n|مرحبا|<|\n", "http://a.b/c_d_e ", "localhost:1"),
    *("&amp;", "&", '"', "'", "[l](http://x)", "<script>", "\n", "\n\n", "  \n", "\r\n", "\0"),
    *("\x85", "\u00a0", "\ufdd0", "\ufffe", "```\n", "|a|\n|-|\n|b|\n", "- [x] z\n", "\u2028"),
)


@given(st.text() | st.lists(st.sampled_from(WORDS_AND_MARKS), max_size=20).map("".join))
@examples(300)
def test_html_that_skips_bleach_would_pass_it_unchanged(words: str) -> None:
    rendered = str(render(words))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sanitizer, "_is_bare", lambda html: False)
        assert rendered == str(render(words))


@pytest.mark.parametrize(
    "html",
    [
        "<p>a</p><script>",
        '<p class="a">b</p>',
        "<p>a</em></p>",
        "<p><em>a</p></em>",
        "</p>",
        "<p>",
        "<p>&#106;</p>",
        "<p>&lt</p>",
        "<div>a</div>",
        "<span>a</span>",
        '<p dir="rtl">a</p>',
        '<pre dir="ltr" tabindex="1">a</pre>',
        '<span class="unseen">a</span>',
        '<code class="language-<">a</code>',
        "<a>b</a>",
        "<p >a</p>",
        "<P>a</P>",
        "<p>\0</p>",
        "<p>\ud800</p>",
    ],
)
def test_unusual_html_is_cleaned_by_bleach(html: str) -> None:
    assert not sanitizer._is_bare(html)
