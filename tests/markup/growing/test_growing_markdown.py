"""Markdown that grows: its parts are the same in whatever pieces it came, and settle."""

from __future__ import annotations

import re
import time
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opcode_htmx.markup.growing import incremental_markdown as growing_module
from opcode_htmx.markup.growing.incremental_markdown import IncrementalMarkdown
from opcode_htmx.markup.growing.part import Part, PlainPart
from opcode_htmx.markup.markdown_parser import FENCE_LINES
from tests.markup.safe_html import hostile, parts_of, read_safely

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


@settings(max_examples=100, deadline=None)
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
        assert drawn(parts_of(text, *cuts)) == whole(text, longest_block)


@lru_cache(maxsize=100)
def whole(text: str, _longest_block: int) -> list[str]:
    """What a text that came in one piece shows: most of them are drawn again and again."""
    return drawn(parts_of(text))


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
    assert drawn(growing) == drawn(parts_of(text)), "in whatever pieces it came"
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
    assert drawn(growing) == drawn(parts_of(text)), "in whatever pieces it came"
    assert "".join(part.text for part in growing.parts) == text
    assert max(len(part.text) for part in growing.parts) <= 100 + len(line) + 1


def test_text_of_megabytes_does_not_block() -> None:
    began = time.thread_time()
    parts_of("```\n" + "code\n" * 10**6)
    assert time.thread_time() - began < 10  # of minutes


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_has_the_same_parts_character_by_character(text: str) -> None:
    assert drawn(parts_of(text, *range(len(text)))) == drawn(parts_of(text))


BOLD = (
    "Here is **a bold** word, `a ** b`, 2**10 and ***one more*** of **them\nboth**.\n\n- **it**em"
)


@pytest.mark.parametrize("beginning", ["", "A sentence with many words. " * 30])
def test_no_sign_of_bold_text_is_seen_while_it_grows(beginning: str) -> None:
    text = beginning + BOLD
    for end in range(len(beginning), len(text) + 1):
        growing = IncrementalMarkdown()
        growing.is_growing = True
        growing.append(text[:end], 1)
        seen = "".join(map(shown, growing.parts)).replace("a ** b", "").replace("2**1", "")
        assert "**" not in re.sub("`[^`]*$", "", seen), seen


def shown(part: Part) -> str:
    pieces = part.pieces
    return "".join(piece.html for piece in pieces.pieces) if pieces else part.html


@pytest.mark.parametrize("size", [9, 900])
@pytest.mark.parametrize("text", ["Not **bold, it turns out", f"{'Words, and more. ' * 40}**not"])
def test_the_end_of_a_text_shows_signs_that_mean_nothing(text: str, size: int) -> None:
    growing = IncrementalMarkdown()
    growing.is_growing = True
    for start in range(0, len(text), size):
        growing.append(text[start : start + size], start)
    assert "<strong>" in "".join(map(shown, growing.parts))
    assert growing.end(1000)
    assert list(map(shown, growing.parts)) == list(map(shown, parts_of(text).parts))
    assert growing.parts[-1].revision == 1000
    assert not growing.end(1001)


@pytest.mark.parametrize("size", [9, 900])
def test_signs_before_text_that_is_plain_are_those_of_history(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(growing_module, "LONGEST", 20)
    text = "Not **bold, it turns out, and goes on"
    growing = IncrementalMarkdown()
    growing.is_growing = True
    for start in range(0, len(text), size):
        growing.append(text[start : start + size], start)
    assert list(map(shown, growing.parts)) == list(map(shown, parts_of(text).parts))


def drawn(growing: IncrementalMarkdown) -> list[str]:
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
@pytest.mark.parametrize("lines", [1, FENCE_LINES - 1, FENCE_LINES, FENCE_LINES + 1, 150])
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
