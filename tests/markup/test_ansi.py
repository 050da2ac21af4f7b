"""Terminal output rendered as seen: colours and lines, no escape sequences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.markup.ansi import spans


def shown(text: str) -> str:
    return "".join(part for _, part in spans(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\ntext", [("", "plain\ntext")]),
        ("", []),
        ("\x1b[31mred\x1b[0m.", [("a1", "red"), ("", ".")]),
        ("\x1b[1;32mok\x1b[m", [("a2 ab", "ok")]),
        ("\x1b[91mred\x1b[39m.", [("a1", "red"), ("", ".")]),
        ("\x1b[1mb\x1b[22m.", [("ab", "b"), ("", ".")]),
        ("\x1b[3mi\x1b[23;4mu\x1b[24m.", [("ai", "i"), ("au", "u"), ("", ".")]),
        ("\x1b[38;5;4mblue\x1b[38;5;200mother", [("a4", "blue"), ("", "other")]),
        ("\x1b[38;2;1;2;3mtrue\x1b[31mred", [("", "true"), ("a1", "red")]),
        ("\x1b[48;5;1;32mgreen", [("a2", "green")]),
        ("\x1b[41mred behind", [("", "red behind")]),
        ("\x1b[31ma\n\x1b[31mb", [("a1", "a"), ("", "\n"), ("a1", "b")]),
    ],
)
def test_colours_and_marks_become_classes(text: str, expected: list[tuple[str, str]]) -> None:
    assert list(spans(text)) == expected


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("10%\r50%\r100%\ndone", "100%\ndone"),
        ("a long line\rshort", "shortg line"),
        ("a long line\r\x1b[Kshort", "short"),
        ("a long line\x1b[2K\rshort", "short"),
        ("dos\r\nlines\r\n", "dos\nlines\n"),
        ("typo\b\b\bhis", "this"),
        ("\x1b]0;title\x07text\x1b[1A", "text"),
        ("\x1b]8;;https://a.b/\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("bell\x07 nul\x00\x1b(B\x1b", "bell nul"),
        ("tab\tstays", "tab\tstays"),
    ],
)
def test_text_is_rendered_like_in_a_terminal(text: str, seen: str) -> None:
    assert shown(text) == seen


@given(st.text(st.sampled_from("ab\n\r\b\x1b[]0;31m38:5\x07\\\t")))
def test_no_escape_sequence_remains(text: str) -> None:
    assert not set(shown(text)) & set("\x1b\x07\b\r")
