"""A conflict is resolved, and what has begun goes on or is stopped."""

from __future__ import annotations

import pytest

from opcode_htmx.lib.git.commands import begun, conflicts, programs, state
from opcode_htmx.lib.git.discards import files
from opcode_htmx.lib.git.process import GitFailed
from tests.lib.git.commands.begun import conflict
from tests.lib.git.commands.repo import Repo


@pytest.mark.parametrize(
    ("choice", "content"), [("ours", "ours\n"), ("theirs", "theirs\n"), ("as-it-is", "both\n")]
)
def test_a_conflict_is_resolved_by_a_side_or_as_it_is(
    repo: Repo, choice: conflicts.Choice, content: str
) -> None:
    conflict(repo)
    found = repo.state()
    assert (found.operation, [e.path for e in found.conflicts]) == ("merge", [b"a"])
    with pytest.raises(state.StateChanged, match="not resolved yet"):
        conflicts.go_on(repo.git(), "merge")
    repo.write("a", "both\n")
    kept_id = conflicts.resolve(repo.git(), found.conflicts[0], choice)
    assert (repo.top / "a").read_text() == content
    assert bool(kept_id) == (choice != "as-it-is")
    conflicts.go_on(repo.git(), "merge")
    assert repo.plain("rev-list", "--count", "--merges", "HEAD") == b"1\n"
    assert repo.state().operation == ""
    if kept_id:
        files.bring_back(repo.git(), kept_id)
        assert (repo.top / "a").read_text() == "both\n"


def test_a_side_that_has_deleted_the_file_deletes_it(repo: Repo) -> None:
    repo.plain("switch", "-qc", "other")
    repo.plain("rm", "-q", "a")
    repo.commit("theirs")
    repo.plain("switch", "-q", "main")
    repo.write("a", "ours\n")
    repo.commit("ours")
    repo.plain("merge", "other", check=False)
    kept_id = conflicts.resolve(repo.git(), repo.state().conflicts[0], "theirs")
    assert not (repo.top / "a").exists()
    assert repo.state().conflicts == ()
    files.bring_back(repo.git(), kept_id)
    assert (repo.top / "a").read_text() == "ours\n"


@pytest.mark.parametrize("verb", ["merge", "rebase", "cherry-pick"])
def test_what_has_begun_can_be_stopped_and_what_was_edited_is_kept(repo: Repo, verb: str) -> None:
    conflict(repo, verb)
    head = repo.plain("rev-parse", "main")
    assert repo.state().operation == verb
    repo.write("a", "half resolved\n")
    with pytest.raises(state.StateChanged):
        conflicts.abort(repo.git(), "revert")
    kept_id = conflicts.abort(repo.git(), verb)
    assert repo.plain("rev-parse", "HEAD") == head
    assert (repo.top / "a").read_text() == "ours\n"
    files.bring_back(repo.git(), kept_id)
    assert (repo.top / "a").read_text() == "half resolved\n"


def test_a_rebase_goes_on_and_its_commands_are_listed(repo: Repo) -> None:
    conflict(repo, "rebase")
    todo = repo.top / ".git/rebase-merge/git-rebase-todo"
    todo.write_text("exec touch ../sprung\n")
    listed = programs.of(repo.git(), "continue")
    assert [(p.name, p.command) for p in listed.found] == [("exec", "touch ../sprung")]
    assert not listed.can_be_left_out
    todo.write_text(" \texec touch ../sprung\n")
    assert programs.of(repo.git(), "continue").digest == listed.digest, "git skips blanks before it"
    todo.write_text(f"{'#' * begun.MOST_BYTES}\nexec touch ../sprung\n")
    with pytest.raises(GitFailed, match="cannot be looked through"):
        programs.of(repo.git(), "continue")
    todo.write_text("".join(f"exec : {number}\n" for number in range(201)))
    with pytest.raises(GitFailed, match="too many to look at"):
        programs.of(repo.git(), "continue")
    todo.write_text("")
    conflicts.resolve(repo.git(), repo.state().conflicts[0], "theirs")
    conflicts.go_on(repo.git(), "rebase")
    assert repo.plain("log", "--format=%s") == b"ours\ntheirs\nfirst\n"
