"""Reading an untrusted repository runs no program, and reads no other repository."""

from __future__ import annotations

import ast
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.git import git, reads
from opcode_htmx.lib.git.policy import READING
from opcode_htmx.lib.git.reads import GitFailed, RepositoryRefused
from opcode_htmx.lib.tree.search import ProjectFiles
from tests.security.projects.hostile_git import (
    COMMANDS,
    TRAPS,
    Trap,
    fetch_of_a_promised_tree,
    fsmonitor,
)
from tests.support.apps.in_process import app_of
from tests.support.environment import (
    ROOT,
    SYSTEM_PATH,
    Sandbox,
    basic_header,
)


@pytest.fixture
def trap(sandbox: Sandbox) -> Trap:
    return Trap(sandbox.home, sandbox.project).make()


@pytest.fixture
def environment(sandbox: Sandbox) -> dict[str, str]:
    return {"PATH": SYSTEM_PATH, "HOME": str(sandbox.home)}


def read_everything(trap: Trap, environment: dict[str, str]) -> None:
    for command, *arguments in COMMANDS:
        with contextlib.suppress(GitFailed):  # it may complain, and must not obey
            reads.read(trap.folder, command, *arguments, environment=environment)


# --- programs -------------------------------------------------------------------------------


@pytest.mark.parametrize("arm", TRAPS, ids=lambda arm: arm.__name__)
def test_a_repository_runs_no_program_when_it_is_read(
    trap: Trap, environment: dict[str, str], arm: Callable[[Trap], None]
) -> None:
    arm(trap)
    read_everything(trap, environment)
    assert not trap.mark.exists()
    trap.git(*TRAPS[arm], check=False)
    assert trap.mark.exists(), "plain git runs it, so this trap is one"


def test_old_git_without_the_lazy_fetch_switch_fetches_nothing(
    trap: Trap, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(READING.environment, dict)
    monkeypatch.delitem(READING.environment, "GIT_NO_LAZY_FETCH")
    fetch_of_a_promised_tree(trap)
    read_everything(trap, environment)
    assert not trap.mark.exists()


def test_completing_a_file_name_runs_nothing(trap: Trap, sandbox: Sandbox, stand_in: Path) -> None:
    fetch_of_a_promised_tree(trap)
    with app_of(sandbox, stand_in) as app:
        page = app.test_client().get(
            "/new/complete",
            query_string={"q": "@", "folder": str(trap.folder)},
            headers=basic_header(),
        )
    assert page.status_code == 200
    assert "app.txt" in page.text  # without git, if git will not
    assert not trap.mark.exists()


def test_hooks_that_a_configuration_names_are_disabled_by_name(trap: Trap) -> None:
    trap.set("hook.spy.command", str(trap.program))
    trap.set("hook.spy.event", "post-index-change")
    assert dict(git._disabling_settings("hook.spy.command")) == {"hook.spy.enabled": "false"}


def test_a_setting_whose_name_cannot_be_overridden_keeps_git_out(
    trap: Trap, environment: dict[str, str]
) -> None:
    trap.set("filter.a=b.clean", str(trap.program))
    trap.write(".gitattributes", "*.txt filter=a=b\n")
    with pytest.raises(RepositoryRefused, match="cannot be overridden"):
        reads.read(trap.folder, "status", environment=environment)


def test_git_environment_variables_are_not_inherited(
    trap: Trap, environment: dict[str, str]
) -> None:
    steered = {
        **environment,
        "GIT_EXTERNAL_DIFF": str(trap.program),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(trap.program),
        "GIT_PROXY_COMMAND": str(trap.program),
        "GIT_INDEX_FILE": "/dev/null",
        "GIT_TRACE": str(trap.home / "trace"),
    }
    read_everything(trap, steered)
    assert not trap.mark.exists()
    assert not (trap.home / "trace").exists()
    listed = reads.read(trap.folder, "ls-files", environment=steered)
    assert listed and listed.content == b"app.txt\ninner/deep.txt\n"


def test_git_is_not_taken_from_the_folder_that_is_read(
    trap: Trap, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trap.write("git", trap.program.read_text())
    (trap.folder / "git").chmod(0o755)
    monkeypatch.chdir(trap.folder)
    for path in (f".:{SYSTEM_PATH}", f":{SYSTEM_PATH}"):
        reads.read(trap.folder, "ls-files", environment={**environment, "PATH": path})
    assert not trap.mark.exists()


def test_bare_repository_folder_is_no_work_tree(trap: Trap, environment: dict[str, str]) -> None:
    """A clone can carry one among its files; git would take its configuration for its own."""
    fsmonitor(trap)
    inner = trap.folder / "vendored"
    (trap.folder / ".git").rename(inner)
    with contextlib.suppress(GitFailed):
        assert reads.read(inner, "ls-files", environment=environment) is None
    assert not trap.mark.exists()


def test_reading_changes_nothing_in_the_repository(trap: Trap, environment: dict[str, str]) -> None:
    later = trap.folder.stat().st_mtime + 10  # so that git would like to refresh its index
    os.utime(trap.folder / "inner" / "deep.txt", (later, later))
    index = trap.folder / ".git" / "index"
    before = index.stat().st_mtime_ns
    for command, *arguments in COMMANDS:
        if command != "diff":
            reads.read(trap.folder, command, *arguments, environment=environment)
    assert index.stat().st_mtime_ns == before
    entries = reads.read(trap.folder, "ls-files", "--stage", environment=environment)
    read_everything(trap, environment)  # `git diff` refreshes the times, as READING says
    assert reads.read(trap.folder, "ls-files", "--stage", environment=environment) == entries


# --- bounds ---------------------------------------------------------------------------------


def test_git_that_hangs_is_ended(trap: Trap, environment: dict[str, str]) -> None:
    os.mkfifo(trap.folder / ".git" / "pipe")
    trap.set("core.excludesFile", str(trap.folder / ".git" / "pipe"))
    with pytest.raises(GitFailed, match="longer than"):
        reads.read(
            trap.folder,
            "ls-files",
            "--others",
            "--exclude-standard",
            environment=environment,
            seconds=0.5,
        )


def test_output_is_cut_at_its_bound(trap: Trap, environment: dict[str, str]) -> None:
    found = reads.read(trap.folder, "ls-files", environment=environment, most_bytes=10)
    assert found and found.cut and found.content == b"app.txt\nin"


def test_only_commands_that_read_are_run(trap: Trap, environment: dict[str, str]) -> None:
    with pytest.raises(KeyError):
        reads.read(trap.folder, "gc", environment=environment)


# --- other repositories ---------------------------------------------------------------------


@pytest.fixture
def secret(sandbox: Sandbox) -> Trap:
    """Another repository, outside of the project."""
    other = Trap(sandbox.home, sandbox.home / "private")
    other.make()
    other.write("payroll.txt", "secret")
    other.git("add", ".")
    other.git("commit", "--quiet", "-m", "payroll")
    return other


def names(sandbox: Sandbox, folder: Path) -> set[str]:
    files = ProjectFiles({"PATH": SYSTEM_PATH, "HOME": str(sandbox.home)})
    return set(files.matching(folder, "", 100))


def by_git_file(project: Path, secret: Trap) -> None:
    (project / ".git").write_text(f"gitdir: {secret.folder}/.git\n")


def by_link(project: Path, secret: Trap) -> None:
    (project / ".git").symlink_to(secret.folder / ".git")


def by_worktree_setting(project: Path, secret: Trap) -> None:
    own = Trap(secret.home, project)
    own.git("init", "--quiet")
    own.set("core.worktree", str(secret.folder))


def by_linked_index(project: Path, secret: Trap) -> None:
    Trap(secret.home, project).git("init", "--quiet")
    (project / ".git" / "index").symlink_to(secret.folder / ".git" / "index")


def by_common_dir(project: Path, secret: Trap) -> None:
    own = Trap(secret.home, project)
    own.git("init", "--quiet")
    (project / ".git" / "commondir").write_text(f"{secret.folder}/.git\n")
    (project / ".git" / "index").write_bytes((secret.folder / ".git" / "index").read_bytes())


def by_common_dir_of_a_worktree_made_by_hand(project: Path, secret: Trap) -> None:
    git_dir = project / "own"
    git_dir.mkdir()
    (git_dir / "HEAD").write_text("ref: refs/heads/main\n")
    (git_dir / "commondir").write_text(f"{secret.folder}/.git\n")
    (git_dir / "gitdir").write_text(f"{project}/.git\n")
    (git_dir / "index").symlink_to(secret.folder / ".git" / "index")
    (project / ".git").write_text("gitdir: own\n")


def by_alternates(project: Path, secret: Trap) -> None:
    own = Trap(secret.home, project)
    own.git("init", "--quiet")
    alternates = project / ".git" / "objects" / "info" / "alternates"
    alternates.write_text(f"{secret.folder}/.git/objects\n")
    own.git("read-tree", secret.git("rev-parse", "HEAD"))


def by_linked_objects(project: Path, secret: Trap) -> None:
    own = Trap(secret.home, project)
    own.git("init", "--quiet")
    for each in (project / ".git" / "objects").iterdir():
        each.rmdir()
    (project / ".git" / "objects").rmdir()
    (project / ".git" / "objects").symlink_to(secret.folder / ".git" / "objects")
    own.git("read-tree", secret.git("rev-parse", "HEAD"))


@pytest.mark.parametrize(
    "name_it",
    [
        by_git_file,
        by_link,
        by_worktree_setting,
        by_linked_index,
        by_common_dir,
        by_common_dir_of_a_worktree_made_by_hand,
        by_alternates,
        by_linked_objects,
    ],
    ids=lambda each: each.__name__,
)
def test_a_folder_that_names_another_repository_lists_its_own_files_only(
    sandbox: Sandbox, secret: Trap, name_it: Callable[[Path, Trap], None]
) -> None:
    (sandbox.project / "own.txt").write_text("own")
    name_it(sandbox.project, secret)
    found = names(sandbox, sandbox.project)
    assert "own.txt" in found
    assert not found & {"payroll.txt", "app.txt", "inner/deep.txt"}


def test_a_linked_worktree_is_listed_by_git(sandbox: Sandbox, trap: Trap) -> None:
    trap.write(".gitignore", "ignored.txt\n")
    trap.git("add", ".")
    trap.git("commit", "--quiet", "-m", "second")
    tree = sandbox.home / "tree"
    trap.git("worktree", "add", "--quiet", str(tree), "-b", "other")
    (tree / "ignored.txt").write_text("x")
    assert names(sandbox, tree) == {".gitignore", "app.txt", "inner/deep.txt"}


def test_a_submodule_is_listed_by_git(sandbox: Sandbox, trap: Trap, secret: Trap) -> None:
    allow = ("-c", "protocol.file.allow=always")
    trap.git(*allow, "submodule", "--quiet", "add", str(secret.folder), "part")
    part = trap.folder / "part"
    (part / ".hidden").write_text("x")  # which a walk would leave out
    assert names(sandbox, part) == {".hidden", "app.txt", "inner/deep.txt", "payroll.txt"}


def test_an_entry_of_the_index_that_leads_outside_is_not_listed(
    trap: Trap, sandbox: Sandbox
) -> None:
    index = trap.folder / ".git" / "index"
    trap.write("aa/hosts", "x")
    trap.git("add", "aa/hosts")
    trap.git("config", "index.skipHash", "true")
    content = index.read_bytes()
    assert b"aa/hosts" in content
    index.write_bytes(content.replace(b"aa/hosts", b"../hosts")[:-20] + bytes(20))
    assert "../hosts" not in names(sandbox, trap.folder)


# --- one place ------------------------------------------------------------------------------


STARTERS = {"run", "Popen", "call", "check_call", "check_output", "system", "popen", "which"}
"""The functions that start, or find, what their first argument names."""


def starts_git(source: str) -> bool:
    """Whether a list or a tuple begins with git, as a command line does, or a call starts it."""
    if "git" not in source:  # parsing takes most of the time
        return False
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.List(elts=[first, *_]) | ast.Tuple(elts=[first, *_]):
                pass
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=[first, *_]) if (
                name in STARTERS
            ):
                pass
            case _:
                continue
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            words = first.value.split()
            if words and Path(words[0]).name == "git":
                return True
    return False


def test_one_module_starts_git() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "opcode_htmx").rglob("*.py"))
        if starts_git(path.read_text(encoding="utf-8"))
    ]
    assert found == ["opcode_htmx/lib/git/process.py"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("run(['git', 'status'])", True),
        ("command = ('/usr/bin/git', *more)", True),
        ("run('git status')", True),
        ("which('git')", True),
        ("run(['gitk'])", False),
        ("{'git': 1}", False),
    ],
)
def test_a_start_of_git_is_seen(source: str, found: bool) -> None:
    assert starts_git(source) == found
