"""A command of git reads stdin, reports progress, and runs what its policy allows."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest

from opcode_htmx.lib.git import process
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import READING, RUNNING, WRITING, Policy
from opcode_htmx.lib.git.process import GitFailed
from tests.security.projects.hostile_git import Trap
from tests.support.environment import SYSTEM_PATH, Sandbox


@pytest.fixture
def trap(sandbox: Sandbox) -> Trap:
    return Trap(sandbox.home, sandbox.project).make()


@pytest.fixture
def environment(sandbox: Sandbox) -> dict[str, str]:
    return {"PATH": SYSTEM_PATH, "HOME": str(sandbox.home), "EMAIL": "a@b.example"}


def git_at(folder: Path, environment: Mapping[str, str], policy: Policy) -> Git:
    found = Git.at(folder, environment, policy)
    assert found
    return found


def hook(trap: Trap) -> None:
    path = trap.folder / ".git" / "hooks" / "pre-commit"
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(trap.program)


def cleaning_filter(trap: Trap) -> None:
    trap.set("filter.spy.clean", str(trap.program))
    trap.write(".gitattributes", "*.txt filter=spy\n")


def signing(trap: Trap) -> None:
    trap.set("commit.gpgSign", "true")
    trap.set("gpg.program", str(trap.program))


def fsmonitor(trap: Trap) -> None:
    trap.set("core.fsmonitor", str(trap.program))


@pytest.mark.parametrize("arm", [hook, cleaning_filter, signing, fsmonitor])
@pytest.mark.parametrize("policy", [WRITING, RUNNING], ids=["writing", "running"])
def test_only_the_running_policy_lets_a_commit_run_programs_of_the_repository(
    trap: Trap, environment: dict[str, str], arm: Callable[[Trap], None], policy: Policy
) -> None:
    arm(trap)
    trap.write("app.txt", "two\n")
    git = git_at(trap.folder, environment, policy)
    try:
        git.run("add", "--all")
        git.run("commit", "--quiet", "--file=-", stdin=b"second\n")
    except GitFailed:
        assert policy is RUNNING  # the program is no real filter and signs nothing
    assert trap.mark.exists() == (policy is RUNNING)
    assert policy is RUNNING or trap.git("log", "-1", "--format=%s") == "second"


def test_only_so_many_commands_run_at_a_time(tmp_path: Path) -> None:
    running, counts = tmp_path / "running", tmp_path / "counts"
    running.mkdir()
    stand_in = tmp_path / "git"
    stand_in.write_text(
        '#!/bin/sh\n: > "$RUNNING/$$"\nls "$RUNNING" | wc -l >> "$COUNTS"\nsleep 0.05\n'
        'rm "$RUNNING/$$"\n'
    )
    stand_in.chmod(0o755)
    path = f"{tmp_path}:{SYSTEM_PATH}"
    environment = {"PATH": path, "RUNNING": str(running), "COUNTS": str(counts)}
    asked = [
        gevent.spawn(process.run, ["status"], tmp_path, environment, policy=READING)
        for _ in range(4 * process.AT_ONCE)
    ]
    gevent.joinall(asked, raise_error=True)
    seen = [int(each) for each in counts.read_text().split()]
    assert len(seen) == len(asked)
    assert 1 < max(seen) <= process.AT_ONCE


def test_where_a_sandbox_lets_nobody_set_limits_git_runs_without_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(resource, "prlimit", refused, raising=False)
    found = process.run(["--version"], tmp_path, {"PATH": SYSTEM_PATH})
    assert found.content.startswith(b"git version ")


def test_a_command_that_is_killed_while_it_starts_is_ended(tmp_path: Path) -> None:
    stand_in = tmp_path / "git"
    stand_in.write_text("#!/bin/sh\nsleep 60\n")
    stand_in.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{SYSTEM_PATH}"}
    before = set(psutil.Process().children())
    asked = gevent.spawn(process.run, ["status"], tmp_path, environment)
    gevent.idle()  # it is being started
    asked.kill()
    assert set(psutil.Process().children()) == before


def test_a_daemon_that_git_leaves_behind_does_not_hold_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "END_SECONDS", 0.1)
    stand_in, daemon = tmp_path / "git", tmp_path / "daemon"
    stand_in.write_text(
        f"#!/bin/sh\nsetsid sleep 30 &\necho $! > {daemon}\nsleep 0.3\n"
        "echo said >&2\nhead -c 50000 /dev/zero\nexit 3\n"
    )
    stand_in.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{SYSTEM_PATH}"}
    try:
        with gevent.Timeout(10), pytest.raises(GitFailed) as raised:
            process.run(["status"], tmp_path, environment, policy=RUNNING)
        assert (raised.value.status, raised.value.errors) == (3, "said")
        assert raised.value.output == bytes(50_000)
    finally:
        psutil.Process(int(daemon.read_text())).kill()


def test_a_remote_may_not_name_a_program(trap: Trap, environment: dict[str, str]) -> None:
    git = git_at(trap.folder, environment, RUNNING)
    with pytest.raises(GitFailed, match="not allowed"):
        git.run("fetch", f"ext::{trap.program}")
    assert not trap.mark.exists()


def test_a_large_input_is_written_while_the_output_is_read(
    trap: Trap, environment: dict[str, str]
) -> None:
    paths = "".join(f"{number}.txt\0" for number in range(100_000)).encode()
    git = git_at(trap.folder, environment, READING)
    found = git.run("check-attr", "-z", "--stdin", "text", stdin=paths)
    assert found.content.count(b"\0") == 300_000


def test_a_failure_keeps_the_status_and_what_git_wrote(
    trap: Trap, environment: dict[str, str]
) -> None:
    with pytest.raises(GitFailed) as raised:
        git_at(trap.folder, environment, READING).run("rev-parse", "--verify", "nothing")
    assert raised.value.status == 128
    assert "Needed a single revision" in raised.value.errors


def test_progress_is_passed_on_as_it_comes(trap: Trap, environment: dict[str, str]) -> None:
    pieces: list[bytes] = []
    git = git_at(trap.folder, environment, READING)
    git.run("fsck", "--progress", progress=pieces.append)
    assert b"Checking object directories" in b"".join(pieces)


def plain(trap: Trap) -> None:
    trap.set("filter.spy.clean", str(trap.program))


def for_its_branch(trap: Trap) -> None:
    (trap.folder / ".git" / "more").write_text(f'[filter "spy"]\n\tclean = "{trap.program}"\n')
    trap.set("includeIf.onbranch:copy.path", "more")


def for_its_place_in_an_included_file(trap: Trap) -> None:
    git_dir = trap.folder / ".git"
    (git_dir / "spy").write_text(f'[filter "spy"]\n\tclean = "{trap.program}"\n')
    (git_dir / "more").write_text('[INCLUDEIF "gitdir:**/worktrees/copy"]\n\tpath = spy\n')
    trap.set("include.path", "more")


def for_it_alone(trap: Trap) -> None:
    trap.set("extensions.worktreeConfig", "true")
    trap.git("-C", str(trap.folder.parent / "copy"), "config", "--worktree", "filter.spy.clean",
             str(trap.program))  # fmt: skip


@pytest.mark.parametrize(
    ("arm", "reads"),
    [(plain, 0), (for_its_branch, 1), (for_its_place_in_an_included_file, 1), (for_it_alone, 1)],
)
def test_settings_of_a_linked_worktree_are_read_again_only_if_they_may_be_others(
    trap: Trap,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    arm: Callable[[Trap], None],
    reads: int,
) -> None:
    copy = trap.folder.parent / "copy"
    trap.git("worktree", "add", "-q", "-b", "copy", str(copy))
    arm(trap)
    (copy / ".gitattributes").write_text("*.txt filter=spy\n")
    for each in copy.glob("*.txt"):
        each.write_text("something else\n")
    main = git_at(trap.folder, environment, READING)
    assert main.shares_settings is not bool(reads)
    started = list[str]()
    run = process.run

    def noted(arguments: list[str], *more: Any, **named: Any) -> process.Output:
        started.append(arguments[0])
        return run(arguments, *more, **named)

    monkeypatch.setattr(process, "run", noted)
    linked = main.at_linked(copy)
    assert linked is not None
    assert started == ["config"] * reads
    assert linked.repository.top == copy
    assert linked.overrides["filter.spy.clean"] == ""
    assert linked.run("status", "--porcelain").content
    assert not trap.mark.exists()


def test_a_repository_elsewhere_shares_no_settings(trap: Trap, environment: dict[str, str]) -> None:
    main = git_at(trap.folder, environment, READING)
    other = trap.folder.parent / "other"
    other.mkdir()
    trap.git("-C", str(other), "init", "-q")
    trap.git("-C", str(other), "config", "filter.own.clean", str(trap.program))
    found = main.at_linked(other)
    assert found is not None
    assert "filter.own.clean" in found.overrides
