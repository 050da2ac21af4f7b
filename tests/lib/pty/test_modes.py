"""What is sent to a viewer that sees a terminal's output from the middle on."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as some

from opcode_htmx.lib.pty.modes import Modes

BOTTOM = b"\x1b[999;1H"
SEQUENCES = [
    *(b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25l", b"\x1b[?1;2004h", b"\x1b[m", b"\x1b[0;31m"),
    *(b"\x1b[48;5;7m", b"\x1b(0", b"\x1b)B", b"\x1b=", b"\x1b[4h", b"\x1b[2;9r", b"\x1b[6 q"),
    *(
        b"\x1bc",
        b"\x1b]0;title\x07",
        b"\x1b]2;t\xc3\xa4\x1b\\",
        b"plain",
        "ä漢🙂".encode(),
        b"\r\n",
    ),
    *(b"\x1b[H", b"\x1b[2J", b"\x1bPq#1\x1b\\", b"\x1b[38;2;1;2;3m"),
]


def after(*parts: bytes) -> Modes:
    modes = Modes()
    for part in parts:
        modes.feed(part)
    return modes


def test_modes_and_colours_are_restored_in_their_last_state() -> None:
    modes = after(b"\x1b[?1049h\x1b[?25l", b"text\x1b[?25h\x1b[1m\x1b[m\x1b[32m", b"\x1b[?2004h")
    restored = modes.restores()
    assert restored == b"\x1b[?1049h\x1b[?25h\x1b[?2004h\x1b[32m"
    assert modes.uses_alternate_screen


def test_a_reset_of_the_terminal_forgets_them() -> None:
    assert after(b"\x1b[?1049h\x1b[2;5r\x1b[31m", b"\x1bc").restores() == BOTTOM


def test_a_title_is_kept() -> None:
    modes = after(b"\x1b]0;vim: a", b"pple\x07")
    assert modes.title == b"2;vim: apple"[2:]


@pytest.mark.parametrize(
    "cut", ["ä".encode()[:1], "🙂".encode()[:3], b"\x1b", b"\x1b[3", b"\x1b]0;a"]
)
def test_no_segment_ends_in_a_character_or_a_sequence(cut: bytes) -> None:
    assert not after(b"apple", b"pear" + cut).is_between


@pytest.mark.parametrize(
    "whole", ["ä".encode(), b"\x1b[3m", b"\x1b]0;a\x07", b"\x1b(B", b"\xff", b""]
)
def test_after_whole_ones_it_may_end(whole: bytes) -> None:
    assert after(b"apple", b"pear" + whole).is_between


def test_a_sequence_that_never_ends_is_not_waited_for() -> None:
    modes = after(b"\x1b]0;" + b"a" * 3000, b"a" * 3000, b"a")
    assert modes.is_between


@given(some.lists(some.sampled_from(SEQUENCES), max_size=12), some.data())
def test_it_does_not_matter_where_the_output_is_cut(
    parts: list[bytes], data: some.DataObject
) -> None:
    whole = b"".join(parts)
    places = sorted(data.draw(some.lists(some.integers(0, len(whole)), max_size=4)))
    cut = [whole[begin:end] for begin, end in zip([0, *places], [*places, len(whole)], strict=True)]
    assert set(after(whole).restores().split(b"\x1b")) == set(after(*cut).restores().split(b"\x1b"))


@given(some.lists(some.sampled_from(SEQUENCES[:13]), max_size=12))
def test_restored_modes_are_those_of_a_reference_terminal(parts: list[bytes]) -> None:
    reference, restored = pyte.Screen(20, 10), pyte.Screen(20, 10)
    pyte.ByteStream(reference).feed(b"".join(parts))
    pyte.ByteStream(restored).feed(after(*parts).restores())
    for name in ("fg", "bg", "bold"):
        assert getattr(restored.cursor.attrs, name) == getattr(reference.cursor.attrs, name)
    assert (restored.mode, restored.margins) == (reference.mode, reference.margins)
