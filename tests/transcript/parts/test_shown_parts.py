"""No part of a tool result or a prompt is dropped: each is shown on a line of its own."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from opcode_htmx.rendering import search, to_markdown, tool_cards
from opcode_htmx.sessions.export.standalone_html import WholeBlocks
from opcode_htmx.transcript.blocks import PromptBlock, RawBlock
from tests.support.cli.captured import fold, templates
from tests.transcript.parts.parts import PNG, as_pdf, called, line, page, prompted, tool, words

KINDS: list[tuple[object, str]] = [
    (["plain", "strings"], "plain strings"),
    ({"foo": "an object"}, '{ "foo": "an object" }'),
    (["a", 5, {"deep": ["er"]}], '"er"'),
    (7, "7"),
    ([{"type": "resource", "resource": {"uri": "file:///a.txt", "text": "its text"}}],
     "Resource file:///a.txt its text"),
    ([{"type": "resource", "resource": {"uri": "https://a.b/c", "mimeType": "x/y",
                                        "blob": "AAAA"}}],
     "Resource x/y 3 bytes https://a.b/c Download"),
    ([{"type": "resource_link", "uri": "https://a.b/c", "name": "thing", "description": "about"}],
     "Resource link thing https://a.b/c about"),
    ([{"type": "resource_link", "uri": "javascript:alert(1)", "name": "thing"}],
     "Resource link thing javascript:alert(1)"),
    ([{"type": "tool_reference", "tool_name": "mcp__x__TOOLREF"}], "Loaded tool mcp__x__TOOLREF"),
    ([as_pdf(title="The plan")], "Document The plan application/pdf 3 KB Download"),
    ([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "abcd"},
       "context": "of May"}], "Document text/plain of May abcd"),
    ([{"type": "document", "source": {"type": "url", "url": "https://a.b/c.pdf"}}],
     "Document https://a.b/c.pdf"),
    ([{"type": "document", "source": {"type": "file", "file_id": "file_1"}}], "Document file_1"),
    ([{"type": "document", "source": {"type": "content", "content": [
        {"type": "text", "text": "inner"}, {"type": "tool_reference", "tool_name": "q"}]}}],
     "Document inner Loaded tool q"),
    ([{"type": "search_result", "source": "https://a.b", "title": "Found",
       "content": [{"type": "text", "text": "its words"}]}],
     "Search result Found https://a.b its words"),
    ([{"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}],
     "Audio audio/wav 3 bytes Download"),
    ([{"type": "video", "source": {"type": "base64", "media_type": "video/mp4", "data": "AAAA"}}],
     "Video video/mp4 3 bytes Download"),
    ([{"type": "container_upload", "file_id": "file_2"}], "Uploaded file file_2"),
    ([{"type": "image", "source": {"type": "url", "url": "https://a.b/c.png"}}],
     "Image https://a.b/c.png"),
    ([{"type": "image", "data": "AAAA", "mimeType": "image/heic"}],
     "Image image/heic 3 bytes Download"),
    ([{"type": "server_tool_use", "name": "web", "input": {"q": "seeds"}}],
     'server_tool_use { "type": "server_tool_use", "name": "web", "input": { "q": "seeds" } }'),
    ([{"type": "of_tomorrow", "what": "?"}], "of_tomorrow"),
    ([{"type": "text", "text": 5}], 'text { "type": "text", "text": 5 }'),
    ([{"type": "text", "text": "a", "citations": [{"url": "u"}]}], '"url": "u"'),
    ([{"type": "document", "source": None, "title": ["odd"]}], '"odd"'),
    ([{"type": "document", "source": {"type": "base64", "data": "no base64!"}}], "no base64!"),
    ([{"type": "resource", "resource": "a string"}], '"a string"'),
    ([{"type": "search_result", "source": 5, "title": "t", "content": "words"}], "words"),
    ([{"type": "tool_result", "content": "nested"}], "nested"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "shown"), KINDS)
def test_each_part_of_a_result_is_on_the_page_and_in_exports(content: object, shown: str) -> None:
    lines = called(content)
    assert shown in words(page(lines))
    assert shown in words(page(lines, WholeBlocks(templates(), "/home/me").block))
    # there is no download in plain text, and addresses and labels stand with other signs
    said = [word for word in re.findall(r"[\w/:.\"]{3,}", shown) if word != "Download"]
    for text in (to_markdown.source(tool(lines)), tool_cards.full_text(tool(lines))):
        assert all(word in text for word in said)
    assert list(search.find([tool(lines)], said[-1] if said else shown))


def test_parts_keep_their_order() -> None:
    reference = {"type": "tool_reference", "tool_name": "between"}
    shown = words(page(called([{"type": "text", "text": "first"}, reference, "last"])))
    assert shown.index("first") < shown.index("between") < shown.index("last")


def test_only_addresses_of_the_web_become_links() -> None:
    named = ("https://a.b/c", "javascript:alert(1)", "file:///etc", "//a.b", "http:c", "data:x")
    links = [{"type": "resource_link", "uri": uri, "name": "n"} for uri in named]
    shown = page(called(links))
    assert re.findall(r'<a href="([^"]*)"[^>]*rel="noopener noreferrer"', shown) == [named[0]]
    assert all(uri in html.unescape(shown) for uri in named)


def test_listed_tool_shows_result_parts_beside_its_text() -> None:
    """Its line says all there is to say, as long as nothing else came."""
    shown = page(called([{"type": "tool_reference", "tool_name": "q"}], "TodoWrite"))
    assert "Loaded tool" in words(shown)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "source": {"type": "text", "data": "the words"}, "title": "Notes"},
        {"type": "of_tomorrow", "what": "the words"},
        {"type": "search_result", "source": "x", "title": "t", "content": "the words"},
    ],
)
def test_non_text_prompt_blocks_are_shown_with_the_prompt(block: dict[str, Any]) -> None:
    lines = prompted(block, {"type": "text", "text": "Read this."})
    assert "Read this." in words(page(lines))
    assert "the words" in words(page(lines))
    (prompt,) = fold(lines, run_id=None)
    assert isinstance(prompt, PromptBlock)
    assert prompt.text == "Read this."
    assert "the words" in to_markdown.source(prompt)
    assert list(search.find([prompt], "the words"))
    assert "the words" in words(page(prompted(block)))  # a prompt without words as well


@pytest.mark.parametrize("block", [as_pdf(), {"type": "image", "source": {"data": PNG,
                          "media_type": "image/png"}}, {"type": "of_tomorrow", "a": "b"},
                         {"type": "tool_result", "content": [as_pdf()]}])  # fmt: skip
def test_non_text_assistant_blocks_are_shown(block: dict[str, Any]) -> None:
    lines = (line(type="assistant", uuid="a", message={"id": "m", "content": [block]}),)
    (raw,) = fold(lines, run_id=None)
    assert isinstance(raw, RawBlock)
    assert any(each in page(lines) for each in ("application/pdf", "<img", "of_tomorrow"))
    assert to_markdown.source(raw) != "```json\n\n```"


# --- structured results ---------------------------------------------------------------------


def test_a_structured_result_is_shown_unless_the_text_holds_it() -> None:
    beside: dict[str, Any] = {"mcpMeta": {"structuredContent": {"k": "STRUCTURED"}}}
    assert "Structured result" in words(page(called("hi", toolUseResult="hi", **beside)))
    same = '{"k":"STRUCTURED"}'
    assert "Structured result" not in words(page(called(same, toolUseResult=same, **beside)))
    live = called("hi", tool_use_result={"content": "hi", "structuredContent": {"k": "STRUCTURED"}})
    assert page(live) == page(called("hi", toolUseResult="hi", **beside)).replace(
        *(re.findall(r'data-order="[^"]*"', page(each))[0] for each in (live, live))
    )
