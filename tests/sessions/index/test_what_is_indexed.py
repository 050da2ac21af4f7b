"""What of a history is in the index: branches, tools, agents, and lines of any kind."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence

import pytest

from opcode_htmx.engines.claude.files.lineage import checkpoint_line
from opcode_htmx.sessions.index import file_pass, sources
from opcode_htmx.sessions.index.search import Query
from opcode_htmx.sessions.index.writing import texts, writer
from tests.sessions.index.histories import ONE, Searchable, rows


def test_text_of_a_rewound_branch_is_left_out_unless_it_is_asked_for(index: Searchable) -> None:
    session = index.session()
    session.prompt("plant trees")
    fork = session.answer("Which trees?")
    session.prompt("apple trees")
    session.answer("Apple trees are planted.")
    index.update()
    assert len(index.texts("trees")) == 3
    session.tip = fork
    session.prompt("pear trees")
    index.update()
    assert index.texts("apple") == []
    assert index.texts("trees")[0] == "pear trees"
    assert sorted(index.texts("apple", with_rewound=True)) == [
        "Apple trees are planted.",
        "apple trees",
    ]
    session.write(checkpoint_line(ONE, fork).decode())
    index.update()
    assert index.texts("pear") == []


def test_results_of_parallel_tools_make_no_branch(index: Searchable) -> None:
    session = index.session()
    session.prompt("look at both")
    first = session.call("Read", "t1", file_path="/a")
    second = session.call("Read", "t2", file_path="/b")
    session.tip = first
    session.result("t1", "content of a")
    session.tip = second
    session.result("t2", "content of b")
    session.prompt("thanks for both")
    index.update()
    assert len(index.texts("content")) == 2
    assert len(index.texts("both")) == 2


def test_what_an_agent_says_belongs_to_its_session(index: Searchable) -> None:
    session = index.session()
    session.prompt("count the trees")
    session.of_agent("24 trees here")
    index.update()
    found = index.reader.find(Query(words="trees"))
    assert [each.session_id for each in found.sessions] == [ONE]
    assert {place.agent for place in found.sessions[0].places} == {"a1", ""}
    assert index.texts("trees", with_agents=False) == ["count the trees"]


def test_what_an_agent_says_is_found_while_its_session_says_nothing(index: Searchable) -> None:
    session = index.session()
    session.prompt("count the trees")
    index.update()
    file = session.of_agent("24 trees here")
    assert index.update() == 1
    session.of_agent("7 trees there")
    assert (index.update(), index.update()) == (1, 0)
    assert len(index.texts("trees")) == 3
    index.restart()
    session.of_agent("8 trees behind")
    assert index.update() == 1
    file.unlink()
    index.update()
    assert index.texts("trees") == ["count the trees"]


def test_agents_of_sessions_that_are_not_in_use_are_not_looked_at(
    index: Searchable, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = index.session()
    session.prompt("count the trees")
    os.utime(session.path, (1, 1))
    index.update()
    session.of_agent("24 trees here")
    assert index.update() == 0
    session.prompt("and the bushes")
    assert index.update() == 2
    monkeypatch.setattr(sources, "IN_USE_SECONDS", 0.0)
    session.of_agent("7 trees there")
    assert index.update() == 0


def test_unusual_lines_harm_no_other(index: Searchable) -> None:
    session = index.session()
    session.write("no json\n[]\n\n{}\n" + "[" * 5000 + "\n" + json.dumps({"type": 7}) + "\n")
    session.write(json.dumps({"type": "user", "message": {"content": [None, 3, {}]}}) + "\n")
    session.write(json.dumps({"type": "assistant", "message": {"content": 7, "usage": []}}) + "\n")
    half = '{"type":"user","uuid":"x","message":{"role":"user","content":"half \\ud83d a letter"}}'
    session.write(half + "\n")
    session.answer("a costly letter", costUSD=10**400)
    session.tip = "x"
    session.prompt("and\0a whole letter")
    index.update()
    assert len(index.texts("letter", with_rewound=True)) == 3


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("odd")])
def test_file_that_cannot_be_read_harms_none_of_those_read_with_it(
    index: Searchable, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    ids = [f"{number}" * 8 + "-1111-4111-8111-111111111111" for number in range(1, 6)]
    for at, each in enumerate(ids):
        session = index.session(each)
        session.prompt(f"words of {each[0]}")
        os.utime(session.path, (at + 1, at + 1))
    begin = file_pass.FilePass.texts

    def texts(reader: file_pass.FilePass, end: int) -> Iterator[Sequence[file_pass.Found]]:
        yield from begin(reader, end)
        if reader.path.stem == ids[2]:
            raise error

    monkeypatch.setattr(file_pass.FilePass, "texts", texts)
    assert index.update() == 5
    assert index.texts("words") == [f"words of {number}" for number in (5, 4, 2, 1)]
    assert rows(index, "SELECT count(*) FROM message") == [(4,)]
    monkeypatch.undo()
    index.session(ids[2]).prompt("more words")
    index.update()
    assert sorted(index.texts("words"))[:2] == ["more words", "words of 1"]
    assert len(index.texts("words")) == 6


def test_line_of_many_texts_is_stored_once_however_the_process_ends(
    index: Searchable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "AT_ONCE", 2)
    monkeypatch.setattr(writer, "BATCH_SECONDS", -1.0)  # each chunk is committed
    session = index.session()
    session.add("assistant", [{"type": "text", "text": f"word {at}"} for at in range(5)])
    session.prompt("the last word")
    begin = file_pass.FilePass.texts

    def first_only(reader: file_pass.FilePass, end: int) -> Iterator[Sequence[file_pass.Found]]:
        yield next(begin(reader, end))
        raise sqlite3.OperationalError("the disk is full")

    with monkeypatch.context() as patched, pytest.raises(sqlite3.OperationalError):
        patched.setattr(file_pass.FilePass, "texts", first_only)
        index.update()
    assert rows(index, "SELECT count(*) FROM message") == [(5,)]
    index.indexer.look_at_all()
    index.update()
    assert rows(index, "SELECT count(*) FROM message") == [(6,)]
    assert index.reader.find(Query(words="word")).sessions[0].count == 6


def test_line_that_is_too_long_is_passed_over(
    index: Searchable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opcode_htmx.sessions.index.file_lines.LONGEST_LINE", 2_000)
    session = index.session()
    session.prompt("x" * 5_000 + " hidden words")
    session.prompt("seen words")
    index.update()
    assert index.texts("words") == ["seen words"]


def test_tokens_are_counted_once_for_each_answer(index: Searchable) -> None:
    session = index.session()
    usage = {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 100}
    message = {"id": "m1", "model": "opus", "usage": usage}
    session.answer("one part", message=message)
    session.answer("another part", message={**message, "usage": {**usage, "output_tokens": 9}})
    index.update()
    columns = "input, output, cache_read, cache_write_5m, answers"
    assert rows(index, f"SELECT {columns} FROM spent") == [(5, 9, 100, 0, 1)]  # noqa: S608
    session.answer("once more", message=message | {"id": "m2"})
    index.update()
    assert rows(index, "SELECT count(*) FROM answer") == [(2,)]
