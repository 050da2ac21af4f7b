"""Take a snapshot of a working tree: a commit without parents, with our facts in its message.

The person's index and HEAD are neither read nor written for it. A private index remembers the
stat data of files, so that a further snapshot reads only what has changed.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import as_dict
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.snapshots import listing as listings
from opcode_htmx.lib.git.snapshots.listing import LeftOut, Listing
from opcode_htmx.lib.git.snapshots.tree import SnapshotFailed, WorkingTree

log = logging.getLogger(__name__)

VERSION = 1
TRIES = 4
"""Files may come and go while they are listed."""
_WHO = "opcode-htmx <checkpoints@localhost>"
_TITLE = "Checkpoint of opcode-htmx"


@dataclass(frozen=True, slots=True)
class Facts:
    """What git's tree cannot hold. Paths are bytes."""

    at: float
    """When it was begun, as a Unix time."""
    completed_at: float
    files: int
    size: int
    usual: Mapping[str, int]
    """The modes of a `file`, a `program` and a `folder` that are not in `modes`."""
    modes: Mapping[bytes, int] = field(default_factory=dict)
    empty: frozenset[bytes] = frozenset()
    """Empty folders."""
    left_out: Mapping[bytes, LeftOut] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    """What the caller has noted."""

    def mode(self, path: bytes, git_mode: int) -> int | None:
        """The permissions of a file or folder; None for a link, which has none."""
        if stat.S_ISLNK(git_mode):
            return None
        if stat.S_ISDIR(git_mode):
            return self.folder_mode(path)
        kind = "program" if git_mode & 0o100 else "file"
        return self.modes.get(path, self.usual[kind])

    def folder_mode(self, path: bytes) -> int:
        return self.modes.get(path, self.usual["folder"])

    def omits(self, path: bytes) -> LeftOut | None:
        """Why a path was left out, by itself or with the folder that it is in."""
        while path:
            if path in self.left_out:
                return self.left_out[path]
            path = path.rpartition(b"/")[0]
        return None

    def message(self) -> bytes:
        """The message of the commit."""
        content = {
            "version": VERSION,
            "at": self.at,
            "completed_at": self.completed_at,
            "files": self.files,
            "size": self.size,
            "usual": dict(self.usual),
            "modes": {os.fsdecode(path): mode for path, mode in self.modes.items()},
            "empty": sorted(map(os.fsdecode, self.empty)),
            "left_out": {os.fsdecode(path): str(why) for path, why in self.left_out.items()},
            "about": dict(self.about),
        }
        return f"{_TITLE}\n\n{json.dumps(content)}\n".encode()

    @classmethod
    def parse(cls, message: bytes) -> Facts:
        """Raises ValueError."""
        try:
            content = as_dict(bounded_json.loads(message.partition(b"\n\n")[2]))
            if content["version"] != VERSION:
                raise ValueError("a checkpoint of another version of this program")
            return cls(
                float(content["at"]),
                float(content["completed_at"]),
                int(content["files"]),
                int(content["size"]),
                {kind: int(content["usual"][kind]) for kind in ("file", "program", "folder")},
                {os.fsencode(path): int(mode) for path, mode in content["modes"].items()},
                frozenset(map(os.fsencode, content["empty"])),
                {os.fsencode(path): LeftOut(why) for path, why in content["left_out"].items()},
                as_dict(content.get("about")),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no facts of a checkpoint: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that was taken, or found again."""

    commit: str
    tree: str
    facts: Facts


def take(
    tree: WorkingTree,
    about: Mapping[str, Any],
    *,
    also: Iterable[bytes] = (),
    durable: bool = False,
) -> Snapshot:
    """Take a snapshot; the caller holds the tree's lock, and sets a reference to the commit.

    `also` are paths that are taken even where the repository ignores them. `durable`: it is on the
    disk before this returns. Raises SnapshotFailed, GitFailed, OSError.
    """
    at, also = time.time(), list(also)
    for attempt in range(TRIES):
        try:
            found = listings.make(tree, also)
            root = _write(tree, found, durable)
            break
        except GitFailed as error:
            if error.status is None or attempt == TRIES - 1:
                raise
            log.info("the snapshot of %s is tried again: %s", tree.top, error)
            if attempt:  # its objects may have been pruned
                (tree.place / "index").unlink(missing_ok=True)
            (tree.place / "index.lock").unlink(missing_ok=True)
    facts = Facts(
        at,
        time.time(),
        len(found.files),
        found.size,
        found.usual,
        found.modes,
        frozenset(found.empty),
        found.left_out,
        about,
    )
    return Snapshot(_commit(tree, root, facts, durable), root, facts)


def read(tree: WorkingTree, commit: str) -> Snapshot:
    """The snapshot of a commit. Raises SnapshotFailed, GitFailed."""
    content = tree.ours("cat-file", "commit", commit)
    head, _, message = content.partition(b"\n\n")
    try:
        root = head.partition(b"\n")[0].removeprefix(b"tree ").decode("ascii")
        return Snapshot(commit, root, Facts.parse(message))
    except ValueError as error:
        raise SnapshotFailed(f"This checkpoint cannot be read: {error}.") from error


def _write(tree: WorkingTree, found: Listing, durable: bool) -> str:
    """Bring the private index up to date, and write its tree."""
    # git of a killed worker may have left it; the tree's lock is held
    (tree.place / "index.lock").unlink(missing_ok=True)
    gone, there = run_cpu_in_thread(_input, tree.ours("ls-files", "-z"), found)
    if gone:
        tree.ours("update-index", "-z", "--force-remove", "--stdin", stdin=gone)
    if there:
        arguments = ("update-index", "-z", "--add", "--remove", "--replace", "--stdin")
        tree.ours(*arguments, stdin=there, durable=durable)
    return tree.object_id("write-tree", durable=durable)


def _input(listed: bytes, found: Listing) -> tuple[bytes, bytes]:
    """The paths that leave the index, and those that are there, as git reads them."""
    before = set(listed.split(b"\0")) - {b""}
    return _lines(before - found.files.keys()), _lines(sorted(found.files))


def _commit(tree: WorkingTree, root: str, facts: Facts, durable: bool) -> str:
    when = f"{int(facts.at)} +0000"
    content = f"tree {root}\nauthor {_WHO} {when}\ncommitter {_WHO} {when}\n\n".encode()
    arguments = ("hash-object", "-t", "commit", "-w", "--stdin")
    return tree.object_id(*arguments, stdin=content + facts.message(), durable=durable)


def _lines(paths: Iterable[bytes]) -> bytes:
    return b"".join(path + b"\0" for path in paths)
