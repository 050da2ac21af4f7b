"""The index follows the history files: it is never behind, doubled, or wrong."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sessions.index.histories import ONE, TWO, Searchable, rows


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
