"""An index that is removed, damaged or of another folder is made again, by its process, too."""

from __future__ import annotations

import contextlib
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

from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib import resources
from opcode_htmx.lib.logs.set_up import LogOptions
from opcode_htmx.sessions.index import file_pass, indexer, schema
from opcode_htmx.sessions.index.indexer import Indexer
from opcode_htmx.sessions.index.reader import IndexReader, IndexUnavailable
from opcode_htmx.sessions.index.search import Query
from opcode_htmx.sessions.index.writing import texts
from tests.sessions.index.histories import TWO, Searchable, Session, rows
from tests.support.environment import PATIENCE, until


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
        _, logged = process.communicate(timeout=PATIENCE)
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
