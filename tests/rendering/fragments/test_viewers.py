"""Updates bring any viewer to the page of a fresh load; a block is rendered once for all."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.messages import Message
from opcode_htmx.markup.markdown_parser import FENCE_LINES
from opcode_htmx.transcript.fold import Transcript
from tests.rendering.fragments.pages import RUN_ID, changes, page_of
from tests.support.cli.captured import Captured, fold, fragments, line, with_ends
from tests.support.pages import dom

# --- a viewer -------------------------------------------------------------------------------


def growing() -> list[bytes]:
    """An answer in many parts, one that differs from its deltas, and a subagent's."""

    def event(message_id: str, parent: str | None = None, **event: object) -> bytes:
        fields = {"api_message_id": message_id, "parent_tool_use_id": parent}
        return line(type="stream_event", event=event, **fields)

    def whole(message_id: str, parent: str | None, *content: object) -> bytes:
        message = {"id": message_id, "content": content}
        return line(type="assistant", uuid="u", message=message, parent_tool_use_id=parent)

    def streamed(message_id: str, parent: str | None, text: str) -> list[bytes]:
        start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}
        pieces = [text[at : at + 9] for at in range(0, len(text), 9)]
        delta = {"type": "content_block_delta", "index": 0}
        return [
            event(message_id, parent, **start),
            *(event(message_id, parent, **delta, delta={"text": piece}) for piece in pieces),
        ]

    code = "".join(f"line {number}\n" for number in range(FENCE_LINES + 9))
    text = f"# Title\n\nOne.\n\n- a\n- b\n\n```\n{code}```\n\nLast.\n"
    task = {"type": "tool_use", "id": "task", "name": "Task", "input": {"prompt": "Look"}}
    return [
        *streamed("m1", None, text),
        whole("m1", None, {"type": "text", "text": text}),
        *streamed("m2", None, "This is not\n\nwhat it said.\n"),
        whole("m2", None, {"type": "text", "text": "Another text.\n\nAltogether."}),
        whole("m3", None, task),
        *streamed("m4", "task", text),
        line(type="result", uuid="result", subtype="success"),
        *streamed("m4", "task", text),
    ]


@cache
def messages(captured: Captured) -> list[tuple[int, Message]]:
    lines = (*captured.stdout, *growing())
    return [(end, parser.parse(data)) for end, data in with_ends(lines)]


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.floats(0, 1), max_size=12), twice=st.booleans(), close=st.booleans())
def test_viewer_with_missed_updates_ends_with_the_page_of_a_fresh_load(
    captured: Captured, cuts: list[float], twice: bool, close: bool
) -> None:
    """The viewer loads the page at the first cut, and receives the changes at each later one."""
    lines = messages(captured)
    ends = sorted({int(cut * len(lines)) for cut in cuts} | {len(lines)})
    transcript, render = Transcript("1", run_id=RUN_ID, cost_before=0.0), fragments()
    page, since, fed = None, 0, 0
    for stop in ends:
        for end, message in lines[fed:stop]:
            transcript.feed(message, end)
        fed = stop
        if close and stop == len(lines):
            transcript.close("It crashed.", "On stderr.")
        if page is None:
            page = dom.parse(page_of(transcript, render))
        else:
            update = changes(transcript, since, render)
            for _ in range(1 + twice):
                dom.apply(page, update)
        since = transcript.offset
    assert str(page) == str(dom.parse(page_of(transcript, render)))


def test_viewer_with_every_update_ends_with_the_page_of_a_fresh_load(captured: Captured) -> None:
    """One difference a line, as many as there are."""
    transcript, render = Transcript("1", run_id=RUN_ID, cost_before=0.0), fragments()
    page = dom.parse(page_of(transcript, render))
    for end, message in messages(captured):
        since = transcript.offset
        transcript.feed(message, end)
        dom.apply(page, changes(transcript, since, render))
    again = fold((*captured.stdout, *growing()), run_id=RUN_ID)
    assert str(page) == str(dom.parse(page_of(again, fragments())))


def test_up_to_date_viewer_receives_nothing(captured: Captured) -> None:
    live = captured.live()
    assert changes(live, live.offset, fragments()) == ""


def test_ids_on_the_page_are_unique(captured: Captured) -> None:
    page = dom.parse(page_of(fold((*captured.stdout, *growing()), run_id=RUN_ID), fragments()))
    ids = [node.id for node in page.walk() if node.id]
    assert len(ids) == len(set(ids)) > 100


def test_only_the_parts_that_changed_are_sent() -> None:
    transcript, render = Transcript("1", run_id=RUN_ID), fragments()
    lines = with_ends(tuple(growing()[:8]))
    for end, data in lines:
        transcript.feed(parser.parse(data), end)
    update = dom.parse(changes(transcript, lines[-2][0], render))
    (upsert,) = update.elements
    assert upsert.attributes["hx-target"] == "#b-m1-0-parts"
    assert [part.attributes["data-order"] for part in upsert.elements] == ["3"]
    assert changes(transcript, transcript.offset - 1, render) == changes(
        transcript, lines[-2][0], render
    )
    assert [part.attributes["class"] for part in upsert.elements] == ["part md"]


# --- one rendering for all ------------------------------------------------------------------


def test_a_block_is_rendered_once_for_all_viewers(captured: Captured) -> None:
    live, render = captured.live(), fragments()
    first = [render.block(block) for block in live.blocks]
    again = [render.block(block) for block in live.blocks]
    assert all(one is other for one, other in zip(first, again, strict=True))


def test_block_is_rendered_again_when_it_or_its_children_change() -> None:
    transcript, render = Transcript("1", run_id=RUN_ID), fragments()
    rendered: list[str] = []
    parent = {"parent_tool_use_id": "t"}
    for number, use in enumerate(({}, parent, parent)):
        content = [{"type": "tool_use", "id": "tuv"[number], "name": "Bash", "input": {}}]
        message = {"id": f"m{number}", "content": content}
        data = line(type="assistant", uuid="u", message=message, **use)
        transcript.feed(parser.parse(data), number + 1)
        rendered.append(render.block(transcript.blocks[0]))
    assert [html.count("<article") for html in rendered] == [1, 2, 3]
