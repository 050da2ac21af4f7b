"""No text of a session, however crafted, blocks the server while it is read and rendered."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask

from opcode_htmx.engines.claude.files import session_summary
from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.markup import (
    diff,
    markdown,
    markdown_parser,
)
from opcode_htmx.markup.growing import incremental_markdown
from opcode_htmx.rendering import to_markdown
from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.sessions.export.standalone_html import WholeBlocks
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.transcript.fold import Transcript
from opcode_htmx.web.http import filters
from tests.security.content.hostile_sessions import (
    Entry,
    answer,
    call,
    sessions,
)
from tests.support.environment import ROOT

SECONDS = 1.0
"""Of the CPU, between two turns of the hub. Most take 10 ms; without bounds, 2 seconds and more."""
SIZE = 60_000


class Turns:
    """The longest time of the CPU that the hub's own thread has worked between two turns."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._began: float | None = None

    def begin(self) -> None:
        self._began = time.thread_time()

    def end(self) -> None:
        if self._began is not None:
            self.longest = max(self.longest, time.thread_time() - self._began)


@contextmanager
def measured() -> Iterator[Turns]:
    turns = Turns()
    loop: Any = gevent.get_hub().loop
    with loop.check(ref=False) as after, loop.prepare(ref=False) as before:
        after.priority, before.priority = loop.MAXPRI, loop.MINPRI
        after.start(turns.begin)
        before.start(turns.end)
        gevent.sleep(0.001)
        yield turns
        gevent.sleep(0.001)


@pytest.fixture(scope="module")
def app() -> Flask:
    app = Flask("test", root_path=str(ROOT))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    filters.register(app)
    return app


def folded(entries: list[Entry]) -> list[Block]:
    transcript, offset = Transcript("0", run_id=None), 0
    for entry in entries:
        line = json.dumps(entry).encode()
        offset += len(line) + 1
        transcript.feed(parser.parse(line), offset)
    return list(transcript.blocks)


def html_of(app: Flask, blocks: list[Block]) -> str:
    fragments = Fragments(app.jinja_env, "/p", "/projects/p/sessions/s")
    fragments.render(blocks)
    return "".join(map(fragments.block, blocks))


def exported(app: Flask, blocks: list[Block]) -> str:
    return "".join(map(WholeBlocks(app.jinja_env, "/p").block, blocks))


@pytest.mark.parametrize(("what", "entries"), sessions(SIZE).items(), ids=sessions(1000).keys())
def test_a_hostile_session_leaves_turns_to_others(
    app: Flask, what: str, entries: list[Entry]
) -> None:
    def show() -> None:
        blocks = folded(entries)
        assert blocks
        assert html_of(app, blocks)
        for block in blocks:
            to_markdown.source(block)

    with measured() as turns:
        gevent.spawn(show).get()
    assert turns.longest < SECONDS, what


# --- what is too much is shown in a simpler form, and said -----------------------------------


def test_wide_table_is_shown_as_source() -> None:
    columns = markdown_parser.MOST_COLUMNS
    table = "|{}\n|{}\n|{}\n"
    at_most = table.format("a|" * (columns - 1), "-|" * (columns - 1), "b|" * (columns - 1))
    assert "<table>" in markdown.render(at_most)
    wide = table.format("a|" * columns, "-|" * columns, "b|" * columns)
    html = markdown.render(wide)
    assert "<table>" not in html
    assert wide.strip() in html
    assert "Shown as it was written: a table of more than 100 columns." in html


def test_wide_lines_of_code_are_code() -> None:
    html = markdown.render(f"```\n{'|' * 1000}\n```\n")
    assert "Shown as it was written" not in html
    assert "|" * 1000 in html


def test_a_long_table_is_cut_and_whole() -> None:
    rows = "".join(f"|row {number}|\n" for number in range(2 * incremental_markdown.MOST_LINES))
    html = incremental_markdown.render_complete(
        f"|a|\n|-|\n{rows}" + "x" * incremental_markdown.LONGEST_BLOCK
    )
    assert all(f"row {number}" in html for number in range(2 * incremental_markdown.MOST_LINES))


def test_very_long_plan_ends_in_plain_text_with_a_note(app: Flask) -> None:
    plan = "".join(f"*step* {number}\n\n" for number in range(12_000))
    html = html_of(app, folded(call("ExitPlanMode", {"plan": plan}, "")))
    assert len(plan) > incremental_markdown.LONGEST
    assert "From here on, this long text is shown as it was written." in html
    assert "<em>step</em> 10\n" in html.replace("</p>", "\n")
    assert "*step* 11999" in html


def test_oversized_change_is_shown_as_one_with_a_note() -> None:
    lines = [f"{number % 150}" for number in range(10_000)]
    shuffled = [f"{number * 7 % 150}" for number in range(10_000)]
    found = diff.between("\n".join(["same", *lines, "end"]), "\n".join(["same", *shuffled, "end"]))
    assert found[0].text == "⋯ Too much to compare line by line"
    assert [line.text for line in found if line.kind == "ctx"] == [" same", " 0", " end"]
    assert [line.text for line in found if line.kind == "del"] == [f"-{n}" for n in lines[1:]]
    assert [line.text for line in found if line.kind == "add"] == [f"+{n}" for n in shuffled[1:]]


def test_an_ordinary_change_of_thousands_of_lines_is_compared() -> None:
    before = [f"line {number}" for number in range(5_000)]
    after = [*before]
    after[1000] = after[4000] = "changed"
    found = diff.between("\n".join(before), "\n".join(after), whole=True)
    assert diff.count(found) == (2, 2)
    assert [line.new for line in found if line.kind == "add"] == [1001, 4001]


def test_word_diff_is_skipped_with_a_note_for_too_many_words() -> None:
    old, new = ("\n".join([98 * words] * 140) for words in ("a b ", "b a "))
    found = diff.between(old, f"{new}c")
    assert found[0].text == "⋯ Too much to compare word by word"
    assert diff.count(found) == (140, 140)


def test_a_report_keeps_its_words_without_the_notes_for_the_model(app: Flask) -> None:
    report = "It mentions agentId: here.\n\nagentId: a1 (for resuming)\n<usage>7</usage>"
    html = html_of(app, folded(call("Task", {"prompt": "x"}, report)))
    assert "It mentions agentId: here." in html
    assert "for resuming" not in html


@pytest.mark.parametrize("size", [1_000, 30_000])
def test_an_export_holds_all_of_a_long_answer(app: Flask, size: int) -> None:
    text = "".join(f"word {number}\n\n" for number in range(size // 10))
    assert f"word {size // 10 - 1}" in exported(app, folded([answer(text)]))


def test_file_of_empty_lines_is_read_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_summary, "HEAD_LINES", 10)
    prompt = json.dumps({"type": "user", "uuid": "p", "message": {"content": "Hello"}})
    titles = {}
    for number in (9, 10):
        path = tmp_path / f"{number}.jsonl"
        path.write_text("\n" * number + prompt + "\n", encoding="utf-8")
        stat = path.stat()
        titles[number] = session_summary.summarize(path, stat.st_size, stat.st_mtime_ns).title
    assert titles == {9: "Hello", 10: None}
