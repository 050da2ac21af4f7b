"""Pins, the archive and tags of sessions: one file for all workers, cheap to read for each page."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import gevent
import pytest

from opcode_htmx.sessions.storage.past_times import PastTimes
from opcode_htmx.sessions.storage.session_flags import (
    NO_FLAGS,
    Flags,
    SessionFlags,
)
from opcode_htmx.sessions.storage.session_tags import LONGEST_TAG, MOST_TAGS, BadTag, tags_of

ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flags.json"


@pytest.fixture
def flags(path: Path) -> SessionFlags:
    return SessionFlags(path)


def test_a_session_is_pinned_or_archived_and_never_both(flags: SessionFlags) -> None:
    flags.pin([ONE, TWO])
    flags.archive([ONE])
    assert (flags.of(ONE).pinned, flags.of(ONE).archived > 0) == (0, True)
    assert (flags.of(TWO).pinned > 0, flags.of(TWO).archived) == (True, 0)
    flags.pin([ONE])
    assert (flags.of(ONE).pinned > 0, flags.of(ONE).archived) == (True, 0)


def test_a_session_that_goes_on_is_out_of_the_archive_until_it_is_archived_again(
    flags: SessionFlags,
) -> None:
    now = time.time()
    old = Flags(archived=now - 3600, tags=("bug",))
    assert old.of_use(now - 7200, PastTimes()) == old
    assert old.of_use(now - 3590, PastTimes()) == old  # the end of what it did before
    assert old.of_use(now - 60, PastTimes()) == Flags(tags=("bug",))
    assert old.of_use(now + 7200, PastTimes()) == old  # by a wrong clock
    assert NO_FLAGS.of_use(now, PastTimes()) == NO_FLAGS


def test_archiving_leaves_what_is_in_the_archive_as_it_is(flags: SessionFlags, path: Path) -> None:
    hour_ago = time.time() - 3600
    archived = {"archived": hour_ago, "pinned_before": 5.0}
    path.write_text(json.dumps({"version": 1, "sessions": {ONE: archived}}))
    before = flags.of(ONE)
    at = flags.archive([ONE, TWO], used_at={ONE: hour_ago})
    assert flags.of(ONE) == before
    assert flags.undo_archive(at) == [TWO]
    assert dict(flags.all()) == {ONE: before}
    assert flags.undo_archive(flags.archive([ONE])) == []  # that was no second tap
    assert flags.of(ONE) == before

    at = flags.archive([ONE], used_at={ONE: hour_ago + 1800})  # it has gone on
    assert flags.of(ONE) == Flags(archived=at)
    assert flags.undo_archive(at) == [ONE]


def test_a_second_tap_on_archive_is_undone_with_the_first(flags: SessionFlags) -> None:
    flags.pin([ONE])
    pinned = flags.of(ONE)
    first = flags.archive([ONE, TWO])
    assert flags.archive([TWO, ONE, ONE]) == first
    assert flags.undo_archive(flags.archive([ONE])) == []  # not the same ones
    assert set(flags.undo_archive(flags.archive([ONE, TWO]))) == {ONE, TWO}
    assert dict(flags.all()) == {ONE: pinned}


def test_a_second_pin_keeps_the_time_of_the_first(flags: SessionFlags) -> None:
    flags.pin([ONE])
    first = flags.of(ONE)
    flags.pin([ONE, TWO])
    assert flags.of(ONE) == first


def test_what_is_taken_back_leaves_nothing_in_the_file(flags: SessionFlags, path: Path) -> None:
    flags.pin([ONE])
    flags.archive([TWO])
    flags.set_tags(TWO, ["bug"])
    flags.pin([ONE], False)
    flags.archive([TWO], False)
    flags.remove_tags([TWO], ["bug"])
    assert dict(flags.all()) == {}
    assert flags.of(ONE) == NO_FLAGS
    assert json.loads(path.read_bytes())["sessions"] == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        (" , ,", ()),
        ("Bug, #Release ,  two   words", ("bug", "release", "two words")),
        ("bug,BUG,bug", ("bug",)),
        ("a;b\r\nc\u3001d\uff0ce", ("a", "b", "c", "d", "e")),
        ("A\u0300", ("\u00e0",)),
        ("in\u200bvi\u202esible\ud800", ("invisible",)),
        ("tab\tbed", ("tab bed",)),
    ],
)
def test_tags_are_compared_by_what_can_be_seen(text: str, expected: tuple[str, ...]) -> None:
    assert tags_of(text) == expected


def test_a_tag_that_is_too_long_and_too_many_tags_are_refused(flags: SessionFlags) -> None:
    with pytest.raises(BadTag, match=f"at most {LONGEST_TAG} characters"):
        tags_of("x" * (LONGEST_TAG + 1))
    most = [f"tag {number}" for number in range(MOST_TAGS)]
    flags.add_tags([ONE], most)
    with pytest.raises(BadTag, match=f"at most {MOST_TAGS} tags"):
        flags.add_tags([TWO, ONE], ["another"])
    assert flags.of(ONE).tags == tuple(most)
    assert flags.of(TWO) == NO_FLAGS


def test_the_file_is_parsed_again_only_after_it_was_replaced(path: Path) -> None:
    here, other_worker = SessionFlags(path), SessionFlags(path)
    here.pin([ONE])
    seen = other_worker.all()
    assert other_worker.all() is seen
    here.pin([TWO])
    assert set(other_worker.all()) == {ONE, TWO}


def test_changes_at_the_same_time_lose_nothing(path: Path) -> None:
    workers = [SessionFlags(path) for _ in range(10)]
    tried = [gevent.spawn(each.pin, [f"session {n}"]) for n, each in enumerate(workers)]
    gevent.joinall(tried, raise_error=True)
    assert len(workers[0].all()) == len(workers)


def test_a_damaged_file_is_logged_and_kept_beside(
    flags: SessionFlags, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_text('{"version": 1, "sessions": {"a": 3')
    with caplog.at_level(logging.WARNING):
        assert dict(flags.all()) == {}
    assert "flags.json cannot be read" in caplog.text
    flags.pin([ONE])
    assert set(SessionFlags(path).all()) == {ONE}
    (kept,) = path.parent.glob("flags.json.unreadable-*")
    assert kept.read_text().endswith('{"a": 3')


@pytest.mark.parametrize("damaged", ['"work"', '{"x": 1}', '["a", 1]', "null"])
def test_tags_that_are_no_list_of_texts_are_left_out_and_kept_beside(
    flags: SessionFlags, path: Path, damaged: str
) -> None:
    path.write_text(
        f'{{"version": 1, "sessions": {{"{ONE}": {{"pinned": 5, "tags": {damaged}}}}}}}'
    )
    assert flags.of(ONE) == Flags(pinned=5)
    flags.pin([TWO])
    (kept,) = path.parent.glob("flags.json.unreadable-*")
    assert damaged in kept.read_text()


def test_flags_of_a_missing_session_are_kept_for_a_while(flags: SessionFlags) -> None:
    flags.pin([ONE, TWO])
    there = {ONE}
    flags.collect(there.__contains__, keep=3600)
    assert set(flags.all()) == {ONE, TWO}  # its disk may be mounted again
    flags.collect({ONE, TWO}.__contains__, keep=0)
    assert set(flags.all()) == {ONE, TWO}  # it was, so the time begins again
    flags.collect(there.__contains__, keep=3600)
    flags.collect(there.__contains__, keep=0)
    assert set(flags.all()) == {ONE}


def test_of_tags_in_the_file_those_are_read_that_could_be_given_and_the_rest_is_kept(
    flags: SessionFlags, path: Path
) -> None:
    many = [f"t{number}" for number in range(50)]
    content = {
        ONE: {"tags": ["x" * 500, "two,words", "#Bug", "bug", "", "ok"]},
        TWO: {"tags": many},
    }
    path.write_text(json.dumps({"version": 1, "sessions": content}))
    assert flags.of(ONE).tags == ("two words", "bug", "ok")
    assert flags.of(TWO).tags == tuple(many[:10])
    flags.remove_tags([TWO], ["t0"])
    flags.add_tags([TWO], ["t11"])
    assert flags.of(TWO).tags == (*many[1:10], "t11")
    (kept,) = path.parent.glob("*.unreadable-*")
    assert json.loads(kept.read_bytes())["sessions"] == content
    assert SessionFlags(path).of(ONE).tags == ("two words", "bug", "ok")


def test_tags_in_the_file_that_are_only_written_otherwise_are_not_damaged(
    flags: SessionFlags, path: Path
) -> None:
    path.write_text(json.dumps({"version": 1, "sessions": {ONE: {"tags": ["Bug", "bug"]}}}))
    assert flags.of(ONE).tags == ("bug",)
    flags.add_tags([ONE], ["ui"])
    assert not list(path.parent.glob("*.unreadable-*"))
