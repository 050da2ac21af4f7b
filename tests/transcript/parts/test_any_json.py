"""Any JSON in a result or a prompt leaves a trace on the page."""

from __future__ import annotations

import html
from collections.abc import Iterator

from hypothesis import example, given
from hypothesis import strategies as st

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.rendering import tool_cards
from opcode_htmx.transcript.content import other_content
from tests.support.fuzzing import examples, patient
from tests.transcript.parts.parts import called, line, page, prompted, tool

TYPES = sorted(other_content._KINDS) + [
    "text",
    "thinking",
    "tool_use",
    "tool_result",
    "of_tomorrow",
]
FIELDS = [
    *("type", "text", "source", "data", "media_type", "mimeType", "title", "name", "uri", "url"),
    *("resource", "blob", "content", "file_id", "tool_name", "context", "description", "other"),
]
marked = st.integers(100_000, 999_999).map("word {} <&>".format)
scalars = st.none() | st.booleans() | st.integers(0, 99) | marked
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
        | st.builds(
            lambda type_, fields: {**fields, "type": type_},
            st.sampled_from(TYPES),
            st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
        )
    ),
    max_leaves=12,
)


def strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from strings(each)
        case list():
            for each in value:
                yield from strings(each)


def trace(text: str, shown: str) -> bool:
    return text in html.unescape(shown) or text in TYPES


@patient
@examples(150)
@given(anything, st.sampled_from(["mcp__x__get", "Read", "Bash", "WebFetch", "Task", "TodoWrite"]))
@example([{"type": "document", "source": {"type": "word 100000 <&>", "data": 5}}], "Read")
@example([{"type": "image", "source": {"data": "word 100001 <&>", "media_type": "x"}}], "Bash")
def test_every_string_of_any_result_leaves_a_trace_on_the_page(content: object, name: str) -> None:
    lines = called(content, name)
    shown, whole = page(lines), tool_cards.full_text(tool(lines))
    quiet = name == "TodoWrite"  # its text only confirms
    for text in strings(content):
        if quiet and isinstance(content, str):
            continue
        assert trace(text, shown) or quiet, (text, shown)
        assert trace(text, whole) or quiet, (text, whole)


@patient
@examples(60)
@given(st.lists(anything, max_size=3))
def test_every_string_of_any_prompt_leaves_a_trace_on_the_page(blocks: list[object]) -> None:
    blocks = [each for each in blocks if not _is_result(each)]
    shown = page(prompted(*blocks))
    for text in strings(blocks):
        assert trace(text, shown), (text, shown)


def _is_result(block: object) -> bool:
    return isinstance(block, dict) and block.get("type") == "tool_result"


def test_a_block_that_is_streamed_without_its_text_yet_is_a_text() -> None:
    begun = parser.parse(
        line(type="stream_event", event={"type": "content_block_start", "index": 0,
                                         "content_block": {"type": "text"}})
    )  # fmt: skip
    assert "TextContent" in repr(begun)
