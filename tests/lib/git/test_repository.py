"""The repository of a folder is the one that git takes, and nothing in it holds the server up."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.git import process, repository, worktrees
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import READING, WRITING
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from tests.lib.git.commands.repo import Repo, with_one_commit
from tests.lib.git.pipes import of_a_branch, of_a_rebase, of_a_worktree, of_ignored_files


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return with_one_commit(tmp_path / "orchard")


def named(repo: Repo, text: bytes) -> Git | None:
    (repo.top / ".git").write_bytes(text)
    return Git.at(repo.top, repo.environment)


@pytest.mark.parametrize("name", ["real ", "real\t", " real", "re\nal", "real\r\n "])
@pytest.mark.parametrize("has_other", [True, False])
def test_blanks_are_part_of_the_name_of_a_repository(
    repo: Repo, name: str, has_other: bool
) -> None:
    home = repo.top.parent
    (repo.top / ".git").rename(home / name)
    for key, value in (("core.worktree", str(repo.top)), ("core.bare", "false")):
        repo.plain("--git-dir", str(home / name), "config", key, value)
    if has_other:  # it names the folder in turn, too
        repo.plain("init", "-q", "--bare", str(home / name.strip()))
        path = str(home / name.strip())
        repo.plain("--git-dir", path, "config", "core.worktree", str(repo.top))
    git = named(repo, f"gitdir: ../{name}\n".encode())
    assert git
    taken = repo.plain("rev-parse", "--absolute-git-dir")
    assert git.repository.git_dir == home / name == Path(taken.decode().removesuffix("\n"))


@pytest.mark.parametrize(
    "text",
    [
        b"gitdir:../real\n",
        b" gitdir: ../real\n",
        b"gitdir: \n",
        b"gitdir: \r\n",
        b"gitdir: ../real\0\n",
        b"gitdir: ../real \n",
        b"gitdir: ../real\n\n \n",
        b"gitdir: ../" + b"./" * 40_000 + b"real\n",
        b"",
    ],
)
def test_what_git_takes_for_no_repository_or_another_one_is_refused(
    repo: Repo, text: bytes
) -> None:
    (repo.top / ".git").rename(repo.top.parent / "real")
    config = ("--git-dir", str(repo.top.parent / "real"), "config")
    repo.plain(*config, "core.worktree", str(repo.top))
    assert named(repo, b"gitdir: ../real\r\n\n\r"), "git strips ends of lines"
    repo.plain("status")
    with pytest.raises(RepositoryRefused):
        named(repo, text)


@pytest.mark.timeout(40)
@pytest.mark.parametrize("pipe", [of_a_worktree, of_ignored_files, of_a_branch, of_a_rebase])
def test_a_pipe_in_place_of_a_file_of_a_repository_is_not_waited_for(
    repo: Repo, pipe: Callable[[Repo], Callable[[], object]]
) -> None:
    worktrees.make(repo.top, "copy", repo.environment)
    act = pipe(repo)
    act()


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "name",
    [
        *("HEAD", "config", "index", "packed-refs", "shallow", "commondir", "info/attributes"),
        *("refs/heads/main", "../.gitignore", "../.gitattributes"),
        *("CHERRY_PICK_HEAD", "REVERT_HEAD", "MERGE_HEAD", "sequencer/todo"),
        *("rebase-merge/head-name", "rebase-apply/head-name", "refs/stash", "refs/replace/x"),
    ],
)
def test_a_pipe_that_git_would_open_is_refused_at_once(repo: Repo, name: str) -> None:
    path = repo.top / ".git" / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(RepositoryRefused):
        Git.at(repo.top, repo.environment)


def test_a_merge_of_very_many_branches_is_no_damage(repo: Repo) -> None:
    (repo.top / ".git" / "MERGE_HEAD").write_text(f"{'1' * 40}\n" * 500)
    assert Git.at(repo.top, repo.environment)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "files",
    [
        {"HEAD": "ref:refs/heads/pipe"},
        {"HEAD": "ref:\t \nrefs/heads/pipe\t\n"},
        {"HEAD": "ref: refs/heads/1", "refs/heads/1": "ref:refs/heads/pipe"},
        {"HEAD": "ref: refs/heads/1"}
        | {f"refs/heads/{number}": f"ref: refs/heads/{number + 1}" for number in range(1, 3)}
        | {"refs/heads/3": "ref: refs/heads/pipe"},
        {"HEAD": "ref: refs/heads/1", "refs/heads/1": Path("refs/heads/pipe")},
        {"HEAD": "ref: refs/heads/1", "refs/heads/1": Path("pipe")},
        {"HEAD": "ref: refs/heads/1", "refs/heads/1": Path("2"), "refs/heads/2": "ref: a/pipe"},
        {"HEAD": "ref: refs/heads/1", "refs/heads/1": "ref: main-worktree/refs/heads/pipe"},
        {"CHERRY_PICK_HEAD": "ref: refs/heads/pipe"},
    ],
)
def test_a_pipe_that_a_reference_names_over_others_is_refused(
    repo: Repo, files: dict[str, str | Path]
) -> None:
    folder = repo.top / ".git"
    (folder / "a").mkdir()
    os.mkfifo(folder / "refs/heads/pipe")
    os.mkfifo(folder / "a/pipe")
    assert Git.at(repo.top, repo.environment), "nothing names it"
    for name, content in files.items():
        (folder / name).unlink(missing_ok=True)
        if isinstance(content, str):
            (folder / name).write_text(content)
        else:
            (folder / name).symlink_to(content)
    with pytest.raises(RepositoryRefused, match=" is a pipe"):
        Git.at(repo.top, repo.environment)


def test_a_branch_may_be_another_name_of_a_branch(repo: Repo) -> None:
    repo.plain("branch", "plum")
    repo.plain("symbolic-ref", "refs/heads/other", "refs/heads/plum")
    repo.plain("symbolic-ref", "HEAD", "refs/heads/other")
    assert Git.at(repo.top, repo.environment)
    repo.plain("pack-refs", "--all")
    (repo.top / ".git/refs/heads/plum").mkdir()
    assert Git.at(repo.top, repo.environment), "a folder, beside the packed branch"
    repo.plain("symbolic-ref", "HEAD", "refs/heads/other/below")
    assert Git.at(repo.top, repo.environment), "no branch, where a file is in the way"
    for name in ("1", "2"):
        (repo.top / ".git/refs/heads" / name).write_text("ref: refs/heads/1\n")
    (repo.top / ".git/HEAD").write_text("ref: refs/heads/2\n")
    assert Git.at(repo.top, repo.environment), "in a circle; git ends by itself"


@pytest.mark.parametrize("text", ["ref: refs/heads/a\0b\n", "ref: refs/heads/" + "a" * 3000])
def test_a_branch_that_can_have_no_file_is_refused(repo: Repo, text: str) -> None:
    bare = repo.top.parent / "bare"
    repo.plain("init", "-q", "--bare", str(bare))
    for head in (bare / "HEAD", repo.top / ".git/HEAD"):
        head.write_text(text)
    with pytest.raises(RepositoryRefused, match="cannot be read"):
        Git.at(repo.top, repo.environment)
    with pytest.raises(RepositoryRefused, match="cannot be read"):
        repository.bare(bare)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", ["HEAD", "index"])
@pytest.mark.parametrize("how", ["folder", "link to a pipe", "folder above"])
def test_what_is_no_file_is_refused_whatever_it_is(repo: Repo, name: str, how: str) -> None:
    path = repo.top / ".git" / name
    path.unlink()
    if how == "folder":
        path.mkdir()
    else:
        os.mkfifo(repo.top / ".git/pipe")
        path.symlink_to("pipe")
    folder = repo.top / "src"
    folder.mkdir()
    with pytest.raises(RepositoryRefused, match=f"{name} is not a file"):
        Git.at(folder if how == "folder above" else repo.top, repo.environment)


def test_a_pipe_in_place_of_a_repository_is_refused_at_once(repo: Repo) -> None:
    (repo.top / ".git").rename(repo.top / "git")
    os.mkfifo(repo.top / ".git")
    with pytest.raises(RepositoryRefused, match="neither a folder nor a file"):
        Git.at(repo.top, repo.environment)


@pytest.mark.timeout(4)
def test_a_pipe_for_the_settings_of_a_submodule_is_refused_at_once(repo: Repo) -> None:
    (repo.top / ".git").rename(repo.top.parent / "real")
    config = repo.top.parent / "real/config"
    config.unlink()
    os.mkfifo(config)
    with pytest.raises(RepositoryRefused, match="config is not a file"):
        named(repo, b"gitdir: ../real\n")


def test_head_may_be_a_link_to_a_branch_and_a_branch_packed(repo: Repo) -> None:
    repo.plain("pack-refs", "--all")
    assert Git.at(repo.top, repo.environment)
    repo.plain("commit", "-q", "--allow-empty", "-m", "another")
    head = repo.top / ".git/HEAD"
    target = head.read_text().removeprefix("ref: ").strip()
    head.unlink()
    head.symlink_to(target)
    git = Git.at(repo.top, repo.environment)
    assert git
    assert git.run("log", "--format=%s", "-1").content == b"another\n"


@pytest.mark.timeout(15)
@pytest.mark.parametrize("name", ["HEAD", "config", "packed-refs"])
def test_a_pipe_in_a_submodule_is_refused_at_once(repo: Repo, tmp_path: Path, name: str) -> None:
    inner = Repo(tmp_path / "plums").make()
    inner.commit()
    repo.plain("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.top), "a/b")
    git = Git.at(repo.top, repo.environment)
    assert git
    assert b"a/b" in git.run("status", "--porcelain", "--ignore-submodules=dirty").content
    path = repo.top / ".git/modules/a/b" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(RepositoryRefused, match=f"{name} is a pipe"):
        Git.at(repo.top, repo.environment)


def a_nested_repository(top: Path) -> Path:
    for name in ("objects", "refs"):
        (top / "nested/.git" / name).mkdir(parents=True)
    return top / "nested/.git/HEAD"


def a_branch(top: Path) -> Path:
    return top / ".git/refs/heads/other"


def an_ignored_list(top: Path) -> Path:
    (top / "deep").mkdir()
    return top / "deep/.gitignore"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel notifies")
@pytest.mark.timeout(12)
@pytest.mark.parametrize("place", [a_nested_repository, a_branch, an_ignored_list])
def test_git_that_waits_for_a_pipe_deeper_in_a_repository_is_ended_soon(
    repo: Repo, place: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.3)
    git = Git.at(repo.top, repo.environment)
    assert git
    os.mkfifo(place(repo.top))
    command = ["for-each-ref"] if place is a_branch else ["status", "--porcelain"]
    with pytest.raises(GitFailed, match=r"waits for a pipe in place of a file\.$"):
        git.run(*command)
    for policy in (READING, WRITING):
        assert git.under(policy).run("rev-parse", "HEAD").content


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel notifies")
@pytest.mark.timeout(20)
def test_git_that_reads_a_pipe_whose_writer_is_slow_is_not_ended(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert process.LOOK_SECONDS * process.PIPE_LOOKS > 3
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.2)
    git = Git.at(repo.top, repo.environment)
    assert git
    pipe = an_ignored_list(repo.top)
    os.mkfifo(pipe)
    (repo.top / "deep/apple").touch()
    writers, opens_pipe = list[int](), process._opens_pipe

    def look(pid: int) -> bool:
        waits = opens_pipe(pid)
        looks.append(waits)
        if sum(looks) == process.PIPE_LOOKS - 1:
            writers.append(os.open(pipe, os.O_RDWR))  # which never blocks
        return waits

    looks: list[bool] = []
    monkeypatch.setattr(process, "_opens_pipe", look)
    try:
        assert b"deep/apple" in git.run("status", "--porcelain", "-uall").content
        assert len(writers) == 1
    finally:
        for each in writers:
            os.close(each)


@pytest.mark.timeout(20)
def test_git_that_only_takes_long_is_not_ended(repo: Repo) -> None:
    git = Git.at(repo.top, repo.environment)
    assert git
    with pytest.raises(GitFailed, match="longer than 1.6 s"):
        git.run("slow", settings={"alias.slow": "!sleep 5"}, seconds=1.6)
