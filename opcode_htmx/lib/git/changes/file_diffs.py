"""Read the diff of one file, and its contents before and after, without leaving the tree."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread, run_in_thread
from opcode_htmx.lib.files import confined
from opcode_htmx.lib.git import diffs
from opcode_htmx.lib.git.changes.model import Change, Side, Status
from opcode_htmx.lib.git.diffs import FileDiff
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import LITERAL

MOST_BYTES = 32 * 1024 * 1024
"""Of a diff; what is longer is cut."""
MOST_CONTENT = 16 * 1024 * 1024
"""Of a file; what is longer is cut."""
_SHORT = 100_000
"""Bytes of a diff that are parsed in a few milliseconds; a longer one takes a thread."""
_SNIFFED = 8000
"""Bytes in which git looks for a NUL, the sign of a binary file."""


def read(git: Git, change: Change, commit: str = "", *, ignore_space: bool = False) -> FileDiff:
    """The diff of a change since `commit`, or of one side of the changes since the last commit.

    Raises GitFailed.
    """
    if change.status is Status.UNTRACKED:
        return _of_new_file(git, change.path)
    space = ("--ignore-all-space",) if ignore_space else ()
    paths = [os.fsdecode(each) for each in (change.old_path, change.path) if each]
    if change.is_outside_index and change.old:
        compared: tuple[str, ...] = (change.old, "--", paths[-1])
    elif commit:
        compared = (commit, "--", *paths)
    elif change.side is Side.STAGED:
        compared = ("--cached", "--", *paths)
    elif change.status is Status.CONFLICT:
        compared = ("HEAD", "--", *paths)
    else:
        compared = ("--", *paths)
    output = git.at_top().run(
        *("diff", *diffs.OPTIONS, *space, *compared),
        settings=diffs.SETTINGS,
        variables=LITERAL,
        most_bytes=MOST_BYTES,
    )
    return _parsed(output.content, change.path, output.cut)


def content(git: Git, change: Change, *, before: bool = False) -> bytes:
    """The file before or after a change, cut at MOST_CONTENT; empty where there is none.

    Raises GitFailed.
    """
    if not before and change.side is not Side.STAGED:
        return working_content(git.repository.top, change.path)
    oid = change.old if before else change.new
    if not oid or change.is_submodule:
        return b""
    return git.run("cat-file", "blob", oid, most_bytes=MOST_CONTENT).content


def working_content(top: Path, path: bytes) -> bytes:
    """A file of the working tree, or the target of a link; empty where there is none.

    No link is followed on the way. Runs in a thread. Raises nothing.
    """
    return run_in_thread(_working_content, top, path)


def _working_content(top: Path, path: bytes) -> bytes:
    file = top / os.fsdecode(path)
    with contextlib.suppress(OSError, ValueError):
        if not (status := _plain_status(top, file)):
            return b""
        if stat.S_ISLNK(status.st_mode):
            return os.fsencode(file.readlink())
        with confined.open_file(file, top) as opened:
            return opened.read(MOST_CONTENT)
    return b""


def _plain_status(top: Path, file: Path) -> os.stat_result | None:
    """That of a file or a link whose folders are no links; None otherwise."""
    status = file.lstat()
    inside = file.parent.resolve() == file.parent and file.parent.is_relative_to(top)
    is_read = stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)
    return status if inside and is_read else None


def lines(content: bytes) -> list[bytes]:
    """The lines of a file without their line feeds; none of an empty one."""
    return diffs.split_lines(content.removesuffix(b"\n")) if content else []


def line_count(content: bytes) -> int:
    """The number of lines of a file."""
    return content.count(b"\n") + bool(content and not content.endswith(b"\n"))


def is_binary(content: bytes) -> bool:
    """Whether git takes a file for a binary one."""
    return b"\0" in content[:_SNIFFED]


def _of_new_file(git: Git, path: bytes) -> FileDiff:
    """The diff that git would print of an untracked file, if it were to be added."""
    top = git.repository.top
    found = run_in_thread(_working_content, top, path)
    is_link = (top / os.fsdecode(path)).is_symlink()
    mode = b"120000" if is_link else b"100644"
    head = b"diff --git a/file b/file\nnew file mode " + mode + b"\n"
    if not found:
        return diffs.parse(head, path)
    if is_binary(found):
        return diffs.parse(head + b"Binary files /dev/null and b/file differ\n", path)
    if len(found) <= _SHORT:
        return _parsed(_as_added(head, found), path, False)
    diff = _parsed(run_cpu_in_thread(_as_added, head, found), path, False)
    # A cut file is a single hunk, which would be left out
    return diffs.cut(diff) if len(found) >= MOST_CONTENT else diff


def _as_added(head: bytes, content: bytes) -> bytes:
    """What git would print of a new text."""
    rows = lines(content)
    end = b"" if content.endswith(b"\n") else b"\\ No newline at end of file\n"
    count = b"" if len(rows) == 1 else b",%d" % len(rows)
    body = b"".join([b"+%s\n" % row for row in rows])
    return b"%s@@ -0,0 +1%s @@\n%s%s" % (head, count, body, end)


def _parsed(output: bytes, path: bytes, is_cut: bool) -> FileDiff:
    if len(output) <= _SHORT:
        return diffs.parse(output, path, is_cut=is_cut)

    def parse() -> FileDiff:
        found = diffs.parse(output, path, is_cut=is_cut)
        for hunk in found.hunks:
            hunk.length  # noqa: B018  # split here, and not on the event loop
        return found

    return run_cpu_in_thread(parse)
