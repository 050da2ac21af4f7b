"""Commit, branch, stash and resolve, with what runs a program listed and run only when wanted."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.git.commands import (
    begun,
    branches,
    commits,
    conflicts,
    programs,
    staging,
    stashes,
    state,
    words,
)
from opcode_htmx.lib.git.discards import files, kept
from opcode_htmx.lib.git.listing import hooks
from opcode_htmx.lib.git.listing.program import Programs
from opcode_htmx.lib.git.policy import RUNNING, WRITING
from opcode_htmx.lib.git.process import GitFailed
from tests.lib.git.commands.repo import Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path / "orchard").make()
    repo.write("a", "one\n")
    repo.commit()
    return repo


def hook(repo: Repo, name: str, script: str = "touch ../sprung") -> Path:
    path = repo.write(f".git/hooks/{name}", f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return repo.top.parent / "sprung"


def stage(repo: Repo, content: str = "two\n") -> None:
    repo.write("a", content)
    staging.stage_files(repo.git(), repo.state().unstaged)


def test_a_commit_takes_the_message_as_it_is(repo: Repo) -> None:
    stage(repo)
    message = "Prune the trees\n\n# no comment\n  --amend ü"
    made = commits.commit(repo.git(), f"{message}\n\n")
    found = commits.last(repo.git())
    assert found
    assert (found.id, found.message, found.pushed_to) == (made, message, ())
    with pytest.raises(commits.NothingStaged):
        commits.commit(repo.git(), "again")
    with pytest.raises(commits.InvalidMessage, match="Type a message"):
        commits.commit(repo.git(), " \n")
    amended = commits.commit(repo.git(), "Prune", amend=True)
    assert repo.plain("rev-list", "--count", "HEAD") == b"2\n"
    assert commits.last(repo.git()).id == amended != made  # type: ignore[union-attr]


def test_a_first_commit_and_an_identity(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "new").make()
    repo.plain("config", "--remove-section", "user")
    assert commits.last(repo.git()) is None
    assert commits.identity(repo.git()) == ""
    with pytest.raises(commits.InvalidMessage, match="name"):
        commits.set_identity(repo.git(), "A <b>", "a@b.example")
    commits.set_identity(repo.git(), "Ada", "a@b.example")
    assert commits.identity(repo.git()) == "Ada <a@b.example>"
    with pytest.raises(commits.NothingStaged):
        commits.commit(repo.git(), "x")
    repo.write("a", "a\n")
    staging.stage_files(repo.git(), repo.state().unstaged)
    commits.commit(repo.git(), "x")
    assert repo.plain("log", "--format=%an %s") == b"Ada x\n"


def test_a_hook_is_listed_and_runs_only_when_it_may(repo: Repo) -> None:
    assert not programs.of(repo.git(), "commit")
    mark = hook(repo, "pre-commit")
    stage(repo)
    listed = programs.of(repo.git(), "commit")
    assert [(each.kind, each.name, each.of_repository) for each in listed.found] == [
        ("hook", "pre-commit", True)
    ]
    commits.commit(repo.git(WRITING), "without")
    assert not mark.exists()
    stage(repo, "three\n")
    commits.commit(repo.git(RUNNING), "with")
    assert mark.exists()
    hook(repo, "pre-commit", "echo too many trees >&2; exit 1")
    assert programs.of(repo.git(), "commit").digest != listed.digest
    stage(repo, "four\n")
    with pytest.raises(GitFailed) as raised:
        commits.commit(repo.git(RUNNING), "refused")
    refused = words.refusal(raised.value, ran_hooks=True)
    assert "A hook of the repository refused" in str(refused)
    assert "too many trees" in refused.output


def test_a_change_at_the_end_of_a_large_hook_is_another_hook(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 3 * 1024 * 1024
    hook(repo, "pre-commit", f"exit\n{'#' * size}")
    listed = programs.of(repo.git(), "commit").digest
    hook(repo, "pre-commit", f"exit\n{'#' * (size - 1)}!")
    assert programs.of(repo.git(), "commit").digest != listed
    monkeypatch.setattr(hooks, "MOST_BYTES", size)
    with pytest.raises(GitFailed, match="pre-commit cannot be looked through: it is too large"):
        programs.of(repo.git(), "commit")
    monkeypatch.undo()
    monkeypatch.setattr(hooks, "MOST_SECONDS", -1.0)
    with pytest.raises(GitFailed, match="too large"):
        programs.of(repo.git(), "commit")


def test_texts_that_look_the_same_have_other_digests(repo: Repo) -> None:
    """Bytes that are no text, and logins that are not shown."""

    def seen(act: programs.Act) -> Programs:
        return programs.of(repo.git(), act, remote="origin")

    conflict(repo, "rebase")
    todo = repo.top / ".git/rebase-merge/git-rebase-todo"
    todo.write_bytes(b"exec ./a\xff\n")
    one = seen("continue")
    todo.write_bytes(b"exec ./a\xfe\n")
    other = seen("continue")
    assert one.found[0].command == other.found[0].command == "./a\ufffd"
    assert one.digest != other.digest
    config = repo.top / ".git/config"
    before, shown = config.read_bytes(), set[str]()
    for given in (b"./a\xff", b"./a\xfe"), (b"a://x@b", b"a://`y`@b"):
        digests = set[str]()
        for value in given:
            config.write_bytes(before + b'[core]\n\tsshCommand = "%s"\n' % value)
            listed = seen("fetch")
            digests.add(listed.digest)
            (found,) = (each for each in listed.found if each.kind == "connection")
            shown.add(found.command)
        assert len(digests) == 2
    assert shown == {"./a\ufffd", "a://***@b"}


def test_the_hooks_of_a_folder_whose_name_is_no_text_are_listed(repo: Repo) -> None:
    repo.write(os.fsdecode(b"h\xff/pre-commit"), "#!/bin/sh\n").chmod(0o755)
    with (repo.top / ".git/config").open("ab") as file:
        file.write(b"[core]\n\thooksPath = h\xff\n")
    (found,) = programs.of(repo.git(), "commit").found
    assert found.command.endswith("/h\ufffd/pre-commit")


def test_filters_behind_attributes_that_are_too_long_are_listed(repo: Repo) -> None:
    repo.plain("config", "--global", "filter.own.clean", "cat")
    repo.write(".gitattributes", "*.png -text\n")
    assert not programs.of(repo.git(), "files")
    repo.write(".gitattributes", "#\n" * begun.MOST_BYTES + "*.png filter=own\n")
    assert [each.name for each in programs.of(repo.git(), "files").found] == ["own.clean"]


def test_every_kind_of_program_is_listed(repo: Repo) -> None:
    for key, value in (
        ("core.hooksPath", ".husky"),
        ("core.fsmonitor", "watch"),
        ("filter.lfs.clean", "git-lfs clean"),
        ("filter.later.clean", "what another commit may use"),
        ("merge.ours.driver", "true"),
        ("commit.gpgSign", "true"),
        ("gpg.format", "ssh"),
        ("gpg.ssh.program", "sign"),
        ("gpg.ssh.defaultKeyCommand", "key"),
        ("credential.https://x.example.helper", "!echo https://me:secret@x.example"),
        ("credential.https://y.example.helper", "another host's"),
        ("core.sshCommand", "ssh -i key"),
        ("remote.origin.url", "https://x.example/a"),
        ("remote.origin.receivepack", "receive"),
        ("remote.other.receivepack", "never"),
    ):
        repo.plain("config", key, value)
    repo.write(".husky/pre-push", "#!/bin/sh\n").chmod(0o755)
    repo.write(".husky/post-checkout", "#!/bin/sh\n").chmod(0o755)
    repo.write(".gitattributes", "*.png filter=lfs\n")
    repo.write("b.png", "x")

    def kinds(act: programs.Act) -> set[tuple[str, str]]:
        found = programs.of(repo.git(), act, remote="origin").found
        return {(each.kind, each.name) for each in found if each.of_repository}

    monitor = ("file monitor", "core.fsmonitor")
    of_key = ("signing", "gpg.ssh.defaultkeycommand")
    assert kinds("commit") == {monitor, ("signing", "ssh"), of_key}
    filters = {("filter", "lfs.clean"), ("filter", "later.clean")}
    assert kinds("switch") == {monitor, ("hook", "post-checkout"), *filters}
    assert kinds("files") == {monitor, *filters}
    assert kinds("push") == {
        monitor,
        ("hook", "pre-push"),
        ("credential helper", "https://x.example"),
        ("connection", "sshcommand"),
        ("connection", "receivepack"),
    }
    assert ("merge driver", "ours") in kinds("merge")
    assert "secret" not in str(programs.of(repo.git(), "push", remote="origin"))
    assert [e.name for e in programs.filters_of(repo.git(), [b"b.png"]).found] == ["lfs.clean"]
    assert not programs.filters_of(repo.git(), [b"a"])


def test_a_setting_without_a_value_is_a_yes(repo: Repo) -> None:
    with (repo.top / ".git" / "config").open("a") as file:
        file.write("[commit]\n\tgpgSign\n[gpg]\n\tprogram = sign\n")
    (found,) = programs.of(repo.git(), "commit").found
    assert (found.kind, found.command) == ("signing", "sign")


def test_a_name_that_is_none_is_refused(repo: Repo) -> None:
    names = ("", " ", "-d", "--", "a b", "a..b", "a~1", "@{-1}", "x.lock", "HEAD", "a\nb")
    for name in (*names, "ü\u202e"):
        with pytest.raises(branches.InvalidName):
            pytest.fail(f"made {name!r}: {branches.create(repo.git(), name)}")
        with pytest.raises(branches.NoBranch):
            pytest.fail(f"{name!r} is {branches.commit_of(repo.git(), name)}")


def test_branches_are_made_switched_to_deleted_and_brought_back(repo: Repo) -> None:
    branches.create(repo.git(), "grow/ü")
    branches.switch(repo.git(), "grow/ü")
    head = repo.commit("more")
    found, is_cut = branches.listed(repo.git())
    assert not is_cut
    assert {(b.name, b.is_current, b.is_merged) for b in found} == {
        ("grow/ü", True, True),
        ("main", False, True),
    }
    branches.switch(repo.git(), "main")
    with pytest.raises(GitFailed, match="not fully merged"):
        branches.delete(repo.git(), "grow/ü", head)
    assert kept.listed(repo.git()) == []
    repo.plain("merge", "-q", "grow/ü")
    with pytest.raises(state.StateChanged):
        branches.delete(repo.git(), "grow/ü", "0" * 40)
    kept_id = branches.delete(repo.git(), "grow/ü", head)
    with pytest.raises(branches.NoBranch):
        branches.commit_of(repo.git(), "grow/ü")
    assert branches.bring_back(repo.git(), kept_id) == "grow/ü"
    assert branches.commit_of(repo.git(), "grow/ü") == head
    with pytest.raises(branches.NoBranch):
        branches.switch(repo.git(), "main~0")


def test_a_switch_keeps_changes_or_puts_them_into_a_stash(repo: Repo) -> None:
    branches.create(repo.git(), "other")
    branches.switch(repo.git(), "other")
    repo.write("a", "other\n")
    repo.commit()
    branches.switch(repo.git(), "main")
    repo.write("b", "new\n")
    branches.switch(repo.git(), "other")
    assert (repo.top / "b").exists(), "it came along"
    repo.write("a", "mine\n")
    with pytest.raises(GitFailed, match="would be overwritten"):
        branches.switch(repo.git(), "main")
    branches.switch(repo.git(), "main", stash=True)
    assert not (repo.top / "b").exists()
    (stash,) = stashes.listed(repo.git())
    assert stash.has_untracked
    assert "Before the switch to main" in stash.message


def test_a_stash_that_was_dropped_comes_back(repo: Repo) -> None:
    assert stashes.push(repo.git()) == ""
    repo.write("a", "two\n")
    repo.plain("add", "a")
    repo.write("b", "new\n")
    made = stashes.push(repo.git(), "--all\nthe trees")
    assert repo.plain("status", "--porcelain") == b""
    kept_id = stashes.discard(repo.git(), made)
    assert stashes.listed(repo.git()) == []
    with pytest.raises(state.StateChanged):
        stashes.take(repo.git(), made, drop=True)
    repo.plain("reflog", "expire", "--expire=now", "--all")
    repo.plain("gc", "-q", "--prune=now")
    stashes.bring_back(repo.git(), kept_id)
    (found,) = stashes.listed(repo.git())
    assert (found.commit, found.message) == (made, "On main: --all the trees")
    stashes.take(repo.git(), made, drop=True)
    assert repo.plain("status", "--porcelain") == b"M  a\n?? b\n"
    assert stashes.listed(repo.git()) == []


def conflict(repo: Repo, verb: str = "merge") -> None:
    repo.plain("switch", "-qc", "other")
    repo.write("a", "theirs\n")
    repo.write("gone", "x\n")
    repo.commit("theirs")
    repo.plain("switch", "-q", "main")
    repo.write("a", "ours\n")
    repo.commit("ours")
    repo.plain(verb, "other", check=False)


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


STEP, SIGNING = "step of the rebase", "signing"
OPTIONS = "sequencer/opts"
NAMED: dict[str, list[tuple[str, str, str, str]]] = {
    "rebase": [
        ("rebase-merge/strategy", "mine\n", STEP, "git merge-mine"),
        ("rebase-merge/strategy", "\n", STEP, "git merge-"),
        ("rebase-merge/gpg_sign_opt", "-S\n", SIGNING, "./sprung"),
        ("rebase-apply/gpg_sign_opt", "-S\n", SIGNING, "./sprung"),
    ],
    "cherry-pick": [
        (OPTIONS, "[options]\n\tstrategy = mine\n", STEP, "git merge-mine"),
        (OPTIONS, "[options]\n\tstrategy = \n", STEP, "git merge-"),
        (OPTIONS, "[options]\n\tgpg-sign = key\n", SIGNING, "./sprung"),
        (OPTIONS, "[options]\n\tgpg-sign =\n", SIGNING, "./sprung"),
    ],
}
"""Files of what has begun, with what they say, and the program which that names."""


@pytest.mark.parametrize("verb", NAMED)
def test_a_program_that_what_was_begun_names_is_listed(repo: Repo, verb: str) -> None:
    """A strategy that is a program, or a signature."""
    conflict(repo, verb)
    repo.plain("config", "gpg.program", "./sprung")
    for file, content, kind, command in NAMED[verb]:
        assert not programs.of(repo.git(), "continue"), "nothing is left of the one before"
        path = repo.top / ".git" / file
        is_first = not path.parent.exists()
        repo.write(f".git/{file}", content)
        listed = programs.of(repo.git(), "continue")
        assert [(p.kind, p.command, p.of_repository) for p in listed.found] == [
            (kind, command, True)
        ], (file, content)
        assert listed.can_be_left_out == (kind == SIGNING), (file, content)
        path.unlink()
        if is_first:
            path.parent.rmdir()


@pytest.mark.parametrize("name", ["mine", ""])
def test_git_runs_the_program_of_a_strategy_also_that_without_a_name(repo: Repo, name: str) -> None:
    """The reason for listing it: should git stop doing so, the list may be shorter."""
    tools = repo.top.parent / "tools"
    tools.mkdir()
    program = tools / f"git-merge-{name}"
    program.write_text("#!/bin/sh\ntouch ../sprung\n")
    program.chmod(0o755)
    conflict(repo, "rebase")
    todo = repo.top / ".git/rebase-merge/git-rebase-todo"
    todo.write_text(f"pick {repo.plain('rev-parse', 'main').decode()}")
    repo.write(".git/rebase-merge/strategy", f"{name}\n")
    conflicts.resolve(repo.git(), repo.state().conflicts[0], "theirs")
    environment = {**repo.environment, "PATH": f"{tools}:{repo.environment['PATH']}"}
    git = state.at_top(repo.top, environment, RUNNING)
    with contextlib.suppress(GitFailed):
        conflicts.go_on(git, "rebase")
    assert (repo.top.parent / "sprung").exists()


def test_no_program_is_asked_for_the_key_of_what_was_begun_with_signing(repo: Repo) -> None:
    conflict(repo, "rebase")
    repo.plain("config", "gpg.format", "ssh")
    repo.plain("config", "gpg.ssh.defaultKeyCommand", "touch ../sprung")
    repo.write(".git/rebase-merge/gpg_sign_opt", "-S\n")
    conflicts.resolve(repo.git(), repo.state().conflicts[0], "theirs")
    with pytest.raises(GitFailed):
        conflicts.go_on(repo.git(WRITING), "rebase")
    assert not (repo.top.parent / "sprung").exists()
    with pytest.raises(GitFailed):
        conflicts.go_on(repo.git(RUNNING), "rebase")
    assert (repo.top.parent / "sprung").exists(), "it is what git asks"


def test_the_hooks_of_a_rebase_with_apply_are_listed(repo: Repo) -> None:
    hook(repo, "pre-applypatch")
    assert [p.name for p in programs.of(repo.git(), "continue").found] == ["pre-applypatch"]


def merge_driver(repo: Repo) -> None:
    repo.plain("config", "merge.spy.driver", "touch ../sprung")
    repo.write(".gitattributes", "a merge=spy\n")


def checkout_hook(repo: Repo) -> None:
    hook(repo, "post-checkout")
    hook(repo, "post-index-change")
    hook(repo, "reference-transaction")


def smudge(repo: Repo) -> None:
    repo.plain("config", "filter.spy.smudge", "touch ../sprung; cat")
    repo.write(".gitattributes", "a filter=spy\n")


@pytest.mark.parametrize("arm", [merge_driver, checkout_hook, smudge])
def test_no_command_runs_what_the_repository_names(repo: Repo, arm: Callable[[Repo], None]) -> None:
    repo.write("a", "1\n2\n3\n4\n5\n6\n7\n8\n")
    repo.commit()
    arm(repo)
    (repo.top.parent / "sprung").unlink(missing_ok=True)
    git = repo.git()
    staging.stage_files(git, repo.state().unstaged)
    commits.commit(git, "x", amend=True)
    repo.write("a", "one\n2\n3\n4\n5\n6\n7\n8\n")
    made = stashes.push(git)
    repo.write("a", "1\n2\n3\n4\n5\n6\n7\neight\n")
    staging.stage_files(git, repo.state().unstaged)
    commits.commit(git, "y")
    stashes.take(git, made, drop=True)
    assert (repo.top / "a").read_text() == "one\n2\n3\n4\n5\n6\n7\neight\n"
    files.discard_files(git, repo.state().unstaged, "a")
    branches.create(git, "other")
    branches.switch(git, "other")
    assert not (repo.top.parent / "sprung").exists()
