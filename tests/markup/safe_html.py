"""HTML of Claude's Markdown, read strictly: nothing is in it that is not allowed."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import strategies as st

from opcode_htmx.markup.growing.incremental_markdown import IncrementalMarkdown

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
