"""Lines without an end that grow: what is sent of them is bounded, whatever they begin with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.markup.growing import long_lines
from opcode_htmx.markup.growing.incremental_markdown import IncrementalMarkdown
from opcode_htmx.markup.growing.long_lines import LONGEST_LINE
from opcode_htmx.markup.markdown import render
from tests.markup.growing.test_pieces import MARKS, short
from tests.rendering.fragments.pages import changes, page_of
from tests.rendering.test_growing_fragments import MESSAGE_BESIDE, folded, of
from tests.support.cli.captured import fragments
from tests.support.fuzzing import examples, patient
from tests.support.pages import dom

__all__ = ["short"]

pytestmark = patient

WHOLE = "```Brainfuck\n"
"""Is cut all the way, and never sent in pieces."""
BEGINNINGS = {
    "an item with a number": "1. ",
    "an item": "- ",
    "a digit below a paragraph": "Some words.\n7 ",
    "a digit below a long paragraph": "Some words of a sentence. " * 400 + "\n7 ",
    "a quotation": "> ",
    "a heading": "# ",
    "a row of a table": "| a | b |\n|---|---|\n| ",
    "code by its indent": "    ",
    "code": "```js\n",
    "code of a language with capitals": WHOLE,
    "an item below others": "1. one\n2. two\n3. ",
    "a paragraph": "Go ",
}
LENGTH, STEP = 30_000, 200


@pytest.mark.parametrize("words", ["words and 7 signs ", "x"], ids=["words", "without blanks"])
@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
def test_the_bytes_for_an_endless_line_follow_its_html(beginning: str, words: str) -> None:
    text = beginning + words * (LENGTH // len(words))
    pieces = [text[at : at + STEP] for at in range(0, len(text), STEP)]
    sent, since, renders, transcript = 0, 0, fragments(), None
    for transcript in folded(pieces):
        update = changes(transcript, since, renders)
        sent += len(update.encode()) + MESSAGE_BESIDE if update else 0
        since = transcript.offset
    assert transcript
    html = len(page_of(transcript, renders).encode())
    assert html > LENGTH
    assert sent < (8 if beginning != WHOLE else 14) * html


def parts_of(*pieces: str) -> list[str]:
    growing = IncrementalMarkdown()
    for number, piece in enumerate(pieces):
        growing.append(piece, number)
    return [part.text for part in growing.parts]


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
def test_a_long_line_loses_no_word_and_ends_where_it_ended(beginning: str) -> None:
    text = beginning + "word " * 2_000 + "\n2. the next one\n"
    parts = parts_of(text)
    opening = text.partition("\n")[0] + "\n" if text.startswith("```") else ""
    # each part of code begins with its fence
    assert "".join(part.removeprefix(opening) for part in parts) == text.removeprefix(opening)
    if not opening and beginning != "Go ":
        assert parts[-1] == "2. the next one\n"


def test_a_line_that_is_not_too_long_is_not_cut() -> None:
    item = "1. " + "x" * (LONGEST_LINE - 3)
    assert parts_of(item) == [item]
    assert parts_of(item + "\n2. y\n") == [item + "\n2. y\n"]


@pytest.fixture
def short_lines(short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_lines, "LONGEST_LINE", 40)
    monkeypatch.setattr(long_lines, "UNBROKEN", 9)


LINES = st.builds(
    "{}{}".format,
    st.sampled_from(
        ["", "", "1. ", "2) ", "- ", "> ", "# ", "| ", "    ", "```\n", "```js\n", "7 ", "  - "]
    ),
    st.lists(st.sampled_from((*MARKS, "word ", "more words ", "x" * 15)), max_size=30).map("".join),
)
TEXTS = st.lists(LINES, min_size=1, max_size=7).flatmap(
    lambda lines: st.sampled_from(["\n", "\n", "\n\n"]).map(lambda between: between.join(lines))
)


@examples(150)
@given(TEXTS, st.integers(1, 50))
@pytest.mark.usefixtures("short_lines")
def test_parts_do_not_depend_on_how_long_lines_arrive(text: str, size: int) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    # blank lines between them may be in either
    assert htmls(parts_of(*pieces)) == htmls(parts_of(text))


def htmls(texts: list[str]) -> list[str]:
    return [str(render(text)).strip() for text in texts]


@examples(50)
@given(TEXTS, st.integers(1, 9), st.lists(st.booleans(), min_size=50, max_size=50))
@pytest.mark.usefixtures("short_lines")
def test_a_page_that_follows_long_lines_has_what_a_reload_shows(
    text: str, size: int, looks: list[bool]
) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    page, since, renders, transcript = None, 0, fragments(), None
    for number, transcript in enumerate(folded(pieces)):
        if page is None:
            page = dom.parse(page_of(transcript, renders))
        elif looks[number % len(looks)]:
            dom.apply(page, changes(transcript, since, renders))
        else:
            continue
        since = transcript.offset
    if page is not None and transcript is not None:
        dom.apply(page, changes(transcript, since, renders))
        assert str(page) == str(dom.parse(page_of(of(pieces, transcript.offset), fragments())))
