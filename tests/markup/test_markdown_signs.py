"""Excerpts of Markdown on one line have its words, and not its signs."""

from __future__ import annotations

import pytest

from opcode_htmx.markup.markdown_signs import left_out, signs, without_signs


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("## What changed\nIt **works** now", "What changed\nIt works now"),
        ("- one\n- [x] two\n> * three", "one\ntwo\nthree"),
        ("Run `npm test`, ``a`b`` and ~~that~~ *this*", "Run npm test, ``a`b`` and that this"),
        ("See [the guide](https://example.org/a) and ![it](b.png)", "See the guide and it"),
        ("| File | Lines |\n|---|--:|\n| app.py | 12 |", "File | Lines\n\napp.py | 12"),
        ("Before\n\n---\n\nafter", "Before\n\n\n\nafter"),
        ("Look:\n```py\n# **not**\n- item\n```\n# So", "Look:\n\n# **not**\n- item\n\nSo"),
        ("`f(**a)` takes **all** of `*b*`", "f(**a) takes all of *b*"),
    ],
)
def test_signs_are_left_out(text: str, shown: str) -> None:
    assert without_signs(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "2 * 3 * 4 and 2**3 and *.py and **kwargs",
        "__init__ and snake_case_name, a[1](x) [ ] #1 C# a | b",
        "an unclosed `tick and **bold",
        "-5 degrees, +1 and 3 > 2",
    ],
)
def test_what_is_no_sign_stays(text: str) -> None:
    assert without_signs(text) == text


def test_a_part_knows_what_stands_around_it() -> None:
    text = "# Title\n```\n# a comment\n```\nand **much more of it** too"
    inside = text.index("# a")
    assert signs(text, inside, inside + 11) == []
    part = text.index("more"), text.index(" too")
    assert left_out(text, signs(text, *part), *part) == "more of it"
    middle = text.index("much"), text.index("more")
    assert left_out(text, signs(text, *middle), *middle) == "much "
