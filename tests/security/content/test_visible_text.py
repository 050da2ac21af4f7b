"""Every invisible character and every long run of blanks of a text is shown."""

from __future__ import annotations

import time
import unicodedata
from html import unescape

import pytest
from markupsafe import Markup

from opcode_htmx.markup.visible_text import MOST_BLANKS, visible, visible_text

FORMATS_THAT_ARE_SEEN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
"""Format characters with a shape of their own, such as the Arabic number sign."""
FILLERS = (
    *(
        0x34F,
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        0x180B,
        0x180F,
        0x2065,
        0x2800,
        0x3164,
        0xFE00,
        0xFFA0,
    ),
    *(0xE0001, 0xE007F, 0xE01EF),
)
"""Without a shape, although their category says that they are letters, marks or symbols."""
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
PERSIAN = "\u0645\u06cc\u200c\u0631\u0648\u0645"


def test_every_invisible_unicode_character_becomes_its_code_point() -> None:
    unseen = [
        code
        for code in range(0x110000)
        if unicodedata.category(chr(code)) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        and code not in {ord("\t"), ord("\n")} | FORMATS_THAT_ARE_SEEN
    ] + list(FILLERS)
    assert len(unseen) > 2000
    text = "".join(f"a{chr(code)}" for code in unseen)
    assert visible_text(text) == "".join(f"a⟨U+{code:04X}⟩" for code in unseen)
    assert visible(f"a{chr(0x202E)}b") == ('a<span class="unseen" data-raw="202e">⟨U+202E⟩</span>b')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ls\u200b\u200b\u200b", "ls⟨U+200B ×3⟩"),
        ("a\rb", "a⟨U+000D⟩b"),
        ("a\x1b[2Kb\x08", "a⟨U+001B⟩[2Kb⟨U+0008⟩"),
        ("a\x0cb\x85\u2028\u2029", "a⟨U+000C⟩b⟨U+0085⟩⟨U+2028⟩⟨U+2029⟩"),
        ("cut \ud83d", "cut ⟨U+D83D⟩"),
        ("&#x202e; &lrm; <b>", "&#x202e; &lrm; <b>"),
        ("a\nb", "a↵b"),
        ("ls" + "\n" * 60 + "rm", "ls↵⋯ 59 empty lines↵rm"),
        ("ls" + "\n \t\u00a0" * 60 + "\nrm", "ls↵⋯ 60 empty lines↵rm"),
        ("ls\n\n\nrm", "ls↵↵↵rm"),
        ("ls" + " " * MOST_BLANKS + "rm", "ls" + " " * MOST_BLANKS + "rm"),
        ("ls" + " " * 400 + "rm", "ls⋯ 400 blanksrm"),
        ("ls" + " \t\u00a0\u2003\u3000" * 80 + "rm", "ls⋯ 400 blanksrm"),
        ("ls" + " " * 1234, "ls⋯ 1,234 blanks"),
    ],
)
def test_no_invisible_character_remains_in_a_line(text: str, shown: str) -> None:
    assert visible_text(text) == shown


def test_a_mark_is_as_wide_as_a_short_run_so_that_columns_stay_aligned() -> None:
    assert visible_text("|" + " " * 30 + "|").index("|", 1) == 31


def test_line_feeds_stay_where_lines_are_shown() -> None:
    assert visible_text("a\n\n\n\nb\nc", lines=True) == "a\n⋯ 3 empty lines\nb\nc"


@pytest.mark.parametrize(
    ("text", "strict", "joined"),
    [
        (FAMILY, FAMILY.replace("\u200d", "⟨U+200D⟩"), FAMILY),
        (PERSIAN, PERSIAN.replace("\u200c", "⟨U+200C⟩"), PERSIAN),
        ("a\u200db", "a⟨U+200D⟩b", "a⟨U+200D⟩b"),
        ("\u6587\u200d\u5b57", "\u6587⟨U+200D⟩\u5b57", "\u6587⟨U+200D⟩\u5b57"),
        ("\u2764\ufe0f 1\ufe0f\u20e3", "\u2764\ufe0f 1\ufe0f\u20e3", "\u2764\ufe0f 1\ufe0f\u20e3"),
        ("rm\ufe0f |\ufe0e", "rm⟨U+FE0F⟩ |⟨U+FE0E⟩", "rm⟨U+FE0F⟩ |⟨U+FE0E⟩"),
    ],
)
def test_joiners_of_emoji_and_scripts_are_kept_in_names_only(
    text: str, strict: str, joined: str
) -> None:
    assert visible_text(text) == strict
    assert visible_text(text, joined=True) == joined


def test_text_without_invisible_characters_is_unchanged() -> None:
    text = "npm test -- --grep 'größe' \u05d0\u05d1"
    assert visible(text) is text
    assert visible_text(text) is text
    assert visible(Markup("<b>")) == Markup("<b>")


def test_marked_text_is_escaped() -> None:
    assert visible("<script>\u202e</script>\"'") == (
        '&lt;script&gt;<span class="unseen" data-raw="202e">⟨U+202E⟩</span>'
        "&lt;/script&gt;&quot;&#x27;"
    )


@pytest.mark.parametrize(
    "unit",
    ["\u202e", "a\u202e", " ", " " * 20 + "x", "\n", "\n \n", "\u200b\u200c", "\t\u00a0", "\ud800"],
)
def test_time_is_linear_in_text_length(unit: str) -> None:
    def seconds(size: int) -> float:
        text = (unit * size)[:size]
        began = time.process_time()
        unescape(str(visible(text, lines=True)))
        return time.process_time() - began

    seconds(1000)
    short = min(seconds(20_000) for _ in range(3))
    is_linear = (seconds(160_000) < 24 * short + 0.05 for _ in range(3))
    assert any(is_linear), "eight times the text"
