"""Branches, merges, stashes and pulls by their forms, and acts that take long."""

from __future__ import annotations

from pathlib import Path

import gevent
import pytest

from opcode_htmx.features.commits import acts
from opcode_htmx.features.commits.acts import Acts, Outcome, Progress
from opcode_htmx.lib.git.discards import kept
from tests.features.commits.desk import Desk, changed_at
from tests.support.environment import until


def test_a_merge_with_a_conflict_is_resolved_or_stopped(desk: Desk) -> None:
    repo = desk.repo
    repo.plain("switch", "-qc", "other")
    repo.write("a.txt", "theirs\n")
    repo.commit("theirs")
    repo.plain("switch", "-q", "main")
    repo.write("a.txt", "ours\n")
    repo.commit("ours")
    repo.plain("merge", "other", check=False)
    page = desk.page()
    assert "A merge has begun: resolve 1 conflict" in page
    assert desk.post("/continue", operation="merge").status_code == 409
    assert "is resolved" in desk.done("/resolve", path="a.txt", choice="theirs")
    assert "The merge is complete" in desk.done("/continue", operation="merge")
    assert (repo.top / "a.txt").read_text() == "theirs\n"
    assert desk.post("/abort", operation="merge").status_code == 409


def test_branches_and_stashes_by_their_forms(desk: Desk) -> None:
    repo = desk.repo
    desk.page("/branches")
    assert "You are on “grow” now" in desk.done("/branches", name="grow", switch="1")
    assert desk.post("/branches", name="a b").status_code == 422
    repo.write("a.txt", changed_at(3))
    desk.done("/stashes", message="Later")
    page = desk.page("/stashes")
    assert "On grow: Later" in page
    form = desk.hidden(page, "/stashes/take")
    desk.done("/stashes/drop", **form)
    bring = desk.hidden(desk.page("/kept"), "/kept")
    assert not bring.get("nothing")
    (stash,) = kept.listed(repo.git())
    desk.done(f"/kept/{stash.id}")
    desk.done("/stashes/take", **form)
    assert (repo.top / "a.txt").read_text() == changed_at(3)
    desk.done("/switch", name="main", changes="stash")
    head = repo.plain("rev-parse", "HEAD").decode().strip()
    assert "Deleted the branch" in desk.done("/branches/delete", name="grow", commit=head)


def test_a_lock_of_another_program_is_left_alone(desk: Desk) -> None:
    lock = desk.repo.top / ".git" / "index.lock"
    lock.touch()
    desk.repo.write("a.txt", "x")
    answer = desk.post("/stage", path="a.txt")
    assert (answer.status_code, "Another git command" in answer.text) == (409, True)
    assert lock.exists()


def test_an_act_can_be_cancelled_and_its_progress_is_shown(desk: Desk, tmp_path: Path) -> None:
    known = Acts(tmp_path / "acts", ())

    def work(progress: Progress) -> Outcome:
        progress(b"Counting\rWriting 1%\rWriting https://me:secret@x.example\n")
        gevent.sleep(60)
        raise AssertionError

    begun = gevent.spawn(known.begin, "p", "Push", "/", work)
    path = until(
        lambda: next((tmp_path / "acts").glob("*.json"), None), "it began",
        sleep=lambda: gevent.sleep(0.02),
    )  # fmt: skip
    assert path
    act_id = path.stem
    running = until(
        lambda: known.get("p", act_id).progress, "it reports", sleep=lambda: gevent.sleep(0.05)
    )
    assert running == "Writing https://***@x.example"
    known.cancel("p", act_id)
    assert begun.get().message == "It was cancelled."


def test_a_hook_that_takes_long_has_a_page_and_can_be_cancelled(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "PATIENCE", 0.3)
    mark = desk.hook("pre-commit", "touch sprung; echo thinking >&2; exec sleep 60")
    desk.repo.write("a.txt", changed_at(3))
    desk.done("/stage", path="a.txt")
    form = desk.hidden(desk.page(), "/commit")
    answer = desk.post("/commit", message="Prune", programs="run", **form)
    where = answer.headers["Location"]
    assert answer.status_code == 303
    until(mark.exists, "the hook runs", sleep=lambda: gevent.sleep(0.05))
    page = desk.client.get(where)
    assert "It is under way" in page.text
    assert page.headers["Refresh"] == "2"
    desk.client.post(f"{where}/cancel")
    until(
        lambda: "It was cancelled" in desk.client.get(where).text, "it ends",
        sleep=lambda: gevent.sleep(0.05),
    )  # fmt: skip
    assert not (desk.repo.top / ".git" / "index.lock").exists()
    assert desk.repo.plain("rev-list", "--count", "HEAD") == b"1\n"
    assert desk.client.get(where.replace("orchard", "other")).status_code == 404


def test_a_pull_brings_what_is_new_and_says_how_much(desk: Desk) -> None:
    repo = desk.repo
    repo.plain("init", "-q", "--bare", "-b", "main", "../bare")
    repo.plain("remote", "add", "origin", f"file://{repo.top.parent}/bare")
    repo.commit("second")
    repo.plain("push", "-qu", "origin", "main")
    repo.plain("reset", "-q", "--hard", "HEAD~1")
    form = desk.hidden(desk.page("/pull"), "/pull")
    assert desk.post("/pull", mode="", programs="run", **form).status_code == 422
    fetched = desk.done("/pull", mode="fetch", programs="run", **form)
    assert "Fetched from origin: 1 new commit." in fetched
    notice = desk.done("/pull", mode="ff-only", programs="run", **form)
    assert "Pulled 1 commit into “main”" in notice
    assert repo.plain("log", "-1", "--format=%s") == b"second\n"
