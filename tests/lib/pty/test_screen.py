"""A screen as a terminal of its width shows it: wrapping, drawing, scrolling."""

from __future__ import annotations

import time

import pytest

from opcode_htmx.lib.pty.screen import Screen


def shown(text: str, columns: int = 10, rows: int = 4, kept: int = 100) -> list[str]:
    screen = Screen(columns, rows, kept)
    screen.feed(text)
    lines = screen.lines()
    while lines and not lines[-1]:
        lines.pop()
    return lines


SHOWN = [
    ("abcdefghijKLM", ["abcdefghij", "KLM"]),
    ("abcdefghij\r\nKLM", ["abcdefghij", "KLM"]),
    ("abcdefghij\rKLM", ["KLMdefghij"]),
    ("abcdefghijK \rKLM", ["abcdefghij", "KLM"]),  # as readline goes to the next row
    ("abcdefghij" * 6, ["abcdefghij"] * 6),
    ("abcdefghijK\x1b[A\x1b[2GX", ["aXcdefghij", "K"]),
    ("abcdefghij日本", ["abcdefghij", "日本"]),
    ("abcdefghi日本", ["abcdefghi", "日本"]),
    ("日本\r\x1b[Cx", [" x本"]),
    ("e\u0301x\b\by", ["yx"]),
    ("one\rt\x1b[K", ["t"]),
    ("one two\x1b[4D\x1b[P\x1b[@_", ["one_two"]),
    ("1\r\n2\r\n3\r\n4\r\n5\x1b[H\x1b[Mx", ["1", "x", "4", "5"]),
    ("1\r\n2\r\n3\x1b[2;1H\x1b[L+", ["1", "+", "2", "3"]),
    ("1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[3;1H\n+", ["1", "3", "+", "4"]),
    ("before\x1b[?1049h\x1b[HEditor", ["Editor"]),
    ("before\x1b[?1049h\x1b[HEditor\x1b[?1049l|", ["before|"]),
    ("\x1b(0lqk\x1b(B|", ["┌─┐|"]),
    ("\x1b]0;title\x07\x1b[1;31mred\x1b[0m\x1b[?25l", ["red"]),
    ("a\tb\tc", ["a       bc"]),
    ("1234567890\x1b[K", ["1234567890"]),
    ("x\x1b[12", ["x"]),
]


def test_it_is_as_a_terminal_of_this_width_shows_it() -> None:
    assert [(text, shown(text)) for text, _ in SHOWN] == SHOWN


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[31mred\x1b[0m\x1b(0q\x1b(B|\x1b[2 q",
        "a\x1b]0;my title\x07b\x1b]8;;http://a\x1b\\link\x1bP1$r0m\x1b\\c",
        "one two\x1b[4D\x1b[P\x1b[@_ x\x1b[2b",
        f"a\x1b]52;c;{'A' * 5000}\x07b",
    ],
)
def test_what_is_written_in_pieces_is_shown_as_what_is_written_at_once(text: str) -> None:
    expected = shown(text)
    for at in range(min(len(text), 50)):
        screen = Screen(10, 4, 100)
        for piece in (text[:at], text[at : at + 1], text[at + 1 :]):
            screen.feed(piece)
        assert screen.lines()[: len(expected)] == expected, at


def test_a_sequence_that_does_not_end_is_not_waited_for_forever() -> None:
    screen, began = Screen(10, 4, 100), time.process_time()
    for piece in ("\x1b[", *"1" * 16_000, "\x1b]", *"1" * 16_000, "\x07", "end"):
        screen.feed(piece)
    assert screen.lines()[-1].endswith("end")
    assert time.process_time() - began < 3


def test_lines_that_have_scrolled_off_are_kept_to_a_number() -> None:
    text = "\r\n".join(map(str, range(100)))
    assert shown(text, kept=3) == [str(number) for number in range(93, 100)]


def test_with_another_width_long_lines_are_wrapped_anew() -> None:
    screen = Screen(10, 4, 100)
    screen.feed("abcdefghijKLMNO\r\nshort\r\n$ ")
    screen.resize(20, 4)
    assert screen.lines()[:3] == ["abcdefghijKLMNO", "short", "$"]
    screen.resize(6, 4)
    screen.feed("x")
    assert screen.lines() == ["abcdef", "ghijKL", "MNO", "short", "$ x"]


@pytest.mark.parametrize(
    "piece", ["\x1b[9999L", "\x1b[9999T", "x\x1b[9999b", "\x1b[9999@", "\x1b[2J", "日", "\x1b["]
)
def test_no_output_takes_long(piece: str) -> None:
    screen, began = Screen(500, 300, 60), time.process_time()
    screen.feed(piece * (32 * 1024 // len(piece)))
    assert time.process_time() - began < 3
