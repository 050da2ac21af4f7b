"""Addresses that stand in a text as they are: which become links, and where they end."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.markup import ansi
from opcode_htmx.markup.addresses import bare_urls, loopback
from opcode_htmx.markup.addresses.bare_urls import find, split, split_spans, whole
from opcode_htmx.markup.growing.incremental_markdown import IncrementalMarkdown
from opcode_htmx.markup.markdown import render
from opcode_htmx.markup.spans import Span, merge


def links(html: str) -> list[tuple[str, str]]:
    """The address and the HTML of each link."""
    return re.findall(r'<a [^>]*?href="([^"]*)"[^>]*>(.*?)</a>', html)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("http://localhost:5173", ["http://localhost:5173"]),
        (
            "see localhost:5173, or (127.0.0.1:8000/admin/).",
            ["localhost:5173", "127.0.0.1:8000/admin/"],
        ),
        (
            "0.0.0.0:8000 [::1]:80 http://[::1]:80/x",
            ["0.0.0.0:8000", "[::1]:80", "http://[::1]:80/x"],
        ),
        ("HTTPS://A.B/C?d=e&f#g", ["HTTPS://A.B/C?d=e&f#g"]),
        ("http://devbox/x http://a.b:8080/", ["http://devbox/x", "http://a.b:8080/"]),
        # ends as on GitHub
        ("Look at http://a.b/c.", ["http://a.b/c"]),
        (
            "http://a.b/c?! http://a.b/?q=a, http://a.b: x",
            ["http://a.b/c", "http://a.b/?q=a", "http://a.b"],
        ),
        ("(http://a.b/c) (see http://a.b/c_(d))", ["http://a.b/c", "http://a.b/c_(d)"]),
        ("http://a.b/c_(d)) [http://a.b/e]", ["http://a.b/c_(d)", "http://a.b/e"]),
        ("<http://a.b/c><b>", ["http://a.b/c"]),
        ("'http://a.b' \"http://a.b/d\"", ["http://a.b", "http://a.b/d"]),
        ('{"url":"http://a.b/x","n":1}', ["http://a.b/x"]),
        ("**http://a.b/c_d**: `http://a.b`", ["http://a.b/c_d", "http://a.b"]),
        ("http://a.b/x\\nmore", ["http://a.b/x"]),
        # languages written without spaces, and letters in a path
        (
            "http://localhost:5173を開く、https://a.b/日本語。",
            ["http://localhost:5173", "https://a.b/日本語"],
        ),
        # not an address, or not all of one
        ("http://user:secret@a.b/ http://google.com@evil.example", []),
        ("http://exämple.org http://аpple.com http://example.comを", []),
        ("http://localhost:${PORT}/ http://$HOST/ http://localhost:<port> http://a.b/{id}", []),
        ("https://a.b/… http://... http:// http://a..b http://a.b:99999/", []),
        ("postgres://localhost:5432/x git+https://a.b xhttp://a.b me@localhost:22", []),
        ("localhost 127.0.0.1 localhost:x www.example.org me@a.b ftp://a.b file:///a", []),
        ("0.0.0.0:8080->80/tcp 127.0.0.1:8080:80 1127.0.0.1:80", []),
        ("javascript://a.b data://a vbscript://x", []),
        # what is not seen could hide how it goes on
        ("\u202ehttp://a.b http://a.b\u200b.evil.example http://a.b/\u202egpj.exe", []),
        (f"http://a.b/{'c' * bare_urls.LONGEST}", []),
    ],
)
def test_an_address_is_found_and_ends_where_a_reader_would_end_it(
    text: str, addresses: list[str]
) -> None:
    assert [text[url.start : url.end] for url in find(text)] == addresses
    for url in find(text):
        assert (
            url.address == text[url.start : url.end]
            or url.address == f"http://{text[url.start : url.end]}"
        )


def test_a_text_has_a_limited_number_of_links() -> None:
    text = "http://a.b/ " * (bare_urls.MOST + 5)
    assert len(list(find(text))) == bare_urls.MOST
    assert "".join(piece for _, piece in split(text)) == text


@given(st.text(st.sampled_from("htps:/localhost127.0@[]()é日\u202e {}…a&*_,\n")) | st.text())
def test_the_pieces_are_the_text_and_links_are_absolute(text: str) -> None:
    pieces = list(split(text))
    assert "".join(piece for _, piece in pieces) == text
    for address, piece in pieces:
        assert not address or address in (piece, f"http://{piece}")
        assert not re.search(r"[\s<>\"\u202a-\u202e]", address)


@pytest.mark.parametrize(
    "text",
    [
        *("http://" * 15_000 + "{", "http://a.b/" + ")" * 100_000, "localhost:1" * 10_000),
        *("http://a" + "é" * 100_000, "http://localhost:5é" * 5_000, "http://a.b/é" * 9_000),
        *("http://a.b/" + "(" * 50_000 + ")" * 50_000, "[::1]:1" * 15_000, "://" * 30_000),
    ],
)
def test_the_time_is_linear_in_the_text(text: str) -> None:
    began = time.thread_time()
    for _ in find(text):
        pass
    assert time.thread_time() - began < 1  # of minutes, if each were looked for again


# --- in Markdown ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Open http://localhost:3000/__debug__/a_b_c now", "http://localhost:3000/__debug__/a_b_c"),
        ("*http://a.b/c* is", "http://a.b/c"),
        ("**http://a.b/c_(d)**.", "http://a.b/c_(d)"),
        ("~~http://a.b/~x~~~", "http://a.b/~x"),
        ("- http://a.b/c\n", "http://a.b/c"),
        ("| a |\n|---|\n| http://a.b/c |\n", "http://a.b/c"),
        ("http://a.b/?c=1&amp;d=2", "http://a.b/?c=1&amp;d=2"),
        ("`http://a.b/c`", '<code dir="ltr">http://a.b/c</code>'),
        ("```\nGET http://a.b/c\n```\n", "http://a.b/c"),
        ("    curl http://a.b/c\n", "http://a.b/c"),
        ("# http://a.b/c", "http://a.b/c"),
    ],
)
def test_a_bare_address_in_markdown_is_a_link(text: str, shown: str) -> None:
    [(address, html)] = links(render(text))
    assert html == shown
    assert address == re.sub("<.*?>", "", shown)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[http://a.b](http://c.d)", [("http://c.d", "http://a.b")]),
        ("[see http://a.b](docs/x.md)", [("http://a.b", "http://a.b")]),
        ("<http://a.b>", [("http://a.b", "http://a.b")]),
        ("`curl http://a.b`", []),
        (
            "[x `http://a.b` y](http://c.d)",
            [("http://c.d", 'x <code dir="ltr">http://a.b</code> y')],
        ),
    ],
)
def test_a_link_has_no_link_inside(text: str, found: list[tuple[str, str]]) -> None:
    assert links(render(text)) == found


def test_underscores_beside_an_address_are_emphasis() -> None:
    assert render("_a_ http://a.b/c_d _e_").count("<em>") == 2


def test_an_address_that_arrives_in_pieces_is_one_link() -> None:
    text = "It runs at http://localhost:5173/a_b_c. Then\n\n**localhost:80** too\n"
    growing = IncrementalMarkdown()
    for number, character in enumerate(text):
        growing.append(character, number)
        for part in growing.parts:
            assert all(address.startswith("http://") for address, _ in links(part.html))
    found = [link for part in growing.parts for link in links(part.html)]
    assert found == [
        ("http://localhost:5173/a_b_c", "http://localhost:5173/a_b_c"),
        ("http://localhost:80", "localhost:80"),
    ]


def test_a_text_of_addresses_and_emphasis_is_rendered_in_linear_time() -> None:
    began = time.thread_time()
    render("http://a.b/c_d_e * _ ~ " * 800)
    assert time.thread_time() - began < 5


# --- in coloured text ---------------------------------------------------------------------------


def test_an_address_that_a_terminal_coloured_in_pieces_is_one_link() -> None:
    output = "  \x1b[32m➜\x1b[39m  Local: \x1b[36mhttp://localhost:\x1b[1m5173\x1b[22m/\x1b[39m ok"
    found = [
        (address, list(spans)) for address, spans in split_spans(ansi.spans(output)) if address
    ]
    assert found == [
        (
            "http://localhost:5173/",
            [Span("a6", "http://localhost:"), Span("a6 ab", "5173"), Span("a6", "/")],
        )
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "k", "s"]),
            st.sampled_from(["http://a", ".b/", "c", " ", "é", ",", "\n"]),
        ),
        max_size=12,
    )
)
def test_spans_with_links_have_the_same_text_and_colours(pieces: list[tuple[str, str]]) -> None:
    spans = merge(Span(*each) for each in pieces)
    again = [span for _, inside in split_spans(spans) for span in inside]
    assert merge(again) == spans
    assert [a for a, _ in split_spans(spans) if a] == [
        url.address for url in find("".join(text for _, text in spans))
    ]


def test_only_code_that_is_an_address_as_a_whole_is_a_link() -> None:
    assert whole("localhost:5173") == "http://localhost:5173"
    assert (whole("curl http://a.b"), whole("http://a.b "), whole("")) == ("", "", "")


# --- this computer ------------------------------------------------------------------------------

LOCAL = "http://localhost:5173/a 127.0.0.1:80 [x](http://0.0.0.0:1) http://[::1]:2/ http://localhostile.org"


@pytest.mark.parametrize(
    ("host", "name"),
    [("192.168.1.5", "192.168.1.5"), ("box.lan", "box.lan"), ("fd00::1", "[fd00::1]")],
)
def test_a_link_to_localhost_leads_to_the_computer_that_the_page_came_from(
    host: str, name: str
) -> None:
    html = str(render(LOCAL))
    assert [address for address, _ in links(loopback.for_host(html, host))] == [
        *(f"http://{name}:5173/a", f"http://{name}:80", f"http://{name}:1", f"http://{name}:2/"),
        "http://localhostile.org",
    ]
    assert [shown for _, shown in links(loopback.for_host(html, host))] == [
        shown for _, shown in links(html)
    ]
    assert html.count(f'title="{loopback.TITLE}"') == 4


def test_with_a_page_of_previews_a_link_to_localhost_leads_there_with_its_address() -> None:
    html = str(render(f"{LOCAL} https://localhost:9/s http://localhost:3/?a=1&b=é#c"))
    found = [address for address, _ in links(loopback.for_host(html, "box.lan", "/s/preview/link"))]
    assert found == [
        "/s/preview/link?to=http%3A%2F%2Flocalhost%3A5173%2Fa",
        "/s/preview/link?to=http%3A%2F%2F127.0.0.1%3A80",
        "/s/preview/link?to=http%3A%2F%2F0.0.0.0%3A1",
        "/s/preview/link?to=http%3A%2F%2F%5B%3A%3A1%5D%3A2%2F",
        "http://localhostile.org",
        "https://box.lan:9/s",
        "/s/preview/link?to=http%3A%2F%2Flocalhost%3A3%2F%3Fa%3D1%26b%3D%25C3%25A9%23c",
    ]
    long = str(render(f"[x](http://localhost:3/{'a' * 3000})"))
    (found_long,) = links(loopback.for_host(long, "box.lan", "/s/preview/link"))
    assert found_long[0].startswith("http://box.lan:3/aaa")
    assert loopback.for_host(html, "localhost", "/s/preview/link") == html


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "", 'a"b', "a b", "<a>"])
def test_other_hosts_leave_the_links_alone(host: str) -> None:
    html = str(render(LOCAL))
    assert loopback.for_host(html, host) == html


@pytest.mark.parametrize(
    "text",
    [
        '`href="http://localhost:1"` and <a href="http://localhost:1">',
        'Write `<a href="http://localhost:1/x">` or `a x=1 href="http://127.0.0.1"` [here](/a).',
        '<a href="http://localhost:1"> href="http://localhost:2" &quot; href="http://localhost:3',
    ],
)
def test_the_words_of_a_text_keep_their_host(text: str) -> None:
    html = str(render(text))
    for previews in ("", "/s/preview/link"):
        changed = loopback.for_host(html, "box.lan", previews)
        assert re.sub("<.*?>", "", changed) == re.sub("<.*?>", "", html)
