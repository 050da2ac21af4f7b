"""Long paragraphs and code in pieces: the same words and marks as in one, however they arrive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from opcode_htmx.markup.growing import pieces as pieces_module
from opcode_htmx.markup.growing.part import Part
from opcode_htmx.markup.growing.pieces import MOST_WHOLE, UNBROKEN, UNCLOSED, Pieces
from opcode_htmx.markup.markdown_parser import FENCE_LINES
from tests.support.fuzzing import examples, patient
from tests.support.pages import dom

pytestmark = patient

SENTENCE = "A sentence with *some* `code` and a [link](http://a.b/c) in it. "
SHORT_LIMITS = {"MOST_WHOLE": 12, "SHORTEST": 4, "LONG": 16, "UNBROKEN": 3, "UNCLOSED": 10**9}

MARKS = (
    *("*", "**", "_", "__", "~~", "~", "`", "``", "[", "]", "(", ")", "](", "](http://a.b)", "<"),
    *("![", "\\", "\\]", "\\*", "&amp;", "&#93;", "http://a.b/c_d*e ", "localhost:80 "),
    *("<http://a>", "app/main.py", "|", '"', "'", "“", "…", "。", "!", "?", ": ", ". ", ", ", " "),
    *("  ", "\n", "- ", "# ", "1. ", "===", "---", "é", "ש", "1", "a", "word", "Two words. "),
    *("(end.) ", "\t", "\0"),
)
TEXTS = st.lists(st.sampled_from(MARKS), min_size=4, max_size=40).map("".join)
PARAGRAPHS = TEXTS.map(lambda text: f"Words. {text}")
CODE = st.lists(
    st.sampled_from(["x = 1\n", "\n", "<b>&\n", "  ``\n", "see http://a.b/c\n", "~~~\n", "y", "`"]),
    max_size=30,
).map(lambda lines: f"```python\n{''.join(lines)}")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a few characters."""
    for name, value in SHORT_LIMITS.items():
        monkeypatch.setattr(pieces_module, name, value)
    monkeypatch.setattr("opcode_htmx.markup.growing.part.MOST_WHOLE", SHORT_LIMITS["MOST_WHOLE"])


def texts_of(pieces: Pieces | None) -> list[str]:
    return [piece.text for piece in pieces.pieces] if pieces else []


def joined(pieces: Pieces) -> dom.Node:
    """The content of the element that has the pieces."""
    return dom.parse("".join(piece.html for piece in pieces.pieces))


def words(node: dom.Node) -> str:
    """Its HTML; neighbouring texts are one."""
    return "".join(child if isinstance(child, str) else str(child) for child in node.children)


@examples(200)
@given(PARAGRAPHS)
@pytest.mark.usefixtures("short")
def test_the_pieces_of_a_paragraph_are_the_paragraph(text: str) -> None:
    part = Part(text, 1)
    assume(part.pieces)
    assert part.pieces
    assert "".join(texts_of(part.pieces)) == text.strip()
    whole = dom.parse(part.html).elements
    assert [each.tag for each in whole] == ["p"]
    assert words(joined(part.pieces)) == words(whole[0])


@pytest.mark.parametrize(
    "text",
    [
        "Words. See [a](x`y) and. More words` here.",
        "Words. See ![a `b](x) and. More words` here.",
        'Words. See [a](x "b ``c") and. More ` words`` here.',
        "Words. See \\`a` b`, and. More words here.",
        "Words. See <http://a.b/`c> and. More words` here.",
    ],
)
@pytest.mark.usefixtures("short")
def test_code_that_begins_in_a_link_is_not_cut(text: str) -> None:
    part = Part(text, 1)
    assert part.pieces
    assert words(joined(part.pieces)) == words(dom.parse(part.html).elements[0])


@examples(100)
@given(CODE)
@pytest.mark.usefixtures("short")
def test_the_pieces_of_code_are_the_code(text: str) -> None:
    part = Part(text, 1)
    assume(part.pieces)
    assert part.pieces
    (pre,) = dom.parse(part.html).elements
    assert words(joined(part.pieces)) == words(pre.elements[0])
    assert pre.elements[0].attributes["class"] == f"language-{part.pieces.language}"


@examples(100)
@given(PARAGRAPHS | CODE, st.lists(st.integers(0, 60), max_size=8))
@pytest.mark.usefixtures("short")
def test_pieces_do_not_depend_on_how_the_text_arrives_and_who_looks(
    text: str, looks: list[int]
) -> None:
    growing = Part("", 0)
    for end in range(1, len(text) + 1):
        growing.replace(text[:end], end)
        if end in looks:
            list(growing.render(0))
    assert texts_of(growing.pieces) == texts_of(Part(text, 1).pieces)


@examples(100)
@given(PARAGRAPHS | CODE)
@pytest.mark.usefixtures("short")
def test_a_text_is_in_pieces_from_one_place_to_one_place(text: str) -> None:
    """So that a page that has it in pieces gets it in pieces, or whole, but never into nothing."""
    stages = [bool(Part(text[:end], 1).pieces) for end in range(len(text) + 1)]
    changes = sum(before != after for before, after in zip(stages, stages[1:], strict=False))
    assert changes <= 2
    assert not stages[0]


@pytest.mark.parametrize("text", [SENTENCE * 40, "```\n" + "some code\n" * (FENCE_LINES - 2)])
def test_a_finished_piece_is_never_rendered_nor_sent_again(text: str) -> None:
    part = Part("", 0)
    seen: dict[int, tuple[object, int, str]] = {}
    for end in range(1, len(text) + 1):
        part.replace(text[:end], end)
        if not part.pieces:
            continue
        *finished, last = part.pieces.numbered()
        for number, piece in finished:
            now = piece, piece.revision, piece.html
            assert seen.setdefault(number, now) == now
        assert last[1].revision > end - 2
    assert len(seen) > 3


HOSTILE = {
    "a word": "x" * 20_000,
    "signs": "! " * 10_000,
    "a script without blanks": "漢字" * 10_000,
    "an address": "http://a.b/" + "x" * 20_000,
    "openings": "*so " * 5_000,
    "one opening": "*" + "so " * 7_000,
    "entities": "&amp;" * 4_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_piece_of_a_paragraph_is_long(text: str) -> None:
    """It is rendered and sent at each growth: one that has no end would be without a bound."""
    pieces = Part(f"Go {text}", 1).pieces
    assert pieces
    assert "".join(texts_of(pieces)) == f"Go {text}".strip()
    assert max(map(len, texts_of(pieces))) <= UNCLOSED + 2 * UNBROKEN


def test_an_address_is_not_cut_nor_a_sign_that_has_a_name() -> None:
    for text in ("http://a.b/" + "x" * 1_500, "&amp;" * 300):
        whole = dom.parse(Part(f"漢字 {text}", 1).html).elements[0]
        pieces = Part(f"漢字 {text}", 1).pieces
        assert pieces
        assert words(joined(pieces)) == words(whole)


def open_pieces(text: str) -> Iterator[str]:
    for end in range(MOST_WHOLE + 1, len(text), 13):
        pieces = Part(text[:end], 1).pieces
        assert pieces
        yield pieces.pieces[-1].text


@pytest.mark.parametrize("sign", ["*so ", "**so ", "_so ", "~~so ", "`so ", "[so ", "![so "])
def test_what_is_not_closed_stays_in_the_open_piece(sign: str) -> None:
    text = sign + "It is a sentence. " * 60
    assert all(sign in last for last in open_pieces(text))


@pytest.mark.parametrize("plain", ["5 * 3 ", "snake_case ", "[sic] ", "~/file ", "a*b ", "c) "])
def test_a_sign_that_means_nothing_does_not_keep_a_piece_open(plain: str) -> None:
    text = f"Some words and {plain} and others. " * 40
    assert max(map(len, open_pieces(text))) < 400


def test_a_sign_that_is_never_closed_keeps_a_piece_open_for_a_while_only() -> None:
    text = "A footnote mark *here and then words. " + "Only words in a sentence. " * 400
    assert UNCLOSED <= max(map(len, open_pieces(text))) < UNCLOSED * 2


def test_text_without_sentences_is_cut_behind_words() -> None:
    assert max(map(len, open_pieces("word " * 400))) < MOST_WHOLE + 20
