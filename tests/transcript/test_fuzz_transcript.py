"""Arbitrary sessions: folded at any cut, shown to any viewer, safe as HTML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import pytest
from bleach._vendor import html5lib
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.sessions.export.standalone_html import WholeBlocks
from opcode_htmx.sessions.status_panel import StatusPanel
from opcode_htmx.transcript.conversation.conversation import Conversation
from opcode_htmx.transcript.conversation.cursor import Cursor
from opcode_htmx.transcript.fold import Transcript
from tests.rendering.fragments.pages import changes, page_of
from tests.support.cli.captured import fragments, templates, with_ends
from tests.support.cli.supervision import finish
from tests.support.fuzzing import (
    HISTORY,
    RARE,
    STDOUT,
    examples,
    patient,
    sessions,
)
from tests.support.pages import dom
from tests.transcript.conversation.conversations import Session
from tests.transcript.fold.lines import nested, state

pytestmark = patient

LINES = STDOUT + HISTORY + RARE
RUN_ID = "r" * 32
ANY_SESSION = sessions(LINES)
CUTS = st.lists(st.floats(0, 1), max_size=6)


def feed(transcript: Transcript, lines: Iterable[tuple[int, bytes]]) -> None:
    for end, line in lines:
        transcript.feed(parser.parse(line), end)


# --- one file -------------------------------------------------------------------------------


@examples(20)
@given(ANY_SESSION, st.booleans(), st.booleans())
def test_any_lines_fold_into_blocks_with_unique_safe_ids(
    lines: list[bytes], live: bool, close: bool
) -> None:
    transcript = Transcript("1", run_id=RUN_ID if live else None)
    feed(transcript, with_ends(tuple(lines)))
    if close:
        transcript.close("It <crashed>.", "<script>alert(1)</script>")
        assert not transcript._store.unfinished
    ids = [block.id for block in nested(transcript.blocks)]
    assert len(ids) == len(set(ids))
    assert {block.id for block in transcript} == set(ids)
    render = WholeBlocks(templates(), "/home/me").block if close else fragments().block
    assert_safe("".join(map(render, transcript.blocks)))


@examples(30)
@given(ANY_SESSION, CUTS, st.booleans(), st.booleans())
def test_reconnecting_viewer_ends_with_the_page_of_a_fresh_load(
    lines: list[bytes], cuts: list[float], twice: bool, close: bool
) -> None:
    """Folding in two steps equals folding at once, at any cut, in blocks and on a phone's page."""
    complete = with_ends(tuple(lines))
    ends = sorted({int(cut * len(complete)) for cut in cuts} | {len(complete)})
    followed, render = Transcript("1", run_id=RUN_ID), fragments()
    page, since, fed = None, 0, 0
    for stop in ends:
        feed(followed, complete[fed:stop])
        fed = stop
        if close and stop == len(complete):
            followed.close("It crashed.", "On stderr.")
        if page is None:
            page = dom.parse(page_of(followed, render))
        else:
            update = changes(followed, since, render)
            for _ in range(1 + twice):
                dom.apply(page, update)
        since = followed.offset
    fresh = Transcript("1", run_id=RUN_ID)
    feed(fresh, complete)
    if close:
        fresh.close("It crashed.", "On stderr.")
    assert state(followed) == state(fresh)
    assert str(page) == str(dom.parse(page_of(fresh, fragments())))


# --- a session of many files ----------------------------------------------------------------


@examples(20)
@given(
    st.lists(
        st.tuples(st.sampled_from(["note", "say", "begin", "end", "look"]), ANY_SESSION),
        max_size=9,
    )
)
def test_followed_session_equals_the_session_read_by_the_next_server(
    tmp_path_factory: pytest.TempPathFactory, happenings: list[tuple[str, list[bytes]]]
) -> None:
    """In a terminal, in runs, one after the other; and somebody looks now and then."""
    session = Session(tmp_path_factory.mktemp("session"))
    followed = session.conversation()
    seen, page, render = Cursor(), dom.parse('<section id="transcript"></section>'), fragments()

    def look() -> None:
        nonlocal seen
        followed.refresh()
        dom.apply(page, str(render.changes(followed.changes_since(seen))))
        seen = followed.cursor

    for what, lines in happenings:
        happen(session, what, lines)
        if what == "look":
            look()
    look()
    fresh = session.conversation()
    fresh.refresh()
    assert blocks_of(followed) == blocks_of(fresh)
    assert (followed.cursor, followed.todos()) == (fresh.cursor, fresh.todos())
    assert str(page) == whole_page(fresh)
    run = session.runs[-1] if session.runs else None
    around = StatusPanel(templates()).parts(
        run, fresh.current, fresh.context_usage, noted=fresh.todos()
    )
    for element in around.values():
        assert_safe(str(element))


def happen(session: Session, what: str, lines: list[bytes]) -> None:
    live = session.runs[-1] if session.runs and session.runs[-1].live else None
    match what:
        case "note" if live is None:  # in a terminal
            session.note(*lines)
        case "begin" if live is None:
            session.begin()
        case "say" if live:
            session.note(*lines[::2])
            with live.folder.output.open("ab") as file:
                file.write(b"".join(lines))
        case "end" if live:
            finish(live, len(lines) % 2)


def blocks_of(conversation: Conversation) -> list[object]:
    fields = [(b.id, b.kind, b.order, b.created, b.revision) for b in nested(conversation.blocks())]
    assert not [id_ for id_, count in Counter(f[:2] for f in fields).items() if count > 9]
    return list(fields)


def whole_page(conversation: Conversation) -> str:
    render = fragments()
    blocks = "".join(render.block(block) for block in conversation.blocks())
    return str(dom.parse(f'<section id="transcript">{blocks}</section>'))


# --- what a page may hold -------------------------------------------------------------------

FORBIDDEN = {
    *("script", "iframe", "object", "embed", "base", "meta", "link", "style", "svg", "math"),
    *("frame", "frameset", "applet", "audio", "video", "template", "noscript"),
}
ADDRESSES = {"href", "src", "action", "formaction", "hx-get", "hx-post", "xlink:href", "poster"}
HARMLESS = re.compile(r"(?:https?:|mailto:|data:image/|data:application/octet-stream;|[/#?])")


def assert_safe(html: str) -> None:
    """As a browser would parse it: nothing that runs, nothing that leads where it should not."""
    tree = html5lib.parseFragment(html, namespaceHTMLElements=False)
    for element in tree.iter():
        if not isinstance(element.tag, str):
            continue  # a comment
        assert element.tag not in FORBIDDEN, element.tag
        for name, value in element.attrib.items():
            assert not name.startswith(("on", "hx-on")), (element.tag, name)
            assert name not in ("style", "srcdoc"), (element.tag, name)
            if name in ADDRESSES:
                assert HARMLESS.match(value), (element.tag, name, value)
