"""Claude's Markdown as HTML: allowed markup only, and stable parts of growing text."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opcode_htmx.markup import incremental_markdown as growing_module
from opcode_htmx.markup import markdown
from opcode_htmx.markup.growing.part import PlainPart
from opcode_htmx.markup.incremental_markdown import IncrementalMarkdown
from opcode_htmx.markup.markdown import render
from opcode_htmx.markup.markdown_parser import FENCE_LINES

HEADINGS = {f"h{level}" for level in range(1, 7)}
INLINE = {"br", "strong", "em", "s", "code", "a"}
TABLE = {"table", "thead", "tbody", "tr", "th", "td"}
TAGS = HEADINGS | INLINE | TABLE | {"p", "hr", "pre", "blockquote", "ul", "ol", "li", "div", "span"}
ATTRIBUTES = {
    "a": {"href", "title", "rel", "target", "dir"},
    "code": {"class", "dir"},
    "div": {"class", "tabindex"},
    "li": {"class", "dir"},
    "ol": {"start"},
    "pre": {"tabindex", "dir"},
    "span": {"class", "dir"},
    "td": {"class", "dir"},
    "th": {"class", "dir"},
    **dict.fromkeys([*HEADINGS, "p", "blockquote", "table"], {"dir"}),
}
VOID = {"br", "hr"}
CLASSES = re.compile(
    r"scroll|wider?|align-(left|right|center)|language-\S*|[a-z]|task|done|check|visually-hidden"
)

PIECES = [
    *("`", "```", "~~~", "*", "**", "_", "~~", "#", "- ", "1. ", "> ", "|", "--", "---", "==="),
    *("\n", "\n\n", "\r\n", "\r", "\t", "    ", " ", "\\", "&", "&lt;", "&#106;", "&colon;", "\0"),
    *("[", "](", ")", "]", "![", "[a]: ", "<", ">", "</", "/>", '"', "'", "=", ":", "//", "?"),
    *("script", "img src=x onerror=alert(1)", "a href=", "style=", "svg/onload=", "iframe"),
    *("javascript:alert(1)", "JaVaScRiPt:", "data:text/html,", "vbscript:", "https://a.b/"),
    *("<!--", "-->", "<![CDATA[", "]]>", "<?", "\x0c", "\x0b", "\u2028", "\x85", "\x1c"),
    *("a", "b | c", "|:-|-:|\n", "☃", "\ufffd", "</p>", "</div>", "<table>", "<a href="),
]
hostile = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)

CODE = "".join(f"line {number}\n" for number in range(3 * FENCE_LINES + 7))
TEXTS = [
    "# Title\n\nSome *text*\nof two lines.\n\n- a\n- b\n\n  more of b\n\n1. one\n2. two\n",
    "a | b\n--|:-:\n1 | 2\n3 | 4\n\nafter\n",
    "setext\n===\n\ntext\n---\n***\n",
    f"before\n\n```python\n{CODE}```\nafter\n",
    f"~~~\n{CODE}",
    f"   ````\n```\n{CODE}````\n\n> quoted\n> ```\n> {CODE}",
    f"- item\n\n  ```\n  {CODE}  ```\n- next\n",
    "[a]: /b\n\n[a] and [c]\n\n[c]: /d\n'title\nmore'\n",
    "    indented\n\n    more\ntext\x0cform feed\n\n\u2028\nnext\n",
]


class Reader(HTMLParser):
    """The parsed HTML: the tags and their attributes, the text, and the nesting."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.code = ""
        self.other: list[str] = []
        self.open: list[str] = []
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "pre" in self.open:
            self.code += data

    def handle_comment(self, data: str) -> None:
        self.other.append(data)

    def handle_decl(self, decl: str) -> None:
        self.other.append(decl)

    def handle_pi(self, data: str) -> None:
        self.other.append(data)

    def unknown_decl(self, data: str) -> None:
        self.other.append(data)


def read_safely(html: str) -> Reader:
    """Read it, and see that nothing is in it that is not allowed."""
    reader = Reader(html)
    assert not reader.open
    assert not reader.other
    for tag, attributes in reader.tags:
        assert tag in TAGS
        assert attributes.keys() <= ATTRIBUTES.get(tag, set())
        assert all(
            CLASSES.fullmatch(name)
            for name in re.split(r"[ \t\n\f\r]+", attributes.get("class", ""))
            if name
        )
        if address := attributes.get("href", ""):
            # a browser passes over control characters and spaces in a scheme
            scheme, colon, _ = re.sub(r"[\s\x00-\x20]", "", address).lower().partition(":")
            assert scheme in ("http", "https", "mailto") or not colon or re.search("[/?#]", scheme)
    return reader


def parts_of(text: str, *cuts: int) -> IncrementalMarkdown:
    """The text as it grows, cut at these places; each piece comes with its end as revision."""
    growing = IncrementalMarkdown()
    ends = sorted({*(cut for cut in cuts if 0 < cut < len(text)), len(text)})
    for start, end in zip([0, *ends], ends, strict=False):
        growing.append(text[start:end], end)
    return growing


# --- safety ---------------------------------------------------------------------------------


@settings(max_examples=500, deadline=None)
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


# --- what it looks like ---------------------------------------------------------------------


def test_a_table_scrolls_by_itself_and_aligns_by_class() -> None:
    reader = read_safely(render("a|b|c\n:-|-:|:-:\n1|2|3\n"))
    assert reader.tags[0] == ("div", {"class": "scroll", "tabindex": "0"})
    assert [a.get("class") for tag, a in reader.tags if tag == "td"] == [
        "align-left",
        "align-right",
        "align-center",
    ]
    assert "style" not in render("a|b|c\n:-|-:|:-:\n1|2|3\n")


def test_a_task_list_says_of_each_task_whether_it_is_done() -> None:
    reader = read_safely(render("- [ ] *sow*\n- [x] dig\n- [X]\n- [y] z\n1. [x] one\n\n[x] text\n"))
    classes = [attributes.get("class") for tag, attributes in reader.tags if tag == "li"]
    assert classes == ["task", "task done", None, None, "task done"]
    lines = [line for line in reader.text.split("\n") if line]
    assert lines == ["To do: sow", "Done: dig", "[X]", "[y] z", "Done: one", "[x] text"]


@pytest.mark.parametrize("text", ["- [ ] `code`\n", "- [x] [a](https://b.c/)\n", "> - [x] a\n"])
def test_task_items_may_contain_inline_markup(text: str) -> None:
    assert ("span", {"class": "check"}) in read_safely(render(text)).tags


# --- code -----------------------------------------------------------------------------------

PYTHON = "```python\ndef f(x):\n    return 'a<b'  # why\n```\n"


def styles(text: str) -> list[tuple[str, str]]:
    return re.findall(r'<span class="(\w)">(.*?)</span>', render(text))


def test_code_is_coloured_by_its_language_without_changing_it() -> None:
    assert styles(PYTHON) == [
        *(("k", "def"), ("f", "f"), ("k", "return")),
        *(("s", "'a&lt;b'"), ("c", "# why")),
    ]
    assert read_safely(render(PYTHON)).code == "def f(x):\n    return 'a<b'  # why\n"


@pytest.mark.parametrize("language", ["", "klingon", "text", "<b>", "x" * 500, "../../etc"])
def test_code_in_an_unknown_language_stays_plain(language: str) -> None:
    html = render(f"```{language}\ndef f(): pass\n```\n")
    assert "<span" not in html
    assert read_safely(html).code == "def f(): pass\n"


def test_code_is_coloured_once_it_is_whole() -> None:
    """The growing part is rendered again with every word."""
    assert styles(PYTHON.removesuffix("```\n")) == []
    assert styles(PYTHON.removesuffix("\n"))
    assert styles(f"> {PYTHON}".replace("\n", "\n> "))


def test_a_piece_of_long_code_is_coloured_when_it_is_cut_off() -> None:
    parts = parts_of("```python\n" + "import a\n" * (FENCE_LINES + 5)).parts
    assert ["<span" in part.html for part in parts] == [True, False]


def test_very_long_code_stays_plain() -> None:
    assert "<span" not in render("```python\n" + "import a\n" * 5000 + "```\n")


def test_a_link_definition_is_shown_where_it_stands() -> None:
    """It could not serve the parts that are settled already, and is not to get lost."""
    assert read_safely(render("[the page][1]\n\n[1]: https://a.b/\n")).text == (
        "[the page][1]\n[1]: https://a.b/\n"
    )


def test_code_names_its_language_and_a_list_its_start() -> None:
    tags = read_safely(render("```python\nx\n```\n\n3. a\n")).tags
    assert ("code", {"class": "language-python"}) in tags
    assert ("ol", {"start": "3"}) in tags


# --- growth ---------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(TEXTS) | hostile,
    st.lists(st.integers(0, 3000), max_size=40),
    st.sampled_from([10, 60, 300, 20_000]),
)
def test_a_text_has_the_same_parts_in_whatever_pieces_it_came(
    text: str, cuts: list[int], longest_block: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growing_module, "LONGEST_BLOCK", longest_block)
        assert shown(parts_of(text, *cuts)) == whole(text, longest_block)


@lru_cache(maxsize=100)
def whole(text: str, _longest_block: int) -> list[str]:
    """What a text that came in one piece shows: most of them are drawn again and again."""
    return shown(parts_of(text))


@pytest.mark.parametrize("more", [0, 1, 50, 200, 201, 900])
@pytest.mark.parametrize("size", [1, 7, 40, 5000])
def test_oversized_text_is_plain_and_finally_only_counted(
    monkeypatch: pytest.MonkeyPatch, more: int, size: int
) -> None:
    monkeypatch.setattr(growing_module, "LONGEST", 300)
    monkeypatch.setattr(growing_module, "PLAIN_PIECE", 50)
    monkeypatch.setattr(growing_module, "MOST_PLAIN", 200)
    text = ("*word* <b>\n\n" * 300)[: 300 + more]
    growing = parts_of(text, *range(size, len(text), size))
    assert shown(growing) == shown(parts_of(text)), "in whatever pieces it came"
    plain = [part for part in growing.parts if isinstance(part, PlainPart)]
    assert "".join(part.text for part in plain) == text[300:500]
    assert all(len(part.text) <= 50 and "<b>" not in part.html for part in plain)
    assert (f"{more - 200:,} characters more" in growing.parts[-1].html) == (more > 200)


@pytest.mark.parametrize(
    "line", ["- an *item*\n", "1. an *item*\n", "words in a paragraph\n", "> said\n", "    code\n"]
)
@pytest.mark.parametrize("size", [1, 7, 40, 5000])
def test_a_block_that_grows_without_end_is_cut_between_two_lines(
    monkeypatch: pytest.MonkeyPatch, line: str, size: int
) -> None:
    monkeypatch.setattr(growing_module, "LONGEST_BLOCK", 100)
    text = f"Before.\n\n{30 * line}\n# After\n\nthe end"
    growing = parts_of(text, *range(size, len(text), size))
    assert shown(growing) == shown(parts_of(text)), "in whatever pieces it came"
    assert "".join(part.text for part in growing.parts) == text
    assert max(len(part.text) for part in growing.parts) <= 100 + len(line) + 1


def test_text_of_megabytes_does_not_block() -> None:
    began = time.monotonic()
    parts_of("```\n" + "code\n" * 10**6)
    assert time.monotonic() - began < 10  # of minutes


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_has_the_same_parts_character_by_character(text: str) -> None:
    assert shown(parts_of(text, *range(len(text)))) == shown(parts_of(text))


def shown(growing: IncrementalMarkdown) -> list[str]:
    return [part.html for part in growing.parts]


@pytest.mark.parametrize("text", TEXTS)
def test_a_settled_part_never_changes_again(text: str) -> None:
    growing = IncrementalMarkdown()
    settled: list[tuple[object, str, int]] = []
    for start in range(0, len(text), 7):
        growing.append(text[start : start + 7], start)
        for (part, html, revision), now in zip(settled, growing.parts, strict=False):
            assert now is part
            assert now.html is html
            assert now.revision == revision
        settled = [(part, part.html, part.revision) for part in growing.parts[:-1]]
    assert len(settled) == len(growing.parts) - 1


def test_only_the_parts_that_changed_have_the_newest_revision() -> None:
    growing = parts_of("one\n\ntwo\n\nthree\n", 5, 10)
    growing.append("and more", 99)
    assert [part.text for part in growing.parts] == ["one\n\n", "two\n\n", "three\nand more"]
    assert [part.revision for part in growing.parts] == [5, 10, 99]


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_unicode_line_separators_do_not_split_parts(sign: str) -> None:
    parts = [f"one{sign}and{sign}more\n\n", "# two\n\n", "three\n"]
    assert [part.text for part in parts_of("".join(parts)).parts] == parts


def test_parts_hold_the_whole_text_and_nothing_twice() -> None:
    for text in TEXTS[:3]:
        assert "".join(part.text for part in parts_of(text, *range(len(text))).parts) == text


@pytest.mark.parametrize("fence", ["```", "~~~~", "   ```"])
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("lines", [1, FENCE_LINES - 1, FENCE_LINES, FENCE_LINES + 1, 500])
@pytest.mark.parametrize("step", [1, 10_000_000])
def test_long_code_is_cut_into_parts_and_no_line_is_lost(
    fence: str, closed: bool, lines: int, step: int
) -> None:
    code = "".join(f"{number} <b> `` ~~~\n" for number in range(lines))
    text = f"Before.\n\n{fence}html\n{code}{fence if closed else ''}"
    if closed:
        text += "\n\nAfter.\n"
    parts = parts_of(text, *range(0, len(text), step)).parts
    readers = [read_safely(part.html) for part in parts]
    assert "".join(reader.code for reader in readers) == code
    assert max(reader.code.count("\n") for reader in readers) <= FENCE_LINES + 1
    assert readers[0].text.strip() == "Before."
    assert not closed or readers[-1].text.strip() == "After."


@pytest.mark.parametrize("lines", [FENCE_LINES, 2 * FENCE_LINES])
@pytest.mark.parametrize("closing", ["", "```\n", "```\n\nAfter.\n"])
def test_no_empty_code_is_shown_where_code_was_cut_at_its_end(lines: int, closing: str) -> None:
    text = "```\n" + "x\n" * lines + closing
    for part in parts_of(text, *range(len(text))).parts:
        assert "<code></code>" not in part.html


def test_the_cost_of_growing_text_does_not_grow_with_its_length() -> None:
    """Each piece touches one part, and the last part stays small."""
    growing = parts_of("A paragraph of text.\n\n" * 400, *range(0, 10_000, 11))
    assert len(growing.parts) == 400
    assert max(len(part.text) for part in growing.parts) < 30


WORDS_AND_MARKS = (
    *("*a*", "**b**", "`c`", "~~d~~", "***", "text ", "- x\n", "1. y\n", "> q\n", "# h\n", "<b>"),
    *("```py\ndef a(): 1\n```\n", "|a|b|\n|:-|-|\n|مرحبا|<|\n", "http://a.b/c_d_e ", "localhost:1"),
    *("&amp;", "&", '"', "'", "[l](http://x)", "<script>", "\n", "\n\n", "  \n", "\r\n", "\0"),
    *("\x85", "\u00a0", "\ufdd0", "\ufffe", "```\n", "|a|\n|-|\n|b|\n", "- [x] z\n", "\u2028"),
)


@given(st.text() | st.lists(st.sampled_from(WORDS_AND_MARKS), max_size=20).map("".join))
@settings(max_examples=500, deadline=None)
def test_html_that_skips_bleach_would_pass_it_unchanged(words: str) -> None:
    rendered = str(render(words))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markdown, "_is_bare", lambda html: False)
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
    assert not markdown._is_bare(html)


def test_paragraph_of_very_many_links_is_shown_as_plain_text() -> None:
    few, many = (render("_*http://a.com/_*" * number) for number in (100, 5_000))
    assert "<a " in few
    assert "<a " not in many
    assert "http://a.com/" in many


class OfProject:
    """Places of a text whose links and images lead to files of a project, or to `elsewhere`."""

    has_anchors = True

    def __init__(self, elsewhere: str = "") -> None:
        self._elsewhere = elsewhere

    def link(self, address: str) -> str:
        return self._elsewhere or f"/projects/p/files/open?path={address}"

    def image(self, address: str) -> str:
        return self._elsewhere or f"/projects/p/files/raw?path={address}"


def test_a_file_of_a_project_has_links_images_and_headings_of_its_own() -> None:
    html = render("[x](a.md) ![y](b.png)\n\n# One *two*\n\n# One two\n", places=OfProject())
    assert '<a class="file-link" href="/projects/p/files/open?path=a.md">x</a>' in html
    assert '<img src="/projects/p/files/raw?path=b.png" alt="y" loading="lazy">' in html
    assert '<h2 id="h-one-two" dir="auto">' in html
    assert '<h2 id="h-one-two-1" dir="auto">' in html
    assert "<h1" not in html


@pytest.mark.parametrize("address", ["//evil.example/x", "/elsewhere?path=x", "/a/files/raw?path="])
def test_places_outside_of_a_project_are_taken_away(address: str) -> None:
    html = render("[x](a.md) ![y](b.png)", places=OfProject(address))
    assert "href=" not in html
    assert "src=" not in html
