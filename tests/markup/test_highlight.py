"""Syntax highlighting: the text is unchanged, and its time is bounded."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opcode_htmx.markup import highlight
from opcode_htmx.markup.highlight import LONGEST, LONGEST_LINE, SECONDS

NAMES = sorted(highlight._LANGUAGES)
HOSTILE = [
    *("(", "{", "[", "<", '"', "'", "`", "/*", "a", "a ", " ", "1", "\\", "- ", "\n", "#", "[a]("),
    *("a:\n  ", "<?", "${", "\n\n\t", "x = \n"),
]


def text_of(code: str, language: str) -> str:
    return "".join(text for _, text in highlight.code(code, language).spans)


@pytest.mark.parametrize("name", NAMES)
def test_every_language_that_is_named_is_one_that_pygments_knows(name: str) -> None:
    assert highlight._lexer_by_name(name) is not None


@pytest.mark.parametrize("name", NAMES)
def test_highlighting_time_is_bounded(name: str) -> None:
    for piece in HOSTILE:
        line = (piece * LONGEST_LINE)[: LONGEST_LINE - 1]
        began = time.thread_time()
        highlight.code(f"{line}\n" * 6, name)
        highlight.code((piece * LONGEST)[:LONGEST], name)
        assert time.thread_time() - began < 4 * SECONDS, piece


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(HOSTILE + ["\r\n", "é", "\0", "\ufeff"])).map("".join),
    st.sampled_from([*NAMES, "console", "", "klingon", "robotframework"]),
)
def test_colouring_does_not_change_the_text(code: str, name: str) -> None:
    assert text_of(code, name) == code


def test_the_name_of_a_file_says_its_language() -> None:
    for name in ("a.py", "/home/me/a.py"):
        assert highlight.file("import a", name).spans[0] == ("k", "import")
    for name in ("", "a", "a.unknown", "a.txt", "/", "x" * 500):
        assert highlight.file("import a", name) == ((("", "import a"),), "")


def test_console_commands_are_highlighted_in_their_language() -> None:
    assert highlight.code("echo 1", "console").spans[0].style == "f"
    assert highlight.code("import a", "PyCon").spans[0].style == "k"


def test_long_code_and_long_lines_stay_plain() -> None:
    assert len(highlight.code("import a\n" * (LONGEST // 9), "python").spans) > 1
    for code in ("import a\n" * LONGEST, "import a" + "a" * LONGEST_LINE):
        shown = highlight.code(code, "python")
        assert shown == ((("", code),), "Shown without colours: too long.")
        assert highlight.code(code, "klingon").note == ""
