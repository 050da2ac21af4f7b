"""Reading an untrusted repository reads no other repository."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.tree.search import ProjectFiles
from tests.security.projects.hostile_git import Trap
from tests.support.environment import SYSTEM_PATH, Sandbox


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
