"""Drafts on disk: private, atomic, bounded, and not restored once sent."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import gevent
import pytest

from opcode_htmx.sessions.storage import drafts as drafts_module
from opcode_htmx.sessions.storage.drafts import (
    Draft,
    DraftChanged,
    Drafts,
    DraftTooLarge,
    clean_name,
)
from tests.support.cli.supervision import disk_that_waits, new_id, until


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "state" / "drafts"


@pytest.fixture
def drafts(root: Path) -> Drafts:
    return Drafts(root)


def test_a_session_without_a_draft_has_an_empty_one(drafts: Drafts) -> None:
    assert drafts.get(new_id()) == Draft()


def test_draft_survives_a_server_restart(drafts: Drafts, root: Path) -> None:
    session = new_id()
    assert drafts.save_text(session, "half a “thought”\n", by="page-1")
    assert not drafts.save_text(session, "half a “thought”\n", by="page-2")
    kept = Drafts(root).get(session)
    assert (kept.text, kept.by) == ("half a “thought”\n", "page-1")


def test_drafts_are_private_and_leave_no_half_files(drafts: Drafts, root: Path) -> None:
    session = new_id()
    drafts.save_text(session, "secret")
    drafts.add_file(session, "plan.txt", b"secret", "")
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    for path in root.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert list(root.rglob(".*")) == []


def test_late_save_does_not_restore_a_sent_draft(
    drafts: Drafts,
) -> None:
    session, form = new_id(), new_id()
    drafts.save_text(session, "send me", form=form)
    drafts.sent(session, "send me", form, [])
    assert not drafts.save_text(session, "send me", form=form)
    assert drafts.get(session).text == ""
    assert drafts.save_text(session, "the next", form=new_id())


def test_draft_cleared_before_another_send_stays_cleared(drafts: Drafts) -> None:
    session, form = new_id(), new_id()
    drafts.save_text(session, "@", form=form, by="this page")
    drafts.sent(session, "a suggestion that was tapped", form, [])
    drafts.save_text(session, "", form=form, by="another page")
    assert drafts.get(session).text == "@", "it is not the other page's"
    drafts.save_text(session, "", form=form, by="this page")
    assert drafts.get(session).text == ""


def test_text_typed_on_another_device_survives_the_send(drafts: Drafts) -> None:
    session = new_id()
    drafts.save_text(session, "something else", by="other")
    drafts.sent(session, "send me", new_id(), [])
    assert drafts.get(session).text == "something else"


@pytest.mark.parametrize(
    ("typed_in", "rest"), [("the form", ""), ("another form", "first")], ids=str
)
def test_older_text_of_the_form_that_was_sent_goes_and_one_of_another_form_stays(
    drafts: Drafts, typed_in: str, rest: str
) -> None:
    session, form = new_id(), new_id()
    drafts.save_text(session, "first", form=form if typed_in == "the form" else new_id())
    drafts.sent(session, "first markdown", form, [], left="")
    assert drafts.get(session).text == rest


def test_text_beside_a_tapped_suggestion_stays_as_it_was_last(drafts: Drafts) -> None:
    session, form = new_id(), new_id()
    drafts.save_text(session, "half", form=form)
    drafts.sent(session, "a suggestion", form, [], left="half a thought")
    assert drafts.get(session).text == "half a thought"


def test_the_files_that_were_sent_go_and_the_others_stay(drafts: Drafts, root: Path) -> None:
    session = new_id()
    one = drafts.add_file(session, "one.txt", b"1", "")
    two = drafts.add_file(session, "two.png", b"2", "image/png")
    assert drafts.add_file(session, "one.txt", b"1", "") == one
    drafts.sent(session, "", new_id(), [one])
    assert drafts.get(session).files == (two,)
    assert drafts.path(session, two.token).read_bytes() == b"2"
    assert not drafts.path(session, one.token).exists()
    drafts.remove_file(session, two.token)
    assert [path.name for path in (root / session).iterdir()] == ["draft.json"]


def test_a_draft_has_its_limits(drafts: Drafts, monkeypatch: pytest.MonkeyPatch) -> None:
    session = new_id()
    with pytest.raises(DraftTooLarge, match="longer than"):
        drafts.save_text(session, "x" * (drafts_module.MAX_TEXT + 1))
    monkeypatch.setattr(drafts_module, "MAX_BYTES", 10)
    drafts.add_file(session, "a", b"x" * 6, "")
    with pytest.raises(DraftTooLarge, match="together"):
        drafts.add_file(session, "b", b"x" * 6, "")
    monkeypatch.setattr(drafts_module, "MAX_FILES", 1)
    with pytest.raises(DraftTooLarge, match="No more than 1"):
        drafts.add_file(session, "c", b"x", "")


def test_newest_drafts_are_kept_beyond_the_limit(
    drafts: Drafts, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts_module, "KEPT", 3)
    sessions = [new_id() for _ in range(5)]
    for age, session in enumerate(sessions):
        drafts.save_text(session, session)
        os.utime(root / session, (age, age))
    assert {path.name for path in root.iterdir()} == set(sessions[2:])


def test_a_text_from_another_page_is_not_replaced_by_one_that_has_not_seen_it(
    drafts: Drafts,
) -> None:
    session = new_id()
    drafts.save_text(session, "one", by="a", seen="")
    seen = drafts.get(session).revision
    drafts.save_text(session, "two", by="b", seen=seen)
    with pytest.raises(DraftChanged) as changed:
        drafts.save_text(session, "three", by="a", seen=seen)
    assert changed.value.draft.text == "two"
    with pytest.raises(DraftChanged):
        drafts.save_text(session, "", by="a", seen=seen)
    assert drafts.save_text(session, "one and two", by="a", seen=seen)  # nothing is lost
    assert drafts.save_text(session, "mine", by="a", seen=seen)  # the answer did not arrive
    assert drafts.save_text(session, "theirs", by="b")  # a page that does not say what it has seen


def test_texts_of_two_pages_are_kept_one_below_the_other_and_once(drafts: Drafts) -> None:
    session = new_id()
    drafts.save_text(session, "phone", by="a")
    for _ in range(2):  # a form that is sent again
        both = drafts.save_beside(session, "desk", seen="", form="")
        assert drafts.get(session).text == both == "phone\n\ndesk"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"text": 1}', b"\xff"])
def test_a_draft_that_cannot_be_read_is_an_empty_one(
    drafts: Drafts, root: Path, content: bytes
) -> None:
    session = new_id()
    drafts.save_text(session, "x")
    (root / session / "draft.json").write_bytes(content)
    assert drafts.get(session) == Draft()
    assert drafts.save_text(session, "y")
    assert json.loads((root / session / "draft.json").read_bytes())["text"] == "y"


@pytest.mark.parametrize("name", ["..", "../../etc", "A" * 36, "", "x\0"])
def test_invalid_session_id_has_no_folder(drafts: Drafts, name: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        drafts.save_text(name, "x")
    with pytest.raises(ValueError, match=r".*"):
        drafts.path(new_id(), name)


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("notes of mine.txt", "notes of mine.txt"),
        ("../../etc/passwd", "passwd"),
        (r"C:\photos\me.jpg", "me.jpg"),
        (".bashrc", "bashrc"),
        ("a\nb\0c;$(rm).txt", "a_b_c_(rm).txt"),
        ("Übung – 3.pdf", "Übung _ 3.pdf"),
        ("", "file"),
        ("..", "file"),
        ("x" * 300 + ".tar.gz", "x" * 97 + ".gz"),
    ],
)
def test_a_files_name_is_made_safe(name: str, clean: str) -> None:
    assert clean_name(name) == clean


def test_concurrent_text_and_file_saves_are_all_kept(drafts: Drafts, root: Path) -> None:
    session = new_id()
    drafts.save_text(session, "first")
    with disk_that_waits(root) as go_on:
        changes: list[gevent.Greenlet[..., object]] = [
            gevent.spawn(drafts.save_text, session, "words")
        ]
        for store in (drafts, Drafts(root)):  # as in two workers
            name, content = f"{id(store)}.txt", str(id(store)).encode()
            changes.append(gevent.spawn(store.add_file, session, name, content, ""))
        until(lambda: list(root.glob("*/.*-*")), "one of them waits for the disk")
        go_on.set()
        gevent.joinall(changes, raise_error=True)
    kept = drafts.get(session)
    assert kept.text == "words"
    assert len(kept.files) == 2


def test_short_text_is_not_taken_for_a_part_of_a_word(drafts: Drafts) -> None:
    session = new_id()
    drafts.save_text(session, "no", by="a")
    with pytest.raises(DraftChanged):
        drafts.save_text(session, "now and then", by="b", seen="")
    assert drafts.save_beside(session, "now and then", seen="", form="") == "no\n\nnow and then"
