"""What is discarded comes back byte by byte, and nothing is lost at any moment."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from opcode_htmx.lib.git.commands import staging
from opcode_htmx.lib.git.commands.state import StateChanged
from opcode_htmx.lib.git.discards import files as discards
from opcode_htmx.lib.git.discards import kept
from opcode_htmx.lib.git.discards.working_files import CannotKeep
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import WRITING
from opcode_htmx.lib.git.process import GitFailed
from tests.lib.git.commands.repo import Repo

Content = dict[str, tuple[object, ...]]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "orchard").make()


def everything(repo: Repo) -> Content:
    """Each file and link of the working tree, with its mode."""
    found: Content = {}
    for path in sorted(repo.top.rglob("*")):
        name = str(path.relative_to(repo.top))
        if name.split("/")[0] == ".git":
            continue
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        elif path.is_file():
            found[name] = (path.read_bytes(), path.stat().st_mode & 0o777)
    return found


def index(repo: Repo) -> bytes:
    return repo.plain("ls-files", "--stage", "-z") + repo.plain("rev-parse", "HEAD")


def changed(repo: Repo) -> None:
    """A repository with every kind of change."""
    for name in ("kept", "gone", "mode", "kind", "deep/er/gone", "staged", "crlf"):
        repo.write(name, f"{name}\n" * 8)
    repo.write(".gitattributes", "crlf text eol=crlf\n")
    repo.write("binary", bytes(range(256)))
    (repo.top / "link").symlink_to("kept")
    repo.commit()
    repo.write("staged", "staged\n")
    repo.plain("add", "staged")
    repo.write("staged", "and more\n")
    repo.write("kept", "other")
    repo.write("crlf", "one\ntwo\r\n")
    (repo.top / "gone").unlink()
    (repo.top / "deep/er/gone").unlink()
    (repo.top / "deep/er").rmdir()
    (repo.top / "mode").chmod(0o755)
    (repo.top / "kind").unlink()
    (repo.top / "kind").symlink_to("/etc/passwd")
    (repo.top / "link").unlink()
    repo.write("link", "no link any more\n").chmod(0o600)
    repo.write("binary", bytes(range(255, -1, -1)))
    repo.write('new/a "b"\n\\c', b"\xff\0").chmod(0o640)
    repo.write("new/empty", b"")
    (repo.top / "new/dangling").symlink_to("nowhere")
    repo.write("promised", "x\n")
    repo.plain("add", "-N", "promised")


def test_all_that_is_discarded_comes_back_byte_by_byte(repo: Repo) -> None:
    changed(repo)
    before, staged = everything(repo), index(repo)
    entries = repo.state().unstaged
    assert len(entries) == 13
    kept_id = discards.discard_files(repo.git(), entries, "Everything")
    assert repo.plain("status", "--porcelain") == b"M  staged\n"
    assert not (repo.top / "new").exists()
    assert (repo.top / "crlf").read_bytes() == b"crlf\r\n" * 8
    (found,) = kept.listed(repo.git())
    assert (found.id, found.title, len(found.files)) == (kept_id, "Everything", 13)
    assert discards.bring_back(repo.git(), kept_id) == ""
    assert everything(repo) == before
    assert index(repo) == staged.replace(
        next(e for e in staged.split(b"\0") if e.endswith(b"promised")) + b"\0", b""
    )
    assert kept.listed(repo.git()) == []


@pytest.mark.parametrize("seed", range(4))
def test_some_discarded_lines_come_back(repo: Repo, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a repeatable choice
    lines = [f"{number}\n".encode() for number in range(50)]
    repo.write("a", b"".join(lines))
    repo.commit()
    for at in rng.sample(range(50), 8):
        lines[at] = rng.choice([b"", b"new\n", b"new\nand more\n"])
    after = b"".join(lines)
    repo.write("a", after)
    entry = staging.find(repo.state(), b"a", "unstaged")
    found = staging.change(repo.git(), entry, "unstaged")
    picked: dict[str, list[int]] = {
        hunk.id: [line.index for line in hunk.lines if line.kind != "ctx" and rng.random() < 0.6]
        for hunk in found.diff.hunks
    }
    was, staged = everything(repo), index(repo)
    kept_id = discards.discard_lines(repo.git(), found, picked, "Some lines")
    assert everything(repo) != was
    assert index(repo) == staged
    discards.bring_back(repo.git(), kept_id)
    assert everything(repo) == was


def test_what_has_changed_meanwhile_is_kept_when_the_discarded_comes_back(repo: Repo) -> None:
    repo.write("a", "one\n")
    repo.commit()
    repo.write("a", "two\n")
    first = discards.discard_files(repo.git(), repo.state().unstaged, "a")
    repo.write("a", "three\n")
    second = discards.bring_back(repo.git(), first)
    assert second
    assert (repo.top / "a").read_text() == "two\n"
    discards.bring_back(repo.git(), second)
    assert (repo.top / "a").read_text() == "three\n"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", (3, 4, 5, 6, 7, 8))
def test_killed_at_any_command_nothing_is_lost(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    changed(repo)
    before = everything(repo)
    entries, git = repo.state().unstaged, repo.git()
    left, run = [after], Git.run

    def dying(self: Git, *arguments: str, **more: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return run(self, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Git, "run", dying)
    try:
        discards.discard_files(git, entries, "Everything")
    except Killed:
        pass
    else:
        assert after > 5
    monkeypatch.undo()
    if everything(repo) != before:
        (found,) = kept.listed(repo.git())
        discards.bring_back(repo.git(), found.id)
        assert everything(repo) == before


def folder_for_file(repo: Repo) -> None:
    (repo.top / "a").unlink()
    repo.write("a/precious", "x")


def file_for_folder(repo: Repo) -> None:
    (repo.top / "d/x").unlink()
    (repo.top / "d").rmdir()
    repo.write("d", "precious")


def link_for_folder(repo: Repo) -> None:
    outside = repo.top.parent / "outside"
    (repo.top / "d").rename(outside)
    (repo.top / "d").symlink_to(outside)
    (outside / "x").write_text("precious")


@pytest.mark.parametrize("arrange", [folder_for_file, file_for_folder, link_for_folder])
def test_what_stands_in_the_way_is_not_removed(repo: Repo, arrange: Callable[[Repo], None]) -> None:
    repo.write("a", "a\n")
    repo.write("d/x", "x\n")
    repo.commit()
    arrange(repo)
    before = everything(repo)
    entries = [each for each in repo.state().unstaged if each.unstaged != "?"]
    with pytest.raises(CannotKeep, match="Something else stands in the place"):
        discards.discard_files(repo.git(), entries, "a")
    assert everything(repo) == before


def test_a_repository_within_and_a_pipe_are_refused(repo: Repo) -> None:
    repo.commit()
    Repo(repo.top / "inner").make().write("x", "precious")
    with pytest.raises(CannotKeep, match="repository of its own"):
        discards.discard_files(repo.git(), repo.state().unstaged, "a")
    os.mkfifo(repo.top / "pipe")
    with pytest.raises(CannotKeep, match="neither a file nor a link"):
        discards.save(repo.git(), [b"pipe"], "a")


def test_after_seven_days_it_is_forgotten(repo: Repo) -> None:
    repo.write("a", "one\n")
    repo.commit()
    repo.write("a", "two\n")
    kept_id = discards.discard_files(repo.git(), repo.state().unstaged, "a")
    assert kept.expire(repo.git()) == 1
    later = time.time() + kept.KEPT_SECONDS + 1
    assert kept.expire(repo.git(), later) == 0
    with pytest.raises(StateChanged, match="not kept any more"):
        discards.bring_back(repo.git(), kept_id)


def test_facts_that_somebody_made_up_lead_nowhere_else(repo: Repo) -> None:
    repo.write("a", "#!/bin/sh\n")
    repo.commit()
    head = repo.head()
    tree = repo.plain("rev-parse", f"{head}^{{tree}}").decode().strip()
    blob = repo.plain("rev-parse", "HEAD:a").decode().strip()
    for path in (b"../out", b".git/hooks/pre-commit", b"a/../.GIT/config", b"/etc/x", b""):
        file = kept.KeptFile(path, 0o755, False, blob)
        made = kept.add(repo.git(), "files", "x", tree, files=[file])
        with pytest.raises((CannotKeep, OSError)):
            discards.bring_back(repo.git(), made.id)
    repo.plain("update-ref", f"{kept.REFS}/by-hand", head)
    repo.plain("update-ref", f"{kept.REFS}/0000000001-{'0' * 12}", head)
    assert len(kept.listed(repo.git(WRITING))) == 5
    assert not (repo.top / ".git/hooks/pre-commit").exists()
    assert not (repo.top.parent / "out").exists()


def test_a_full_disk_or_a_lock_leaves_everything_as_it_was(repo: Repo) -> None:
    repo.write("a", "one\n")
    repo.commit()
    repo.write("a", "two\n")
    lock = repo.top / ".git/index.lock"
    lock.touch()
    with pytest.raises(GitFailed, match=r"index\.lock"):
        discards.discard_files(repo.git(), repo.state().unstaged, "a")
    assert (repo.top / "a").read_text() == "two\n"
    assert lock.exists(), "it is somebody else's"
