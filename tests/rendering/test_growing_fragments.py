"""Long paragraphs and code that grow: a page gets what is new, and has what a reload shows."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.transcript.fold import Transcript
from tests.markup.growing.test_pieces import CODE, PARAGRAPHS, short
from tests.rendering.fragments.pages import RUN_ID, changes, page_of
from tests.support.cli.captured import fragments
from tests.support.fuzzing import examples, patient
from tests.support.pages import dom

__all__ = ["short"]

pytestmark = patient

MESSAGE_BESIDE = 170
"""Bytes of a message beside the fragments: the cursor."""


def line(**event: object) -> bytes:
    return json.dumps({"type": "stream_event", "event": event, "api_message_id": "m"}).encode()


def stream(pieces: list[str], kind: str = "text") -> Iterator[bytes]:
    yield line(type="message_start", message={"id": "m"})
    yield line(type="content_block_start", index=0, content_block={"type": kind, kind: ""})
    for piece in pieces:
        delta = {"type": f"{kind}_delta", kind: piece}
        yield line(type="content_block_delta", index=0, delta=delta)


def folded(pieces: list[str], kind: str = "text") -> Iterator[Transcript]:
    """The transcript after each piece."""
    transcript, offset = Transcript("1", run_id=RUN_ID), 0
    for each in stream(pieces, kind):
        offset += len(each) + 1
        transcript.feed(parser.parse(each), offset)
        yield transcript


@examples(75)
@given(
    st.lists(
        PARAGRAPHS | CODE | st.sampled_from(["- item\n- two\n", "# h\n", "```\n"]), max_size=5
    ),
    st.sampled_from(["\n\n", "\n"]),
    st.integers(1, 9),
    st.lists(st.booleans(), min_size=400, max_size=400),
    st.booleans(),
)
@pytest.mark.usefixtures("short")
def test_a_page_that_follows_a_growing_text_has_what_a_reload_shows(
    texts: list[str], between: str, size: int, looks: list[bool], by_another: bool
) -> None:
    """The page looks now and then, its server may be another one each time."""
    text = between.join(texts)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    page, since, render = None, 0, fragments()
    transcript = None
    for number, transcript in enumerate(folded(pieces)):
        if page is None:
            page = dom.parse(page_of(transcript, render))
        elif looks[number % len(looks)]:
            if by_another and looks[(number * 7) % len(looks)]:
                # Loaded anew, from a server that has read all of it at once
                page = dom.parse(page_of(of(pieces, transcript.offset), fragments()))
            else:
                dom.apply(page, changes(transcript, since, render))
        else:
            continue
        since = transcript.offset
    if page is not None and transcript is not None:
        dom.apply(page, changes(transcript, since, render))
        fresh = of(pieces, transcript.offset)
        assert str(page) == str(dom.parse(page_of(fresh, fragments())))
        fresh.close()
        since = transcript.offset
        transcript.close()  # which shows the end as it is
        dom.apply(page, changes(transcript, since, render))
        assert str(page) == str(dom.parse(page_of(fresh, fragments())))
        # in history blank lines may count for the part before, which is in pieces or is not
        assert page.text == dom.parse(page_of(in_history(text), fragments())).text


def test_bold_text_is_bold_while_it_grows_and_its_signs_are_shown_where_it_never_ends() -> None:
    *_, transcript = folded(["It is **so", " bold"])
    growing = page_of(transcript, fragments())
    assert "<strong>so bold</strong>" in growing
    page, since = dom.parse(growing), transcript.offset
    transcript.close()
    dom.apply(page, changes(transcript, since, fragments()))
    assert "It is **so bold" in page.text
    assert str(page) == str(dom.parse(page_of(transcript, fragments())))


def in_history(text: str) -> Transcript:
    """The same text, which comes at once."""
    transcript = Transcript("1", run_id=None)
    message = {"id": "m", "content": [{"type": "text", "text": text}]}
    transcript.feed(parser.parse(json.dumps({"type": "assistant", "message": message}).encode()), 1)
    return transcript


def of(pieces: list[str], offset: int) -> Transcript:
    """What another server folds until there."""
    return next(each for each in folded(pieces) if each.offset == offset)


def prose(characters: int) -> str:
    """A paragraph without a break."""
    chance = random.Random(7)  # noqa: S311 - no secret
    words = ["the", "server", "of", "a", "*sent*", "`code`", "answer", "“grows”", "<and>", "is"]
    text = ""
    while len(text) < characters:
        sentence = " ".join(chance.choices(words, k=chance.randint(4, 30)))
        text += f"The {sentence}. "
    return text[:characters]


def code(characters: int) -> str:
    row = "    value = function(argument, '<other>')  # and a remark on it\n"
    return "```python\n" + row * (characters // len(row))


@pytest.mark.parametrize("kind", ["text", "thinking"])
@pytest.mark.parametrize("text", [prose(40_000), code(38_000)], ids=["paragraph", "code"])
def test_the_bytes_for_a_growing_text_follow_its_html(text: str, kind: str) -> None:
    """A message for each hundred characters; the HTML of it all was sent 180 times before."""
    pieces = [text[at : at + 100] for at in range(0, len(text), 100)]
    sent, since, render, html = 0, 0, fragments(), 0
    for transcript in folded(pieces, kind):
        update = changes(transcript, since, render)
        sent += len(update.encode()) + MESSAGE_BESIDE if update else 0
        since = transcript.offset
    html = len(page_of(transcript, render).encode())
    assert html > len(text)
    assert sent < 5 * html


def test_a_page_that_another_version_has_made_gets_a_text_whole_before_it_gets_pieces() -> None:
    pieces = [prose(500), "more words ", "and more "]
    after = {
        transcript.offset: changes(transcript, 0, fragments()) for transcript in folded(pieces)
    }
    *_, loaded, grown, again = after
    transcripts = folded(pieces)
    targets, since, render = [], 0, fragments()
    for transcript in transcripts:
        if transcript.offset == loaded:
            page_of(transcript, render)
        elif transcript.offset in (grown, again):
            (upsert,) = dom.parse(changes(transcript, since, render)).elements
            targets.append(upsert.attributes["hx-target"])
        since = transcript.offset
    assert targets == ["#b-m-0-parts", "#b-m-0-0-in"]


def test_a_sentence_that_is_finished_is_not_sent_again() -> None:
    text = prose(4_000)
    pieces = [text[at : at + 20] for at in range(0, len(text), 20)]
    render, since, times = fragments(), 0, 0
    first = text[600:640]
    for transcript in folded(pieces):
        times += first in changes(transcript, since, render)
        since = transcript.offset
    assert times < 30
