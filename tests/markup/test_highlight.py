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
MOST = 4 * SECONDS


def text_of(code: str, language: str) -> str:
    return "".join(text for _, text in highlight.code(code, language).spans)


def test_every_language_that_is_named_is_one_that_pygments_knows() -> None:
    assert [name for name in NAMES if highlight._lexer_by_name(name) is None] == []


def seconds(code: str, name: str) -> float:
    """CPU time of all threads: long code is coloured in another one."""
    began = time.process_time()
    highlight.code(code, name)
    return time.process_time() - began


@pytest.mark.timeout(300)
def test_highlighting_time_is_bounded() -> None:
    """A part of each text is tried before: few take so long that the whole could take too long."""
    slow = []
    for name in NAMES:
        highlight.code("x", name)  # which compiles the patterns of the lexer
        for piece in HOSTILE:
            line = (piece * LONGEST_LINE)[: LONGEST_LINE - 1] + "\n"
            whole = (piece * LONGEST)[:LONGEST]
            for code, part, times in (line * 6, line, 6), (whole, whole[: LONGEST // 5], 5):
                if seconds(part, name) * times**3 < MOST:
                    continue
                if (took := seconds(code, name)) > MOST:
                    slow.append(f"{name} takes {took:.1f} s for {piece!r}")
    assert slow == []


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
