"""Any choice of files, hunks and lines is staged exactly, and nothing else changes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from opcode_htmx.lib.git.commands import patches, staging
from opcode_htmx.lib.git.commands.state import Side, StateChanged
from opcode_htmx.lib.git.diffs import FileDiff
from tests.lib.git.commands.repo import Repo

NAME = 'a "q" \\ *\n\tü.txt'


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "orchard").make()


def change(repo: Repo, name: str, side: Side) -> staging.FileChange:
    entry = staging.find(repo.state(), name.encode(), side)
    return staging.change(repo.git(), entry, side)


def expected(diff: FileDiff, before: bytes, chosen: staging.Chosen, *, reverse: bool) -> bytes:
    """The content after a choice, by the lines themselves rather than by a patch."""
    lines = before.splitlines(keepends=True) if before else []
    result: list[bytes] = []
    at = 0
    for hunk in diff.hunks:
        start, number = (
            (hunk.new_start, hunk.new_count) if reverse else (hunk.old_start, hunk.old_count)
        )
        begin = start - 1 if number else start
        result += lines[at:begin]
        at = begin + number
        for line in hunk.lines:
            is_chosen = hunk.id in chosen and (
                chosen[hunk.id] is None or line.index in (chosen[hunk.id] or ())
            )
            gone, come = ("add", "del") if reverse else ("del", "add")
            if (
                line.kind == "ctx"
                or (line.kind == come and is_chosen)
                or (line.kind == gone and not is_chosen)
            ):
                result.append(line.content)
    result += lines[at:]
    ended = [each if each.endswith(b"\n") else each + b"\n" for each in result[:-1]]
    return b"".join((*ended, *result[-1:]))


def content(rng: random.Random) -> bytes:
    """A few lines, many of them the same, with and without a line feed at the end."""
    words = [b"a", b"b", b"c", b"", b"x\r", b"+", b"-- a", b"\\ No newline", b"\xff\xfe"]
    lines = [rng.choice(words) for _ in range(rng.randrange(0, 40))]
    text = b"".join(line + b"\n" for line in lines)
    return text[:-1] if rng.random() < 0.4 else text


def edited(rng: random.Random, before: bytes) -> bytes:
    lines = before.split(b"\n")
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(0, len(lines) + 1)
        lines[at : at + rng.randrange(0, 3)] = [b"new %d" % rng.randrange(4)] * rng.randrange(0, 3)
    return b"\n".join(lines)


def choice(rng: random.Random, diff: FileDiff) -> dict[str, list[int] | None]:
    chosen: dict[str, list[int] | None] = {}
    for hunk in diff.hunks:
        if rng.random() < 0.7:
            picked = [line.index for line in hunk.lines if rng.random() < 0.5]
            chosen[hunk.id] = None if rng.random() < 0.2 else picked
    return chosen


@pytest.mark.parametrize("side", ["unstaged", "staged"])
def test_any_choice_of_lines_gives_exactly_these_lines_and_the_rest_gives_the_whole(
    repo: Repo, side: Side
) -> None:
    rng = random.Random(f"7{side}")  # noqa: S311 - a repeatable choice
    is_back = side == "staged"
    done = 0
    for _ in range(12):
        before = content(rng)
        after = edited(rng, before)
        repo.write(NAME, before)
        repo.commit()
        repo.write(NAME, after)
        if is_back:
            repo.plain("add", "-A")
        if before == after:
            continue
        found = change(repo, NAME, side)
        if found.whole_only:
            continue
        chosen = choice(rng, found.diff)
        start = after if is_back else before
        wanted = expected(found.diff, start, chosen, reverse=is_back)
        try:
            staging.apply_lines(repo.git(), found, chosen)
        except patches.NothingChosen:
            assert wanted == start
            continue
        done += 1
        assert repo.staged(NAME) == wanted
        assert (repo.top / NAME).read_bytes() == after, "the working tree is as it was"
        # what is left, taken as a whole, completes it
        if any(each.path == NAME.encode() for each in getattr(repo.state(), side)):
            rest = change(repo, NAME, side)
            staging.apply_lines(repo.git(), rest, dict.fromkeys(h.id for h in rest.diff.hunks))
        assert repo.staged(NAME) == (before if is_back else after)
    assert done > 5


def test_a_choice_of_hunks_equals_that_of_add_p(repo: Repo) -> None:
    lines = [f"{number}\n" for number in range(60)]
    repo.write("a.txt", "".join(lines))
    repo.commit()
    for number in (5, 25, 45):
        lines[number] = f"new {number}\n"
    repo.write("a.txt", "".join(lines))
    repo.plain("add", "-p", stdin=b"y\nn\ny\n")
    by_git = repo.staged("a.txt")
    repo.plain("reset", "-q")
    found = change(repo, "a.txt", "unstaged")
    first, _, third = found.diff.hunks
    staging.apply_lines(repo.git(), found, {first.id: None, third.id: None})
    assert repo.staged("a.txt") == by_git


def test_files_are_staged_and_unstaged_exactly_whatever_they_are(repo: Repo) -> None:
    for name in ("kept", "gone", "moved", "mode", "kind", "*"):
        repo.write(name, f"{name}\n" * 20)
    repo.write("binary", bytes(range(256)))
    repo.commit()
    repo.write("kept", "other\n")
    (repo.top / "gone").unlink()
    (repo.top / "moved").rename(repo.top / "there")
    (repo.top / "mode").chmod(0o755)
    (repo.top / "kind").unlink()
    (repo.top / "kind").symlink_to("kept")
    repo.write("*", "other\n")
    repo.write("binary", bytes(range(255, -1, -1)))
    repo.write("new\nline/file", "x")
    found = repo.state()
    one = [staging.find(found, b"*", "unstaged")]
    staging.stage_files(repo.git(), one)
    assert repo.plain("diff", "--cached", "--name-only", "-z") == b"*\0"
    staging.unstage_files(repo.git(), one)
    assert repo.plain("diff", "--cached", "--name-only", "-z") == b""
    repo.plain("add", "-A")
    by_git = repo.plain("ls-files", "--stage", "-z")
    repo.plain("reset", "-q")
    staging.stage_files(repo.git(), repo.state().unstaged)
    assert repo.plain("ls-files", "--stage", "-z") == by_git
    staged = repo.state().staged
    assert {(each.path, each.origin) for each in staged if each.staged == "R"} == {
        (b"there", b"moved")
    }
    staging.unstage_files(repo.git(), staged)
    assert repo.plain("diff", "--cached", "--name-only") == b""
    assert (repo.top / "kind").readlink() == Path("kept")


def test_a_folder_that_a_link_has_replaced_is_staged_by_its_parts_or_as_a_whole(repo: Repo) -> None:
    repo.write("beds/beans", "beans\n")
    repo.write("rows/beans", "beans\n")
    repo.commit()
    (repo.top / "beds/beans").unlink()
    (repo.top / "beds").rmdir()
    (repo.top / "beds").symlink_to("rows")
    found = repo.state()
    staging.stage_files(repo.git(), [staging.find(found, b"beds/beans", "unstaged")])
    assert repo.plain("diff", "--cached", "--name-status") == b"D\tbeds/beans\n"
    repo.plain("reset", "-q")
    staging.stage_files(repo.git(), [staging.find(found, b"beds", "unstaged")])
    assert b"A\tbeds\n" in repo.plain("diff", "--cached", "--no-renames", "--name-status")
    repo.plain("reset", "-q")
    staging.stage_files(repo.git(), repo.state().unstaged)
    by_us = repo.plain("ls-files", "--stage", "-z")
    repo.plain("reset", "-q")
    repo.plain("add", "-A")
    assert repo.plain("ls-files", "--stage", "-z") == by_us


def test_some_lines_of_a_new_or_a_deleted_file_can_be_unstaged(repo: Repo) -> None:
    repo.write("old", "1\n2\n3\n").chmod(0o755)
    repo.commit()
    (repo.top / "old").unlink()
    repo.write("new", "a\nb\nc")
    repo.plain("add", "-A")
    for name, picked, left in (("new", 1, b"a\nc"), ("old", 1, b"2\n")):
        found = change(repo, name, "staged")
        staging.apply_lines(repo.git(), found, {found.diff.hunks[0].id: [picked]})
        assert repo.staged(name) == left
    assert repo.plain("ls-files", "--stage", "old").startswith(b"100755")
    found = change(repo, "new", "staged")
    staging.apply_lines(repo.git(), found, {found.diff.hunks[0].id: None})
    assert repo.plain("ls-files", "new") == b"", "all of a new file: it is not in the index"


def test_a_renamed_file_keeps_its_new_name_when_lines_of_it_are_unstaged(repo: Repo) -> None:
    repo.write("old", "".join(f"{number}\n" for number in range(30)))
    repo.commit()
    (repo.top / "old").rename(repo.top / "new")
    text = "".join(f"new {n}\n" if n in (3, 25) else f"{n}\n" for n in range(30))
    repo.write("new", text)
    repo.plain("add", "-A")
    found = change(repo, "new", "staged")
    assert len(found.diff.hunks) == 2
    staging.apply_lines(repo.git(), found, {found.diff.hunks[0].id: None})
    assert repo.staged("new").decode() == text.replace("new 3\n", "3\n")
    rest = change(repo, "new", "staged")
    staging.apply_lines(repo.git(), rest, {rest.diff.hunks[0].id: None})
    assert repo.plain("diff", "--cached", "-M", "--name-status") == b"R100\told\tnew\n"
    assert (repo.top / "new").read_text() == text


def test_before_the_first_commit_files_can_be_unstaged(repo: Repo) -> None:
    repo.write("a", "a\n")
    staging.stage_files(repo.git(), repo.state().unstaged)
    assert [each.staged for each in repo.state().staged] == ["A"]
    staging.unstage_files(repo.git(), repo.state().staged)
    assert [each.unstaged for each in repo.state().entries] == ["?"]


def test_a_mode_is_left_alone_by_a_choice_of_lines(repo: Repo) -> None:
    repo.write("a", "a\n")
    repo.commit()
    repo.write("a", "b\n").chmod(0o755)
    found = change(repo, "a", "unstaged")
    staging.apply_lines(repo.git(), found, {found.diff.hunks[0].id: None})
    assert repo.plain("ls-files", "--stage").startswith(b"100644")
    assert repo.staged("a") == b"b\n"
    assert change(repo, "a", "unstaged").whole_only


def test_what_has_changed_since_is_refused_and_nothing_is_staged(repo: Repo) -> None:
    repo.write("a", "a\n")
    repo.commit()
    repo.write("a", "b\n")
    seen = change(repo, "a", "unstaged").diff.hunks[0].id
    repo.write("a", "c\n")
    found = change(repo, "a", "unstaged")
    with pytest.raises(StateChanged, match="has changed since you looked"):
        staging.apply_lines(repo.git(), found, {seen: None})
    with pytest.raises(StateChanged, match="has changed since you looked"):
        staging.apply_lines(repo.git(), found, {found.diff.hunks[0].id: [99]})
    with pytest.raises(StateChanged, match="is not staged any more"):
        change(repo, "a", "staged")
    assert not repo.state().staged
    repo.write("binary", bytes(range(256)))
    repo.plain("add", "binary")
    with pytest.raises(staging.CannotSplit, match="binary"):
        staging.apply_lines(repo.git(), change(repo, "binary", "staged"), {})
