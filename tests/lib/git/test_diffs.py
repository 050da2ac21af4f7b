"""git's diffs are parsed whatever the files hold, and a hunk keeps its name where it moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.lib.git import diffs
from opcode_htmx.lib.git.diffs import FileDiff
from opcode_htmx.lib.git.git import Git
from tests.security.projects.hostile_git import Trap
from tests.support.environment import SYSTEM_PATH, Sandbox


class Repository(Trap):
    """A repository whose files are compared with the last commit."""

    def commit(self, content: bytes, path: str = "f") -> None:
        (self.folder / path).write_bytes(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")

    def output(self, path: str = "f", *options: str) -> bytes:
        git = Git.at(self.folder, {"PATH": SYSTEM_PATH, "HOME": str(self.home)})
        assert git
        command = ("diff", *diffs.OPTIONS, *options, "HEAD", "--", path)
        return git.run(*command, settings=diffs.SETTINGS).content

    def diff(self, content: bytes, path: str = "f", *options: str) -> FileDiff:
        (self.folder / path).write_bytes(content)
        return diffs.parse(self.output(path, *options), path.encode())


@pytest.fixture
def repository(sandbox: Sandbox) -> Repository:
    made = Repository(sandbox.home, sandbox.project)
    made.make()
    return made


def numbered(count: int) -> list[bytes]:
    return [b"line %d" % number for number in range(1, count + 1)]


def test_lines_have_their_kind_and_their_numbers_before_and_after(repository: Repository) -> None:
    repository.commit(b"a\nb\nc\n")
    (hunk,) = repository.diff(b"a\nB\nB2\nc\n").hunks
    assert [(line.index, line.kind, line.raw, line.old, line.new) for line in hunk.lines] == [
        (0, "ctx", b" a", 1, 1),
        (1, "del", b"-b", 2, None),
        (2, "add", b"+B", None, 2),
        (3, "add", b"+B2", None, 3),
        (4, "ctx", b" c", 3, 4),
    ]


def test_content_that_looks_like_a_diff_is_content(repository: Repository) -> None:
    evil = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3 +1,9 @@\n\\ No newline at end of file\n"
    repository.commit(evil)
    found = repository.diff(evil.replace(b"-1,3", b"-1,4") + b"@@ -1 +1 @@\n")
    assert found.sections == 1
    (hunk,) = found.hunks
    assert [line.raw for line in hunk.lines if line.kind != "ctx"] == [
        b"-@@ -1,3 +1,9 @@",
        b"+@@ -1,4 +1,9 @@",
        b"+@@ -1 +1 @@",
    ]


def test_a_missing_line_feed_at_the_end_belongs_to_its_line(repository: Repository) -> None:
    repository.commit(b"a\nb")
    (hunk,) = repository.diff(b"a\nc\r\n").hunks
    assert [(line.raw, line.ends_file) for line in hunk.lines] == [
        (b" a", False),
        (b"-b", True),
        (b"+c\r", False),
    ]
    assert b"".join(line.patch for line in hunk.lines) == hunk.body
    assert [line.content for line in hunk.lines] == [b"a\n", b"b", b"c\r\n"]


def test_settings_of_the_repository_do_not_change_the_form(repository: Repository) -> None:
    lines = [*numbered(20), b"", b"end"]
    repository.commit(b"\n".join(lines))
    expected = repository.diff(b"\n".join([b"first", *lines, b"more"]))
    for key, value in {
        "diff.suppressBlankEmpty": "true",
        "diff.noprefix": "true",
        "diff.context": "0",
        "diff.interHunkContext": "30",
        "color.diff": "always",
        "diff.wordRegex": ".",
        "diff.colorMoved": "zebra",
        "diff.orderFile": "f",
        "diff.algorithm": "patience",
    }.items():
        repository.set(key, value)
    assert repository.diff(b"\n".join([b"first", *lines, b"more"])) == expected


def test_a_hunk_keeps_its_name_when_it_moves_and_loses_it_when_it_changes(
    repository: Repository,
) -> None:
    lines = numbered(40)
    repository.commit(b"\n".join(lines))
    one = [*lines[:30], b"new", *lines[30:]]
    (alone,) = repository.diff(b"\n".join(one)).hunks
    first, second = repository.diff(b"\n".join([b"top", *one])).hunks
    assert (second.id, second.new_start) == (alone.id, alone.new_start + 1)
    (other,) = repository.diff(b"\n".join([*lines[:30], b"newer", *lines[30:]])).hunks
    assert len({first.id, second.id, other.id}) == 3


def test_equal_changes_in_one_file_have_names_of_their_own(repository: Repository) -> None:
    block = b"a\nb\nc\nd\ne\nf\ng\nh\n"
    repository.commit(block * 6)
    found = repository.diff((block.replace(b"d", b"D") + block) * 3)
    assert len({hunk.id for hunk in found.hunks}) == len(found.hunks) == 3
    assert found.hunk(found.hunks[1].id) == found.hunks[1]


def test_a_part_of_a_hunk_is_what_all_of_it_has_there(repository: Repository) -> None:
    before = [b"%d" % (number * number % 9) for number in range(300)]
    repository.commit(b"\n".join(before))
    after = list[bytes]()
    for number, line in enumerate(before):
        after += ([line], [], [line, b"+"], [line])[number * number // 7 % 4]
    for hunk in repository.diff(b"\n".join(after)).hunks:
        for start in range(0, hunk.length, 7):
            assert list(hunk.part(start, start + 9)) == list(hunk.lines[start : start + 9])
        assert sum(line.kind != "add" for line in hunk.lines) == hunk.old_count
        assert sum(line.kind != "del" for line in hunk.lines) == hunk.new_count


def test_a_binary_file_has_no_hunks(repository: Repository) -> None:
    repository.commit(b"\0\1")
    found = repository.diff(b"\0\2")
    assert (found.is_binary, found.hunks, found.sections) == (True, (), 1)


def test_a_file_that_became_a_link_has_two_sections(repository: Repository) -> None:
    repository.commit(b"text\n")
    (repository.folder / "f").unlink()
    (repository.folder / "f").symlink_to("/etc/passwd")
    found = diffs.parse(repository.output(), b"f")
    assert found.sections == 2
    assert [line.raw for hunk in found.hunks for line in hunk.lines] == [b"-text", b"+/etc/passwd"]
    assert b"new file mode 120000" in found.headers


def test_no_change_is_no_section(repository: Repository) -> None:
    repository.commit(b"same\n")
    assert repository.diff(b"same\n") == FileDiff(b"f", (), (), 0)


def test_output_that_was_cut_ends_with_a_whole_hunk(repository: Repository) -> None:
    lines = numbered(60)
    repository.commit(b"\n".join(lines))
    repository.diff(b"\n".join([b"top", *lines[:30], b"new", *lines[30:]]))
    output = repository.output()
    whole = diffs.parse(output, b"f")
    found = diffs.parse(output[:-9], b"f", is_cut=True)
    assert (found.hunks, found.is_cut) == (whole.hunks[:1], True)


def test_a_conflict_is_told_from_a_change(repository: Repository) -> None:
    repository.commit(b"base\n")
    repository.git("checkout", "--quiet", "-b", "other")
    repository.commit(b"theirs\n")
    repository.git("checkout", "--quiet", "main")
    repository.commit(b"ours\n")
    repository.git("merge", "other", check=False)
    git = Git.at(repository.folder, {"PATH": SYSTEM_PATH, "HOME": str(repository.home)})
    assert git
    output = git.run("diff", *diffs.OPTIONS, "--", "f", settings=diffs.SETTINGS).content
    found = diffs.parse(output, b"f")
    assert (found.is_combined, found.hunks) == (True, ())


def test_a_name_that_git_quotes_disturbs_nothing(repository: Repository, tmp_path: Path) -> None:
    name = "line\n@@ -1 +1 @@\ttab"
    repository.commit(b"a\n", name)
    found = repository.diff(b"b\n", name)
    assert (found.sections, len(found.hunks), found.path) == (1, 1, name.encode())


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"a" * 9, b"ab\n\ncdefghi\nj", b"a\n" * 9, b"\n" * 7]
)
def test_lines_are_split_in_blocks_as_in_one(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffs, "_BLOCK", 3)
    assert diffs.split_lines(content) == content.split(b"\n")
