"""A session begins in a copy with one tap, and its work is merged or thrown away, with an undo."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from opcode_htmx.lib.git import worktrees
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.sessions.configuration.project_choices import project_choices
from opcode_htmx.sessions.worktrees import kept_copies, naming
from opcode_htmx.sessions.worktrees.copies import Copies
from opcode_htmx.sessions.worktrees.endings import CopyEndings
from opcode_htmx.sessions.worktrees.records import CopyState
from tests.support.clients import api
from tests.support.pages.claude_pages import form_of
from tests.support.workshop import Workshop


def test_a_session_in_a_copy_is_merged_and_the_copy_goes(workshop: Workshop) -> None:
    (workshop.top / ".env").write_text("KEY=1\n")
    page = workshop.client.get("/new", query_string={"folder": str(workshop.top)}).text
    assert "In a copy of its own" in page
    session = workshop.start("Grow the apple tree\nand more")
    copy = workshop.copy_of(session)
    assert copy == workshop.top / ".claude" / "worktrees" / "grow-the-apple-tree"
    assert (copy / ".env").read_text() == "KEY=1\n"
    assert workshop.git("status", "--short") == ""
    run = workshop.context.runs.of_session(session)[-1]
    assert run.record.project_path == str(copy)
    assert "grow-the-apple-tree" in workshop.client.get("/runs").text

    workshop.rest(session)
    address = workshop.address(session)
    said = api.session(
        workshop.context.workspace.config_dir, copy, api.prompt("Grow", copy), session
    )
    (copy / "apple").write_text("1\n2\n3\n4\n")
    (copy / "pear").write_text("green\n")
    shown = workshop.client.get(address).text
    assert "2 uncommitted files" in shown
    refused = workshop.post(f"{address}/merge", 409, way="merge", message="Grow")
    assert "2 files are not committed" in refused.text
    done = workshop.post(f"{address}/merge", way="squash", message="Grow", commit="1", remove="1")
    assert done.headers["Location"] == "/worktrees"
    assert (workshop.top / "pear").read_text() == "green\n"
    assert workshop.git("log", "-1", "--format=%s").strip() == "Grow"
    assert workshop.git("ls-files").split() == [".gitignore", "apple", "pear"]
    assert not copy.exists()
    assert workshop.git("worktree", "list").count("\n") == 1
    assert workshop.git("branch", "--list").split() == ["*", "main"]
    assert "Bring back" in workshop.client.get("/worktrees").text
    page = f"/projects/{said.parent.name}/sessions/{session}"
    assert workshop.client.get(page).status_code == 200, "it is there to be read"


def test_what_would_be_lost_is_named_and_an_undo_brings_it_back(workshop: Workshop) -> None:
    (workshop.top / ".env").write_text("KEY=1\n")
    session = workshop.start("Grow")
    copy = workshop.copy_of(session)
    workshop.rest(session)
    (copy / "plum").write_text("blue\n")
    workshop.commit(copy, "a plum of its own")
    (copy / "apple").write_text("changed\n")
    (copy / "new file").write_text("x\n")
    address = workshop.address(session)
    page = workshop.client.get(f"{address}/discard").text
    for words in ("1 commit that", "a plum of its own", "1 changed file, not committed", "apple",
                  "1 new file, not committed", "new file", "Ignored files", ".env"):  # fmt: skip
        assert words in page
    assert copy.exists()
    assert workshop.post(f"{address}/discard").headers["Location"] == "/worktrees"
    assert not copy.exists()
    assert workshop.git("branch", "--list").split() == ["*", "main"]

    kept = workshop.api("GET", "/api/kept-worktrees")[0]
    back = workshop.post(f"/worktrees/kept/{kept['id']}/restore").headers["Location"]
    assert back == address
    assert (copy / "new file").read_text() == "x\n"
    assert (copy / "apple").read_text() == "changed\n"
    assert (copy / ".env").read_text() == "KEY=1\n"
    assert workshop.git("log", "-1", "--format=%s", at=copy).strip() == "a plum of its own"
    workshop.post(f"/worktrees/kept/{kept['id']}/restore", 404)


def test_what_was_removed_is_dropped_after_seven_days(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = workshop.start("Grow")
    workshop.rest(session)
    workshop.post(f"{workshop.address(session)}/discard")
    assert "refs/opcode/discarded/" in workshop.git("for-each-ref")
    endings = CopyEndings(workshop.service, Copies(workshop.service))
    endings.expire()
    assert workshop.api("GET", "/api/kept-worktrees")
    monkeypatch.setattr(kept_copies, "KEPT_SECONDS", -1.0)
    endings.expire()
    assert workshop.git("for-each-ref", "refs/opcode/discarded") == ""
    assert workshop.api("GET", "/api/kept-worktrees") == []


def test_a_copy_at_which_claude_works_stays_until_it_is_stopped(workshop: Workshop) -> None:
    session = workshop.start(json.dumps([["wait", str(workshop.top.parent / "never")]]))
    until = workshop.until
    run = workshop.context.runs.of_session(session)[-1]
    until(lambda: run.phase is Phase.WORKING, "it works")
    address = workshop.address(session)
    assert "Claude is at work here" in workshop.client.get(address).text
    for act in ("merge", "rebase"):
        answer = workshop.post(f"{address}/{act}", 409, way="merge")
        assert "Stop it first" in answer.text
    workshop.post(f"{address}/discard", 409)
    workshop.post(f"{address}/stop")
    assert not run.live
    assert "Throw away" in workshop.client.get(address).text


def test_claude_is_at_work_in_whichever_of_the_sessions_of_a_copy(workshop: Workshop) -> None:
    wait = json.dumps([["wait", str(workshop.top.parent / "never")]])
    first, second = workshop.start(wait, keep_running="1"), str(uuid.uuid4())
    copy, runs = workshop.copy_of(first), workshop.context.runs

    def prompt_second(words: str) -> None:
        workshop.context.sessions.submitter.submit(
            second, copy, str(uuid.uuid4()), words, options={"keep_running": True}, by=SYSTEM
        )

    def is_at_work_in(session: str) -> None:
        workshop.until(lambda: runs.of_session(session)[-1].phase is Phase.WORKING, "it works")
        found = Copies(workshop.service).of_session(first)  # also of one without a history yet
        assert {each for _, each in found.sessions} == {first, second}
        assert found.is_at_work
        assert "Stop it first" in workshop.post(f"{workshop.address(first)}/discard", 409).text

    prompt_second("Water")
    workshop.wait_for_turn(second)
    is_at_work_in(first)
    workshop.rest(first)
    assert not Copies(workshop.service).of_session(first).is_at_work
    prompt_second(wait)
    is_at_work_in(second)


def test_base_and_branch_are_chosen_and_checked(workshop: Workshop) -> None:
    workshop.git("checkout", "-q", "-b", "older")
    (workshop.top / "pear").write_text("x\n")
    workshop.commit(workshop.top, "on older")
    workshop.git("checkout", "-q", "main")
    session = workshop.start("Grow", copy_base="older", copy_branch="trees/Äpfel")
    record = workshop.service.of_session(session)
    assert record is not None
    assert (record.branch, record.base) == ("trees/Äpfel", "older")
    assert (Path(record.path) / "pear").exists()
    for bad in ("trees/Äpfel", "-x", "a..b", "a b", "x.lock", "@{-1}", "HEAD"):
        answer = workshop.client.post("/sessions", data=workshop.form("Grow", copy_branch=bad))
        assert answer.status_code == 422, bad
        assert "branch" in answer.text
        assert ">Grow</textarea>" in answer.text.replace("\n", "")
    for bad in ("nowhere", "--output=x", "main:apple", "a" * 500):
        answer = workshop.client.post("/sessions", data=workshop.form("Grow", copy_base=bad))
        assert (answer.status_code, "no branch or commit" in answer.text) == (422, True), bad
    assert len(workshop.service.records.all()) == 1
    again = workshop.start("Grow")
    assert workshop.copy_of(again).name == "grow"
    assert workshop.copy_of(workshop.start("Grow")).name == "grow-2"


def test_a_form_that_is_sent_twice_makes_one_copy(workshop: Workshop) -> None:
    form = workshop.form("Grow")
    first, again = (workshop.client.post("/sessions", data=form) for _ in range(2))
    assert first.headers["Location"] == again.headers["Location"]
    assert len(workshop.api("GET", "/api/worktrees")) == 1
    assert len(workshop.context.runs.newest()) == 1


def test_the_choice_of_a_copy_outlives_the_question_of_trust(workshop: Workshop) -> None:
    hook = {"Stop": [{"hooks": [{"type": "command", "command": "echo from-the-project"}]}]}
    (workshop.top / ".claude").mkdir()
    (workshop.top / ".claude" / "settings.json").write_text(json.dumps({"hooks": hook}))
    workshop.commit(workshop.top, "settings")
    form = workshop.form("Grow", copy_branch="mine")
    asked = workshop.client.post("/sessions", data=form)
    assert asked.status_code == 303
    assert not workshop.service.records.all(), "nothing is made before the decision"
    page = workshop.client.get(asked.headers["Location"]).text
    assert "echo from-the-project" in page
    decision = {**form_of(page), "decision": "trust"}
    then = workshop.client.post("/new/trust", data=decision)
    assert then.status_code == 307
    begun = workshop.client.post(then.headers["Location"], data=decision)
    assert begun.status_code == 303, begun.text
    record = workshop.service.records.all()[0]
    assert (record.branch, record.state) == ("mine", CopyState.BEGUN)


def test_the_files_of_another_commit_are_asked_about_again(workshop: Workshop) -> None:
    hook = {"Stop": [{"hooks": [{"type": "command", "command": "echo from-the-branch"}]}]}
    workshop.git("checkout", "-q", "-b", "trap")
    (workshop.top / ".claude").mkdir()
    (workshop.top / ".claude" / "settings.json").write_text(json.dumps({"hooks": hook}))
    workshop.commit(workshop.top, "settings")
    workshop.git("checkout", "-q", "main")
    form = workshop.form("Grow", copy_base="trap")
    asked = workshop.client.post("/sessions", data=form)
    page = workshop.client.get(asked.headers["Location"]).text
    assert "echo from-the-branch" in page
    record = workshop.service.records.all()[0]
    assert record.state is CopyState.MADE
    assert not workshop.context.runs.newest()
    decision = {**form_of(page), "decision": "without"}
    workshop.client.post("/new/trust", data=decision)
    begun = workshop.client.post("/sessions", data=decision)
    assert begun.status_code == 303
    assert workshop.context.runs.newest()[0].record.project_path == record.folder


def test_a_hostile_repository_runs_nothing_and_nothing_is_written_outside(
    workshop: Workshop,
) -> None:
    outside, mark = workshop.top.parent / "outside", workshop.top.parent / "mark"
    outside.mkdir()
    (workshop.top / "config").symlink_to(outside)
    (workshop.top / ".gitattributes").write_text("apple filter=trap\n")
    (workshop.top / ".gitmodules").write_text(
        f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch {mark}"\n'
    )
    workshop.commit(workshop.top, "trap")
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        hook = workshop.top / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
    workshop.git("config", "filter.trap.smudge", f"touch {mark}; cat")
    workshop.git("config", "core.fsmonitor", f"touch {mark}")
    (workshop.top / "config").unlink()
    (workshop.top / "config").mkdir()
    (workshop.top / "config" / "secret.env").write_text("KEY=1\n")
    (workshop.top / ".env").symlink_to("/etc/hostname")
    settings = {"folder": str(workshop.top), "patterns": "*.env\nconfig/secret.env", "command": ""}
    workshop.post("/worktrees/settings", 303, **settings)
    mark.unlink(missing_ok=True)
    session = workshop.start("Grow")
    copy = workshop.copy_of(session)
    workshop.client.get("/worktrees")
    workshop.client.get(workshop.address(session))
    assert not mark.exists()
    assert list(outside.iterdir()) == []
    assert (copy / ".env").is_symlink()


def test_a_copy_is_no_project_to_begin_in_but_leads_to_its_own(workshop: Workshop) -> None:
    place = workshop.top / ".claude" / "worktrees" / "grow"
    for folder in (place, workshop.top.parent / "orchard-gone"):
        text = api.prompt("Grow", folder)
        api.session(workshop.context.workspace.config_dir, folder, text)
    assert [each.reference for each in project_choices(workshop.context.workspace, 5)] == [
        str(workshop.top)
    ]
    page = workshop.client.get("/new", query_string={"folder": str(workshop.top)}).text
    assert 'name="copy" value="1">' in page, "and is not chosen unasked"


def test_copies_are_made_in_another_folder_where_one_is_set(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop.service, "_place", workshop.outside / "copies")
    refused = workshop.client.post("/sessions", data=workshop.form("Grow"))
    assert (refused.status_code, "OPCODE_PROJECT_ROOTS" in refused.text) == (422, False)
    assert "outside the folders that may be worked in" in refused.text
    assert workshop.service.records.all() == []
    monkeypatch.setattr(workshop.service, "_place", workshop.top / "copies")
    session = workshop.start("Grow")
    copy = workshop.copy_of(session)
    assert copy == workshop.top / "copies" / naming.slug(workshop.top.name) / "grow"
    assert worktrees.project_of(copy) == workshop.top, "to whose budget it counts"
    workshop.rest(session)
    workshop.post(f"{workshop.address(session)}/discard")
    assert not copy.exists()


def test_work_in_a_submodule_is_named_and_does_not_go_with_a_merge(workshop: Workshop) -> None:
    session = workshop.start("Grow")
    copy = workshop.copy_of(session)
    workshop.rest(session)
    inner = copy / "inner"
    inner.mkdir()
    workshop.git("init", "-q", at=inner)
    (inner / "file").write_text("x\n")
    workshop.commit(inner, "of nobody else")
    workshop.commit(copy, "the repository is a submodule now")
    address = workshop.address(session)
    page = workshop.client.get(f"{address}/discard").text
    assert "Repositories within it" in page
    assert "inner" in page
    assert "Nothing is lost" not in page
    refused = workshop.post(f"{address}/merge", 409, way="merge", remove="1")
    assert "nowhere else: inner." in refused.text
    assert (inner / "file").exists()
    assert workshop.git("log", "-1", "--format=%s").strip() == "first"
    workshop.post(f"{address}/merge", way="merge")
    assert (inner / "file").exists()
