"""Words, phrases and limits of a search, and the excerpts that it shows."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opcode_htmx.sessions.index.excerpts import excerpt_of
from opcode_htmx.sessions.index.search import Query
from opcode_htmx.sessions.index.terms import folded, phrases_of, separated, spans_of
from tests.sessions.index.histories import NOON, ONE, TWO, Searchable


@pytest.fixture
def searchable(index: Searchable) -> Searchable:
    session = index.session()
    session.prompt("Where does the Größe of a naïve café_menu come from?", gitBranch="main")
    session.answer("The apple pie is in kitchen.py.", message={"id": "m1", "model": "opus"})
    session.call("Bash", "t1", command="grep -rn cinnamon .", description="Look for it")
    session.result("t1", "pie.py:4: cinnamon = 2")
    session.call("Edit", "t2", file_path="/home/me/shop/pie.py", old_string="2", new_string="3")
    session.add("assistant", [{"type": "thinking", "thinking": "Nutmeg would be too much."}])
    session.answer("东京的苹果派很好吃。 검색을")
    session.answer("请使用python编写。 サーバーを再起動。 सर्वर बंद है।")
    session.result("t2", "\x1b[1mbold\x1b[0m")
    other = index.session(TWO, "/srv/infra")
    other.prompt("The pie chart, not the apple", at=5000, gitBranch="charts")
    index.update()
    return index


MARKED: list[tuple[str, list[str]]] = [
    ("apple pie", ["pie", "apple", "apple", "pie"]),
    ('"apple pie"', ["apple pie"]),
    ("APPLE chart", ["chart", "apple"]),
    ("grosse", []),
    ("größe", ["Größe"]),
    ("naive cafe_menu", ["naïve", "café_menu"]),
    ("cinnam", ["cinnamon", "cinnamon"]),
    ("cinnam pie", []),  # only the last word may be a beginning
    ("cinnamo* pie", ["pie", "cinnamon"]),
    ("cinnam*", ["cinnamon", "cinnamon"]),
    ('"cinnam"', []),
    ("苹果", ["苹果"]),
    ("京果", []),
    ("python", ["python"]),
    ("サーバー", ["サーバー"]),
    ("सर्वर", ["सर्वर"]),
    ("bold", ["bold"]),
    ("nutmeg", ["Nutmeg"]),
    ("nut", ["Nutmeg"]),
    ("nu", []),
    ("검색", ["검색을"]),
    ("pie.py:4", ["pie.py:4"]),
    ("\" NEAR( OR ^ -- ' * :", []),
    ("", []),
]


def test_words_phrases_and_beginnings_are_found_and_marked(searchable: Searchable) -> None:
    assert [(words, searchable.marked(words)) for words, _ in MARKED] == MARKED


COUNTS: list[tuple[dict[str, object], int]] = [
    ({}, 4),
    ({"project": "/srv/infra"}, 1),
    ({"project": "/nowhere"}, 0),
    ({"role": "prompt"}, 1),
    ({"role": "output"}, 1),
    ({"tool": "Edit"}, 1),
    ({"tool": "Bash"}, 1),
    ({"branch": "charts"}, 1),
    ({"model": "opus"}, 1),
    ({"with_output": False}, 3),
    ({"file": "PIE.py"}, 3),
    ({"file": "kitchen.py"}, 0),
    ({"since": NOON + 1000}, 1),
    ({"until": NOON + 1000}, 3),
    ({"since": NOON + 1000, "until": NOON + 2000}, 0),
]


def test_search_is_limited_to_what_is_asked_for(searchable: Searchable) -> None:
    found = [(limits, len(searchable.texts("pie", **limits))) for limits, _ in COUNTS]
    assert found == COUNTS


def test_search_in_one_session_has_pages(index: Searchable) -> None:
    session = index.session()
    for number in range(45):
        session.prompt(f"apple {number}")
        session.answer("pie")
    index.update()
    index.session(TWO, "/srv/infra").prompt("An apple elsewhere")
    index.update()
    ids = index.session().path.parent.name, ONE

    def page(number: int, words: str = "apple") -> tuple[int, int, list[str]]:
        found = index.reader.find(Query(words=words, session=ids, page=number))
        (only,) = found.sessions
        assert found.title == "apple 0"
        texts = [excerpt_of(place, found.phrases) for place in only.places]
        return (
            only.count,
            only.first,
            ["".join(t for t, _ in each.pieces) for each in texts if each],
        )

    assert page(1) == (45, 0, [f"apple {number}" for number in range(44, 24, -1)])
    assert page(3) == (45, 40, [f"apple {number}" for number in range(4, -1, -1)])
    assert page(9) == page(3)
    found = index.reader.find(Query(words="elsewhere", session=ids))
    assert (found.sessions, found.title) == ((), "apple 0")
    nowhere = index.reader.find(Query(words="apple", session=("-nowhere", ONE)))
    assert (nowhere.sessions, nowhere.title) == ((), "")
    assert not index.reader.find(Query(words="apple", session=(ids[0], "0" * 36))).sessions


def test_session_with_the_newest_text_comes_first(searchable: Searchable) -> None:
    found = searchable.reader.find(Query(words="pie"))
    assert [each.session_id for each in found.sessions][0] == TWO
    first = found.sessions[0]
    assert (first.project, first.title) == ("/srv/infra", "The pie chart, not the apple")
    assert first.claude_folder == "-srv-infra"


def test_old_session_that_was_indexed_last_does_not_come_first(index: Searchable) -> None:
    index.session().prompt("The pie of today", at=9000)
    index.update()
    index.session(TWO).prompt("A pie of long ago, restored", at=10)
    index.update()
    found = index.reader.find(Query(words="pie"))
    assert [each.session_id for each in found.sessions] == [ONE, TWO]


def test_branch_of_a_text_is_that_of_its_own_line(index: Searchable) -> None:
    session = index.session()
    session.prompt("first thing", gitBranch="feature")
    session.prompt("second thing", gitBranch="main")
    index.update()
    assert index.texts("thing", branch="feature") == ["first thing"]
    assert index.reader.choices().branches == ("feature", "main")


def test_output_that_comes_later_belongs_to_the_tool_of_its_call(index: Searchable) -> None:
    session = index.session()
    session.call("Bash", "t1", command="ls")
    index.update()
    index.restart()
    session.result("t1", "cinnamon.txt")
    index.update()
    assert index.texts("cinnamon", tool="Bash") == ["cinnamon.txt"]


def test_title_by_the_person_stays_and_of_claudes_the_last_counts(index: Searchable) -> None:
    def title() -> str:
        return index.reader.find(Query(words="apple")).sessions[0].title

    session = index.session()
    session.prompt("apple")
    for kind, name in (("ai", "One"), ("ai", "Two"), ("custom", "Mine"), ("ai", "Three")):
        session.write(json.dumps({"type": f"{kind}-title", f"{kind}Title": name}) + "\n")
        index.update()
        assert title() == ("Mine" if name == "Three" else name)


def test_choices_are_what_occurs(searchable: Searchable) -> None:
    choices = searchable.reader.choices()
    assert choices.projects == ("/home/me/shop", "/srv/infra")
    assert choices.tools == ("Bash", "Edit")
    assert choices.branches == ("charts", "main")
    assert choices.models == ("opus",)


def test_excerpt_shows_the_text_around_the_match(index: Searchable) -> None:
    session = index.session()
    session.answer("before " * 100 + "here it is " + "after " * 100)
    index.update()
    (text,) = index.texts("here")
    assert text.startswith("…before")
    assert "here it is after" in text
    assert text.endswith("…")
    assert len(text) < 220


def test_excerpt_shows_the_place_with_the_most_of_the_words(index: Searchable) -> None:
    session = index.session()
    session.answer("a key " + "and more " * 60 + "without a wrapper " + "after " * 60)
    index.update()
    (text,) = index.texts("without a wrapper")
    assert "without a wrapper" in text


@given(st.text("aBé日검ßſ\u0301 ,", max_size=30))
def test_place_in_a_folded_text_is_the_one_in_the_text(text: str) -> None:
    plain, places = folded(text)
    alone = [folded(character)[0] for character in text]
    assert plain == "".join(alone)
    assert (places or list(range(len(plain)))) == [
        place for place, each in enumerate(alone) for _ in each
    ]


def test_word_of_which_nothing_is_left_is_no_word() -> None:
    assert [each.words for each in phrases_of("zebra \u0301 x")] == [("zebra",), ("x",)]
    assert spans_of("h\u00e4llo zebra, done. ", phrases_of("\u0301"), 8) == []


def test_query_of_any_text_never_takes_long() -> None:
    text = "a " * 100_000
    began = time.thread_time()
    for query in ("a " * 100, '"' * 200, "*" * 200, "é" * 200, "日" * 200, '"a a a a a a a a b"'):
        phrases = phrases_of(query)
        separated(query)
        assert sum(len(phrase.words) for phrase in phrases) <= 200
        spans_of(text, phrases, 8)
    assert time.thread_time() - began < 30  # of minutes
