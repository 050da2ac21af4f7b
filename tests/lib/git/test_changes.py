"""Changed files are listed with their sides, counts and kinds, whatever their names are."""

from __future__ import annotations

import os

import pytest

from opcode_htmx.lib.git.changes import file_diffs, raw, reading
from opcode_htmx.lib.git.changes.model import Listing, Status
from tests.lib.git.changed import Repository
from tests.support.environment import Sandbox

ODD = "line\nfeed\ttab \u202eright\x1b[31m"


@pytest.fixture
def repository(sandbox: Sandbox) -> Repository:
    made = Repository(sandbox.home, sandbox.project)
    made.make()
    made.git("checkout", "--quiet", "--", ".")
    return made


def seen(listing: Listing) -> list[tuple[str, str, str, int | None, int | None]]:
    return [
        (os.fsdecode(each.path), each.status, each.side, each.added, each.removed)
        for each in listing.changes
    ]


def test_staged_and_unstaged_changes_are_told_apart(repository: Repository) -> None:
    repository.write("app.txt", "one\ntwo\n")
    repository.git("add", "app.txt")
    repository.write("app.txt", "one\ntwo\nthree\nfour\n")
    repository.write("new.txt", "x\n")
    assert seen(repository.listed()) == [
        ("app.txt", "modified", "staged", 1, 0),
        ("app.txt", "modified", "unstaged", 2, 0),
        ("new.txt", "untracked", "unstaged", None, None),
    ]
    staged, unstaged, new = repository.listed().changes
    assert repository.texts(staged) == ["+two"]
    assert repository.texts(unstaged) == ["+three", "+four"]
    assert repository.texts(new) == ["+x"]


def test_renames_deletions_modes_and_links_have_their_status(repository: Repository) -> None:
    repository.write("keep.txt", "\n".join(map(str, range(40))))
    repository.write("run.sh", "true\n")
    repository.write("will-be-a-link", "text\n")
    repository.commit()
    repository.git("mv", "keep.txt", "moved.txt")
    (repository.folder / "inner" / "deep.txt").unlink()
    (repository.folder / "run.sh").chmod(0o755)
    (repository.folder / "will-be-a-link").unlink()
    (repository.folder / "will-be-a-link").symlink_to("/etc/passwd")
    found = {os.fsdecode(each.path): each for each in repository.listed().changes}
    assert {path: each.status for path, each in found.items()} == {
        "moved.txt": Status.RENAMED,
        "inner/deep.txt": Status.DELETED,
        "run.sh": Status.MODIFIED,
        "will-be-a-link": Status.RETYPED,
    }
    assert found["moved.txt"].old_path == b"keep.txt"
    assert repository.texts(found["will-be-a-link"]) == ["-text", "+/etc/passwd"]
    assert repository.texts(found["inner/deep.txt"]) == ["-deep"]


def test_a_conflict_is_one_change(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "other")
    repository.write("app.txt", "theirs\n")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write("app.txt", "ours\n")
    head = repository.commit()
    repository.git("merge", "other", check=False)
    for commit in ("", head):
        change = repository.change("app.txt", commit)
        assert change.status is Status.CONFLICT
        assert "+theirs" in repository.texts(change, commit)


def test_a_binary_file_and_a_submodule_are_said_to_be_such(repository: Repository) -> None:
    (repository.folder / "image").write_bytes(b"\0\1\2")
    repository.git("init", "--quiet", "part")
    part = Repository(repository.home, repository.folder / "part")
    part.write("x", "x")
    part.commit()
    repository.git("add", "--all")
    found = {os.fsdecode(each.path): each for each in repository.listed().changes}
    assert found["image"].is_binary and found["image"].added is None
    assert found["part"].is_submodule
    assert repository.texts(found["part"])[0].startswith("+Subproject commit ")


def test_against_another_commit_all_changes_since_are_one_list(repository: Repository) -> None:
    begin = repository.commit()
    repository.write("app.txt", "two\n")
    repository.commit("second")
    repository.write("inner/deep.txt", "deeper\n")
    repository.git("add", ".")
    repository.write("new.txt", "x\n")
    assert seen(repository.listed(begin)) == [
        ("app.txt", "modified", "", 1, 1),
        ("inner/deep.txt", "modified", "", 1, 1),
        ("new.txt", "untracked", "", None, None),
    ]


def test_a_file_that_only_the_commit_has_is_compared_with_the_working_tree(
    repository: Repository,
) -> None:
    repository.write("same.txt", "same\n")
    repository.write("notes.txt", "before\n")
    begin = repository.commit("a snapshot with untracked files")
    repository.git("reset", "--quiet", "--mixed", "HEAD~1")
    repository.write("notes.txt", "after\n")
    change = repository.change("notes.txt", begin)
    assert [os.fsdecode(each.path) for each in repository.listed(begin).changes] == ["notes.txt"]
    assert repository.texts(change, begin) == ["-before", "+after"]
    assert file_diffs.content(repository.read(), change, before=True) == b"before\n"


def test_before_the_first_commit_there_is_a_list(sandbox: Sandbox) -> None:
    repository = Repository(sandbox.home, sandbox.project)
    repository.git("init", "--quiet")
    repository.write("a", "x\n")
    repository.git("add", "a")
    repository.write("b", "y\n")
    assert seen(repository.listed()) == [
        ("a", "added", "staged", 1, 0),
        ("b", "untracked", "unstaged", None, None),
    ]
    assert repository.listed().head == ""


def test_only_what_is_in_a_folder_is_listed(repository: Repository) -> None:
    repository.write("app.txt", "two\n")
    repository.write("inner/deep.txt", "x\n")
    repository.write("inner/new.txt", "x\n")
    found = repository.listed(inside=b"inner")
    assert [each.path for each in found.changes] == [b"inner/deep.txt", b"inner/new.txt"]


@pytest.mark.parametrize("name", [ODD, "-x", ":(top)y", "*", "a'b\"c", "ü €"])
def test_names_are_names(repository: Repository, name: str) -> None:
    repository.write("other", "1\n")
    repository.write(name, "a\n")
    repository.commit()
    repository.write("other", "2\n")
    repository.write(name, "b\n")
    assert repository.texts(repository.change(name)) == ["-a", "+b"]
    repository.git("add", "--all")
    assert repository.texts(repository.change(name)) == ["-a", "+b"]


def test_a_name_that_is_not_utf_8_is_read(repository: Repository) -> None:
    path = repository.folder / os.fsdecode(b"caf\xe9")
    path.write_text("a\n")
    (change,) = repository.listed().changes
    assert change.path == b"caf\xe9"
    assert repository.texts(change) == ["+a"]


def test_white_space_can_be_left_out(repository: Repository) -> None:
    repository.write("app.txt", "   one\n")
    change = repository.change("app.txt")
    assert not file_diffs.read(repository.read(), change, ignore_space=True).hunks


def test_an_untracked_file_reads_as_git_would_print_it(repository: Repository) -> None:
    for content in ("", "a", "a\n", "a\nb", "\n", "a\r\n\n"):
        repository.write("new", content)
        untracked = file_diffs.read(repository.read(), repository.change("new"))
        repository.git("add", "new")
        staged = file_diffs.read(repository.read(), repository.change("new"))
        repository.git("reset", "--quiet", "new")
        assert untracked.hunks == staged.hunks, content


def test_no_link_is_followed_out_of_the_tree(repository: Repository) -> None:
    secret = repository.home / "secret"
    secret.mkdir()
    (secret / "key").write_text("hidden")
    (repository.folder / "link").symlink_to(secret / "key")
    (repository.folder / "folder").symlink_to(secret)
    change = repository.change("link")
    assert repository.texts(change) == [f"+{secret / 'key'}"]
    top = repository.read().repository.top
    assert file_diffs.working_content(top, b"folder/key") == b""
    assert file_diffs.working_content(top, b"../secret/key") == b""
    assert file_diffs.working_content(top, b"inner/deep.txt") == b"deep\n"


def test_a_pipe_is_not_read(repository: Repository) -> None:
    os.mkfifo(repository.folder / "pipe")
    assert file_diffs.working_content(repository.read().repository.top, b"pipe") == b""


def test_the_contents_before_and_after_are_those_of_the_side(repository: Repository) -> None:
    repository.write("app.txt", "two\n")
    repository.git("add", "app.txt")
    repository.write("app.txt", "three\n")
    staged, unstaged = repository.listed().changes
    git = repository.read()
    assert file_diffs.content(git, staged, before=True) == b"one\n"
    assert file_diffs.content(git, staged) == b"two\n"
    assert file_diffs.content(git, unstaged, before=True) == b"two\n"
    assert file_diffs.content(git, unstaged) == b"three\n"


def test_reading_leaves_the_index_alone(repository: Repository) -> None:
    index = repository.folder / ".git" / "index"
    (repository.folder / "app.txt").touch()
    before = index.read_bytes()
    repository.listed()
    repository.listed(repository.git("rev-parse", "HEAD"))
    assert index.read_bytes() == before


@pytest.mark.parametrize("options", [("--raw", "--no-abbrev"), ("--numstat",)])
def test_a_list_of_files_has_none_of_their_text(
    repository: Repository, options: tuple[str, ...]
) -> None:
    """Behind a zero byte, past those by which git takes a file for binary, it could be a record."""
    before = repository.commit()
    text = "line\n" * 2000
    record = f":100644 100644 {'1' * 40} {'2' * 40} M\0forged.txt\0"
    repository.write("app.txt", f"{text}\0{record}\0" + "7\t7\tforged.txt\0")
    repository.commit()
    found = raw.read(repository.read(), (*options, "--cached", before), ())
    names = {each.path for each in found.changes} | found.counts.keys()
    assert names == {b"app.txt"}


def test_a_long_diff_is_parsed_in_a_thread(repository: Repository) -> None:
    repository.write("long", "".join(f"{number}\n" for number in range(100_000)))
    repository.git("add", "long")
    found = file_diffs.read(repository.read(), repository.change("long"))
    assert found.hunks[0].length == 100_000
    assert next(found.hunks[0].part(99_990, 99_991)).new == 99_991


def test_of_very_many_changes_no_lines_are_counted(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_COUNTED", 1)
    head = repository.git("rev-parse", "HEAD")
    for path in ("app.txt", "inner/deep.txt", "new.txt"):
        repository.write(path, "x\n")
    repository.git("add", "inner")
    for commit in ("", head):
        found = repository.listed(commit)
        assert [each.added for each in found.changes] == [None] * 3
        assert not found.is_counted
    repository.git("commit", "--quiet", "--all", "--message", "all but one")
    few = repository.listed(repository.git("rev-parse", "HEAD"))
    assert (few.is_counted, len(few.changes)) == (True, 1)
    repository.write("app.txt", "one\n")
    repository.write("inner/deep.txt", "deep\n")
    back = repository.listed(head)
    assert ([each.path for each in back.changes], back.is_counted) == ([b"new.txt"], True)


@pytest.mark.parametrize("since", [False, True])
def test_a_pipe_in_place_of_a_file_hides_no_other_change(
    repository: Repository, since: bool
) -> None:
    commit = repository.commit() if since else ""
    (repository.folder / "app.txt").unlink()
    os.mkfifo(repository.folder / "app.txt")
    repository.write("inner/deep.txt", "deeper\n")
    found = {each.path: each.status for each in repository.listed(commit).changes}
    assert found == {b"app.txt": Status.MODIFIED, b"inner/deep.txt": Status.MODIFIED}
