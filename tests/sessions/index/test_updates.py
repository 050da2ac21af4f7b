"""The index follows the history files: it is never behind, doubled, or wrong."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.files.lineage import checkpoint_line
from opcode_htmx.lib import resources
from opcode_htmx.lib.logs.set_up import LogOptions
from opcode_htmx.sessions.index import file_pass, indexer, schema, sources
from opcode_htmx.sessions.index.indexer import Indexer
from opcode_htmx.sessions.index.reader import IndexReader, IndexUnavailable
from opcode_htmx.sessions.index.search import Query
from opcode_htmx.sessions.index.writing import texts, writer
from tests.sessions.index.histories import ONE, TWO, Searchable, Session
from tests.support.environment import until


def rows(index: Searchable, query: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(index.database)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def test_new_lines_are_added_and_old_ones_are_not_read_again(index: Searchable) -> None:
    session = index.session()
    session.prompt("first words")
    assert index.update() == 1
    assert index.update() == 0
    session.answer("second words")
    assert index.update() == 1
    assert index.texts("words") == ["second words", "first words"]
    index.restart()
    assert index.update() == 0
    assert len(index.texts("words")) == 2


@pytest.mark.parametrize("cut", [1, 40, -1])
def test_line_that_is_half_written_is_read_when_it_is_whole(index: Searchable, cut: int) -> None:
    session = index.session()
    session.prompt("first words")
    whole = session.path.read_bytes()
    session.prompt("last words")
    line = session.path.read_bytes()[len(whole) :]
    session.path.write_bytes(whole + line[:cut])
    index.update()
    assert index.texts("words") == ["first words"]
    with session.path.open("ab") as file:
        file.write(line[cut:])
    index.update()
    assert index.texts("words") == ["last words", "first words"]


def test_file_that_was_replaced_or_cut_is_read_again(index: Searchable) -> None:
    session = index.session()
    session.prompt("the old text")
    session.answer("the old answer")
    index.update()
    whole = session.path.read_bytes()
    session.path.write_bytes(whole[: whole.index(b"\n") + 1])
    index.update()
    assert index.texts("old") == ["the old text"]
    other = session.path.with_suffix(".new")
    other.write_bytes(whole.replace(b"old", b"new"))
    other.replace(session.path)
    index.update()
    assert index.texts("old") == []
    assert index.texts("new") == ["the new answer", "the new text"]


def test_file_that_was_rewritten_in_place_is_read_again(index: Searchable) -> None:
    session = index.session()
    session.prompt("the old text")
    index.update()
    longer = session.path.read_bytes().replace(b"old", b"quite new")
    session.path.write_bytes(longer + longer.replace(b"0001", b"0002"))
    index.update()
    assert index.texts("old") == []
    assert index.texts("new", with_rewound=True) == ["the quite new text"] * 2


def test_folder_that_was_removed_while_nobody_looked_is_found_no_more(index: Searchable) -> None:
    index.session().prompt("the ghost")
    index.session(TWO, "/srv/infra").prompt("no ghost")
    index.update()
    index.session().path.unlink()
    index.session().path.parent.rmdir()
    index.restart()
    index.update()
    assert index.texts("ghost") == ["no ghost"]
    assert rows(index, "SELECT count(*) FROM file") == [(1,)]


def test_index_of_another_folder_of_claudes_is_made_again(index: Searchable) -> None:
    index.session().prompt("here")
    index.update()
    index.indexer.close()
    other = index.config_dir.parent / "other"
    Session(other, TWO).prompt("there")
    index.indexer = Indexer(index.database, other)
    index.update()
    assert rows(index, "SELECT session FROM file") == [(TWO,)]


def test_index_that_is_removed_meanwhile_is_made_again(index: Searchable) -> None:
    index.session().prompt("still here")
    index.update()
    schema.remove(index.database)
    assert index.update() == 1
    assert index.texts("still") == ["still here"]


@pytest.mark.parametrize("how", ["folder", "emptied"])
def test_process_of_the_index_makes_it_again_by_itself(
    index: Searchable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(indexer, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(indexer, "RETRY_SECONDS", 0.05)
    index.session().prompt("still here")
    database = tmp_path / "index" / "sessions.sqlite"
    database.parent.mkdir()
    reader = IndexReader(database, history.root(index.config_dir))

    def is_found(word: str) -> bool:
        try:
            return bool(reader.find(Query(words=word)).sessions)
        except IndexUnavailable:
            return False

    stop, end = os.pipe()
    process = threading.Thread(target=indexer.run, args=(database, index.config_dir, stop))
    process.start()
    try:
        until(lambda: is_found("still"), "it is indexed")
        if how == "folder":
            shutil.rmtree(database.parent)
        else:
            os.truncate(database, 0)
        index.session(TWO).prompt("afterwards")
        until(lambda: is_found("afterwards") and is_found("still"), "it is made again")
    finally:
        os.write(end, b"x")
        process.join()
        os.close(stop)
        os.close(end)


def test_process_that_has_read_much_goes_on_as_a_new_program(
    index: Searchable, tmp_path: Path
) -> None:
    index.session().write(("x" * (indexer.BULK // 2) + "\n") * 2)  # no entries, read in no time
    index.session().prompt("before")
    database = tmp_path / "index" / "sessions.sqlite"
    database.parent.mkdir()
    reader = IndexReader(database, history.root(index.config_dir))
    command = [sys.executable, "-m", "opcode_htmx.sessions.index.indexer"]
    process = subprocess.Popen(
        [*command, str(database), str(index.config_dir), LogOptions().as_argument()],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=resources.IMPORT_FOLDER,
        env={"PYTHONUTF8": "1"},
    )

    def is_found(word: str) -> bool:
        with contextlib.suppress(IndexUnavailable):
            return bool(reader.find(Query(words=word)).sessions)
        return False

    def segments() -> int:
        with closing(sqlite3.connect(database)) as opened:
            ((count,),) = opened.execute("SELECT count(DISTINCT segid) FROM words_idx")
        return int(count)

    try:
        until(lambda: is_found("before"), "it is indexed")
        until(lambda: segments() == 1, "it is merged")
        index.session(TWO).prompt("afterwards")
        until(lambda: is_found("afterwards"), "it is indexed by the new program")
        assert psutil.Process(process.pid).nice() == indexer.NICENESS
    finally:
        _, logged = process.communicate(timeout=10)
    assert logged.count(b"is started anew") == 1 and process.returncode == 0, logged


def test_files_that_cannot_be_read_start_no_new_program(
    index: Searchable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "BULK", 50)
    index.session().prompt("words of somebody else, whose file may not be read")

    def texts(reader: file_pass.FilePass, end: int) -> Iterator[Sequence[file_pass.Found]]:
        raise PermissionError("not yours")

    def has_read_bulk() -> bool:
        with closing(Indexer(tmp_path / "sessions.sqlite", index.config_dir)) as begun:
            list(begun.look())
            return begun.has_read_bulk

    with monkeypatch.context() as unreadable:
        unreadable.setattr(file_pass.FilePass, "texts", texts)
        assert not has_read_bulk()
    assert has_read_bulk()


def test_index_that_is_locked_is_kept(index: Searchable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.01)
    index.session().prompt("still here")
    index.update()
    index.indexer.close()
    inode = index.database.stat().st_ino
    with closing(sqlite3.connect(index.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError):
            Indexer(index.database, index.config_dir)
        other.execute("ROLLBACK")
    index.restart()
    assert index.database.stat().st_ino == inode
    assert index.update() == 0


def test_removed_file_is_found_no_more(index: Searchable) -> None:
    index.session().prompt("gone tomorrow")
    kept = index.session(TWO)
    kept.prompt("kept tomorrow")
    index.update()
    index.session().path.unlink()
    index.update()
    assert index.texts("tomorrow") == ["kept tomorrow"]
    kept.path.unlink()
    kept.path.parent.rmdir()
    index.update()
    assert index.texts("tomorrow") == []
    assert rows(index, "SELECT count(*) FROM file") == [(0,)]


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
    monkeypatch.setattr("opcode_htmx.sessions.index.file_pass.LONGEST_LINE", 2_000)
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


@pytest.mark.parametrize("damage", ["not a database", "", "other version", "pages"])
def test_damaged_index_is_made_again(index: Searchable, damage: str) -> None:
    session = index.session()
    for number in range(200):
        session.prompt(f"the word {number}")
    index.update()
    index.indexer.close()
    schema_path = index.database
    if damage == "other version":
        database = sqlite3.connect(schema_path)
        database.execute("PRAGMA user_version = 99")
        database.close()
    elif damage == "pages":
        data = bytearray(schema_path.read_bytes())
        data[4096 : len(data) // 2] = os.urandom(len(data) // 2 - 4096)
        schema_path.write_bytes(data)
    else:
        schema_path.write_text(damage)
    index.restart()
    try:
        index.update()
    except sqlite3.DatabaseError:  # the process does the same, see run()
        index.indexer.make_again()
        index.update()
    session.prompt("the word afterwards")
    try:
        index.update()
    except sqlite3.DatabaseError:
        index.indexer.make_again()
        index.update()
    assert "the word afterwards" in index.texts('"word afterwards"')
    assert len(index.texts('"word 7"')) == 1


def test_reader_says_that_there_is_no_index_yet(tmp_path: Path) -> None:
    index = Searchable(tmp_path)
    index.indexer.close()
    schema.remove(index.database)
    with pytest.raises(IndexUnavailable):
        index.reader.find(Query(words="x"))


def test_index_with_many_removed_texts_is_made_again(
    index: Searchable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "LEAST_REMOVED", 10)
    for number in range(20):
        index.session().prompt(f"text {number}")
    index.session(TWO).prompt("the other text")
    index.update()
    index.session().path.unlink()
    index.update()
    index.update()
    assert rows(index, "SELECT removed FROM progress") == [(0,)]
    assert index.texts("text") == ["the other text"]


Words = st.lists(st.sampled_from(["apple", "pear", "plum", "日本", "été"]), min_size=1, max_size=4)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from([ONE, TWO]), Words, st.booleans()), max_size=12))
def test_index_that_grows_in_any_steps_finds_the_same_as_one_made_at_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[str], bool]]
) -> None:
    index = Searchable(tmp_path_factory.mktemp("index"))
    sessions = {each: index.session(each) for each in (ONE, TWO)}
    for session_id, words, looks in steps:
        sessions[session_id].prompt(" ".join(words))
        if looks:
            index.update()
    index.update()
    grown = {word: sorted(index.texts(word)) for word in ("apple", "pe", "日本", "ete")}
    index.indexer.make_again()
    index.update()
    assert grown == {word: sorted(index.texts(word)) for word in grown}
    index.indexer.close()
