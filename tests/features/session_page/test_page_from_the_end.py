"""The page of a long session, of which only the end is read, is that of the whole session."""

from __future__ import annotations

import re
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from html import unescape
from types import SimpleNamespace
from unittest import mock

import gevent
import pytest
from flask import Flask
from gevent.event import Event

from opcode_htmx.engines.claude.files import history
from opcode_htmx.features.context import AppContext
from opcode_htmx.features.session_page import selection
from opcode_htmx.features.session_page.live_updates import updates
from opcode_htmx.features.session_page.snapshots import FrameScheduler
from opcode_htmx.rendering.element_ids import dom_id
from opcode_htmx.sessions import views
from opcode_htmx.sessions.views import SessionView
from opcode_htmx.transcript.conversation import parts, window
from opcode_htmx.transcript.conversation.cursor import Cursor
from tests.support.apps.in_process import app_of
from tests.support.environment import PASSWORD, USER, Sandbox, until, write_stand_in
from tests.support.history_parts import small_parts
from tests.support.long_history import USUAL, HistoryWriter

FIRST, STEP = 6, 8
EVENTS = [("todo_list", 1), *((USUAL[at % len(USUAL)], at % 8) for at in range(120))]


class Reader:
    """Somebody who reads the session of a file that grows."""

    def __init__(self, app: Flask, sandbox: Sandbox) -> None:
        self.app = app
        self.id = str(uuid.uuid4())
        self.path = f"/projects/{history.project_id(sandbox.project)}/sessions/{self.id}"
        file = sandbox.config_dir / "projects" / history.project_id(sandbox.project)
        file.mkdir(parents=True, exist_ok=True)
        self.writer = HistoryWriter(file / f"{self.id}.jsonl")

    def play(self, events: list[tuple[str, int]]) -> None:
        for name, number in events:
            self.writer.play(name, number)
        self.writer.save()

    @property
    def context(self) -> AppContext:
        context: AppContext = self.app.extensions["opcode_context"]
        return context

    def view(self, *, whole: bool = False) -> SessionView:
        project = self.path.split("/")[2]
        with self.app.test_request_context():
            return self.context.sessions.lookup.read(project, self.id, whole=whole)

    def get(self, path: str = "", status: int = 200) -> str:
        response = self.app.test_client().get(f"{self.path}{path}", auth=(USER, PASSWORD))
        assert response.status_code == status
        return response.text

    def all_by_scrolling(self) -> tuple[str, str]:
        """The blocks of the page and of all pages before it, and the last way further up."""
        page = self.get()
        blocks = transcript(page)
        while way := re.search(r'data-earlier="([^"]+)"', page):
            address = unescape(way[1]).removeprefix(self.path)
            page = self.get(address)
            blocks = page.partition("</p>")[2].strip() + blocks
        return blocks, page


def transcript(page: str) -> str:
    found = re.search(r'<section id="transcript"[^>]*>(.*?)</section>', page, re.DOTALL)
    assert found
    return found[1].strip()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Sandbox]]:
    """For which every session is long, and every page short."""
    home = tmp_path_factory.mktemp("long")
    sandbox = Sandbox(home / "home").make()
    with (
        app_of(sandbox, write_stand_in(home / "claude")) as app,
        small_parts(lines=12),
        mock.patch.multiple(window, FIRST=FIRST, STEP=STEP),
        mock.patch.object(views, "LEARNED_AFTER", 0.0),
    ):
        yield app, sandbox


@pytest.fixture
def reader(app: tuple[Flask, Sandbox]) -> Reader:
    reader = Reader(*app)
    reader.play(EVENTS)
    return reader


@contextmanager
def read_as_a_whole(reader: Reader) -> Iterator[None]:
    """In this context no session is long."""
    reader.context.sessions.views.forget(reader.id)
    with mock.patch.object(parts, "LONG", 10**9):
        yield
    reader.context.sessions.views.forget(reader.id)


def test_pages_are_those_of_the_whole_session(reader: Reader) -> None:
    assert reader.view().conversation.earlier
    newest, (blocks, _) = transcript(reader.get()), reader.all_by_scrolling()
    ids = re.findall(r'<article [^>]*id="b-([^"]+)"', blocks)
    linked = [transcript(reader.get(f"?from={each}")) for each in (ids[0], ids[len(ids) // 2])]
    assert reader.view().conversation.earlier, "it was read as a whole meanwhile"
    with read_as_a_whole(reader):
        assert newest == transcript(reader.get())
        assert blocks == reader.all_by_scrolling()[0]
        assert linked == [
            transcript(reader.get(f"?from={each}")) for each in (ids[0], ids[len(ids) // 2])
        ]


def test_number_of_earlier_messages_is_shown_once_it_is_known(reader: Reader) -> None:
    assert "Show earlier messages" in reader.get()
    count = len(list(reader.view(whole=True).conversation.blocks()))
    reader.all_by_scrolling()
    assert f"Show {count - FIRST} earlier messages" in reader.get()


def test_what_the_page_says_of_the_whole_is_found_in_the_background(reader: Reader) -> None:
    reader.get()
    view = reader.view()
    until(lambda: bool(view.conversation.todos()), "the to-do list is known", 10, gevent.sleep)
    assert "Do 0" in reader.get()
    first = next(iter(reader.view(whole=True).conversation.blocks()))
    assert "Prompt" in reader.get(f"/blocks/{first.id}") or first.kind != "prompt"


def test_way_to_what_was_read_last_far_above(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = list(reader.view(whole=True).conversation.blocks())
    for index in (3, len(blocks) - 30, len(blocks) - 3):
        read = blocks[index]
        reader.context.sessions.read_positions.look(reader.id, dom_id(read.id))
        page = reader.get()
        behind = len(blocks) - index - 1
        assert f"{behind} new messages since you left" in page
        assert f"from={read.id}#{dom_id(read.id)}" in page or behind < FIRST + STEP
    monkeypatch.setattr("opcode_htmx.features.session_page.selection.COUNTED_BYTES", 0)
    reader.context.sessions.read_positions.look(reader.id, dom_id(blocks[3].id))
    assert re.search(r'id="to-new"[^>]*>New messages since you left', reader.get())
    reader.context.sessions.read_positions.look(reader.id, "b-gone")
    assert re.search(r'id="to-new"[^>]* hidden', reader.get())


def test_older_blocks_are_prepared_when_the_page_has_been_painted(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To fold and render them takes more of the CPU than the page did."""
    after: list[float] = []
    waiting = SimpleNamespace(spawn_later=lambda seconds, *_: after.append(seconds))
    monkeypatch.setattr(selection, "gevent", waiting)
    page = reader.get()
    way = re.search(r'data-earlier="([^"]+)"', page)
    assert way
    reader.get(unescape(way[1]).removeprefix(reader.path))
    assert after == [selection.PAGE_PREPARED_AFTER, selection.PREPARED_AFTER]


def test_way_to_what_was_read_last_with_an_unusual_id(reader: Reader) -> None:
    words = [{"type": "text", "text": "Words"}]
    reader.writer.entry("assistant", message={"id": "m-0", "content": words})
    for events, place in (
        ([("prompt", 1), ("answer", 1)], '<p id="new-since"'),
        (EVENTS, "?from=m-0-0#b--"),
    ):
        reader.play(events)
        ids = [block.id for block in reader.view(whole=True).conversation.blocks()]
        behind = len(ids) - 1 - ids.index("m-0-0")
        reader.context.sessions.views.forget(reader.id)
        reader.context.sessions.read_positions.look(reader.id, dom_id("m-0-0"))
        page = reader.get()
        assert f"{behind} new messages since you left" in page
        assert place in page


def test_every_block_has_its_pages(reader: Reader) -> None:
    tools = [b for b in reader.view(whole=True).conversation.blocks() if b.kind == "tool"]
    for block in (tools[1], tools[-1]):
        assert f"of {block.id}" in reader.get(f"/blocks/{block.id}")
    reader.all_by_scrolling()
    texts = [b for b in reader.view(whole=True).conversation.blocks() if b.kind == "text"]
    shared = [reader.get(f"/blocks/{block.id}/share") for block in texts[::7]]
    with read_as_a_whole(reader):
        assert shared == [reader.get(f"/blocks/{block.id}/share") for block in texts[::7]]
    reader.get("/blocks/unknown", 404)
    assert "Words" in reader.get("/export.md")
    assert "Prompt" in reader.get("/search?q=Prompt")


def test_live_page_goes_on_from_the_end(reader: Reader) -> None:
    page = reader.get()
    cursor = re.search(r'id="cursor" value="([^"]+)"', page)
    assert cursor
    view = reader.view()
    frames = FrameScheduler(reader.context.sessions.views.environment, float)
    messages: list[str] = []
    for message in updates(frames, view, Cursor.parse(cursor[1]), Event(), lambda: True):
        messages.append(message.text)
        if len(messages) == 1:
            reader.play([("prompt", 1)])
            view.conversation.changed.notify()
        elif "<article" in message.text:
            break
    assert messages[-1].count("<article") == 1
    assert "<article" not in "".join(messages[:-1]), "older blocks are not sent"


def test_first_message_leaves_out_what_came_with_the_page(reader: Reader) -> None:
    view = reader.view()
    frames = FrameScheduler(reader.context.sessions.views.environment, float)

    def first_message(page: str, panel: str = "") -> str:
        live = re.search(r"/live\?cursor=([^&]+)&panel=(\w+)", unescape(page))
        assert live
        cursor = Cursor.parse(live[1])
        viewer = updates(frames, view, cursor, Event(), lambda: True, panel or live[2])
        text = next(viewer).text
        assert isinstance(viewer, Generator)
        viewer.close()
        return text

    def unchanged() -> str:
        """A page that has nothing else by the time of its first message."""
        page = reader.get()
        return "" if 'id="status"' in first_message(page) else page

    # what the page depends on further up is found out meanwhile
    page = until(unchanged, "the panel stays as it is", 10, gevent.sleep)
    assert 'id="cursor"' in first_message(page)
    assert 'id="status"' in first_message(page, "other")
    reader.play([("todo_list", 2)])
    view.conversation.changed.notify()
    changed = first_message(page)
    assert 'id="todos"' in changed
    assert 'id="status"' in changed


def test_viewer_who_was_away_for_long_gets_all_that_was_added(reader: Reader) -> None:
    cursor = reader.view().conversation.cursor
    reader.play([(USUAL[at % len(USUAL)], at % 8) for at in range(80)])
    reader.context.sessions.views.forget(reader.id)
    assert reader.view().conversation.lacks(cursor)
    assert not reader.view().conversation.lacks(reader.view().conversation.cursor)
    assert len(reader.view(whole=True).conversation.changes_since(cursor)) > 60


def test_session_whose_end_repeats_its_beginning_is_read_as_a_whole(reader: Reader) -> None:
    lines = reader.writer.path.read_bytes().splitlines(keepends=True)
    with reader.writer.path.open("ab") as file:
        file.writelines([lines[3], *lines[3:4]])
    reader.get()
    until(
        lambda: reader.view().conversation.earlier is None,
        "the repetition was found",
        10,
        gevent.sleep,
    )
