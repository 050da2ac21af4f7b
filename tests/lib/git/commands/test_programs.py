"""What runs a program is listed, and runs only when it may."""

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
from opcode_htmx.lib.git.discards import files
from opcode_htmx.lib.git.listing import hooks
from opcode_htmx.lib.git.listing.program import Programs
from opcode_htmx.lib.git.policy import RUNNING, WRITING
from opcode_htmx.lib.git.process import GitFailed
from tests.lib.git.commands.begun import conflict, stage
from tests.lib.git.commands.repo import Repo


def hook(repo: Repo, name: str, script: str = "touch ../sprung") -> Path:
    path = repo.write(f".git/hooks/{name}", f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return repo.top.parent / "sprung"


def test_a_hook_is_listed_and_runs_only_when_it_may(repo: Repo) -> None:
    hook(repo, "pre-commit.sample")
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
        repo.set(key, value)
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
    repo.set("gpg.program", "./sprung")
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
    repo.set("gpg.format", "ssh")
    repo.set("gpg.ssh.defaultKeyCommand", "touch ../sprung")
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
    repo.set("merge.spy.driver", "touch ../sprung")
    repo.write(".gitattributes", "a merge=spy\n")


def checkout_hook(repo: Repo) -> None:
    hook(repo, "post-checkout")
    hook(repo, "post-index-change")
    hook(repo, "reference-transaction")


def smudge(repo: Repo) -> None:
    repo.set("filter.spy.smudge", "touch ../sprung; cat")
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
