"""A working tree with a history of random edits, and what is in it."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from opcode_htmx.lib.git.snapshots import restore, snapshot
from opcode_htmx.lib.git.snapshots.restore import Outcome
from opcode_htmx.lib.git.snapshots.snapshot import Snapshot
from opcode_htmx.lib.git.snapshots.tree import WorkingTree, reference
from tests.support.copies import fill
from tests.support.environment import SYSTEM_PATH
from tests.support.plain_git import GIT

SESSION = "0a1b2c3d-0000-4000-8000-000000000001"
NAMES = (
    b"a", b"b.txt", b"c.bin", b"d e", b"line\nbreak", b"tab\t", b"\xff\xfe", b"-rf", b":(top)x",
    "ümläut".encode(), "\u202egnp".encode(), b"x.log", b".hidden", b"*", b"quote\"'", b"made.txt",
)  # fmt: skip
RULES = "*.log\n/built/\n"
FOLDERS = (b"", b"src", b"src/deep", b"new\nline", b"docs", b"built", b"a")


@dataclass
class Orchard:
    """A folder that is snapshot, with a repository or without."""

    top: Path
    store: Path
    home: Path
    number: int = 0

    @property
    def environment(self) -> dict[str, str]:
        who = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME",)}
        return {"PATH": SYSTEM_PATH, "HOME": str(self.home), "EMAIL": "a@b.example", **who}

    def git(self, *arguments: str) -> bytes:
        return subprocess.run(
            [*GIT, *arguments],
            cwd=self.top,
            env=self.environment,
            capture_output=True,
            check=True,
        ).stdout

    def repository(self) -> Orchard:
        fill(self.top, _init)
        return self

    @property
    def tree(self) -> WorkingTree:
        return WorkingTree.of(self.top, self.store, self.environment)

    def take(self, about: Mapping[str, object] | None = None) -> Snapshot:
        tree = self.tree
        with tree.locked():
            return self.keep(snapshot.take(tree, about or {}))

    def keep(self, taken: Snapshot) -> Snapshot:
        self.number += 1
        self.tree.keep(reference(SESSION, self.number), taken.commit)
        return taken

    def restore(self, then: Snapshot) -> tuple[Snapshot, Outcome]:
        """The snapshot before the restore, and what it did."""
        tree = self.tree
        with tree.locked():
            now = self.keep(restore.save_now(tree, then, {}))
            return now, restore.run(tree, now, then, {})

    def contents(self) -> Contents:
        """All entries: kinds, permissions and contents; without .git."""
        found: Contents = {}
        top = os.fsencode(self.top)
        for folder, folders, files in os.walk(top):
            folders[:] = [each for each in folders if each != b".git"]
            for name in (*folders, *files):
                path = folder + b"/" + name
                status = os.lstat(path)
                kind = stat.S_IFMT(status.st_mode)
                mode = 0 if stat.S_ISLNK(status.st_mode) else stat.S_IMODE(status.st_mode)
                content = b""
                if stat.S_ISLNK(status.st_mode):
                    content = os.fsencode(Path(os.fsdecode(path)).readlink())
                elif stat.S_ISREG(status.st_mode):
                    content = Path(os.fsdecode(path)).read_bytes()
                found[os.path.relpath(path, top)] = kind, mode, content
        return found

    def git_state(self) -> dict[str, bytes]:
        """What a person has in git: the index, HEAD, and all references but ours."""
        if not (self.top / ".git").is_dir():
            return {}
        found = {name: (self.top / ".git" / name).read_bytes() for name in ("index", "HEAD")
                 if (self.top / ".git" / name).exists()}  # fmt: skip
        refs = self.git("for-each-ref").splitlines()
        found["refs"] = b"\n".join(each for each in refs if b"refs/opcode/" not in each)
        return found

    def edit(self, rng: random.Random, times: int) -> None:
        for _ in range(times):
            _edit(Path(self.top), rng)


def _init(folder: Path) -> None:
    Orchard(folder, folder, folder).git("init", "-q", "-b", "main")


Contents = dict[bytes, tuple[object, ...]]


def is_ignored(path: bytes) -> bool:
    """Whether the rules of `RULES` ignore it."""
    return any(part.endswith(b".log") for part in path.split(b"/")) or path.startswith(b"built")


def ignored(contents: Contents) -> Contents:
    return {path: each for path, each in contents.items() if is_ignored(path)}


def differences(first: Contents, second: Contents) -> set[bytes]:
    """The paths that a restore should have made equal and that are not.

    A folder that holds nothing but ignored files is none of a snapshot's.
    """
    vague = _only_ignored(first) | _only_ignored(second)
    return {
        path
        for path in first.keys() | second.keys()
        if first.get(path) != second.get(path) and not is_ignored(path) and path not in vague
    }


def _only_ignored(contents: Contents) -> set[bytes]:
    files = [path for path in contents if contents[path][0] != stat.S_IFDIR]
    holding = {each for path in files if not is_ignored(path) for each in _parents(path)}
    some = {each for path in contents if is_ignored(path) for each in _parents(path)}
    return some - holding


def _parents(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:number]) for number in range(1, len(parts))]


def content(rng: random.Random) -> bytes:
    match rng.randrange(6):
        case 0:
            return b""
        case 1:
            return b"one\r\ntwo\r\nthree\n" * rng.randrange(1, 4)
        case 2:
            return rng.randbytes(rng.randrange(1, 5000))
        case 3:
            return b"$Id$ \x00 $Id: x $"
        case 4:
            return "ü\r\n".encode("utf-16") * rng.randrange(1, 9)
        case _:
            return b"text %d\n" % rng.randrange(100)


def _edit(top: Path, rng: random.Random) -> None:
    place = Path(os.fsdecode(os.fsencode(top) + b"/" + rng.choice(FOLDERS)))
    path = Path(os.fsdecode(os.fsencode(place) + b"/" + rng.choice(NAMES)))
    act = rng.randrange(12)
    if act == 0:
        _remove(place if place != top else path)
    elif act == 1:
        _remove(path)
    elif act == 2 and path.is_file() and not path.is_symlink():
        path.chmod(rng.choice((0o644, 0o755, 0o600, 0o664, 0o700, 0o444, 0o751)))
    elif act == 3 and _make_parents(path):
        _remove(path)
        path.symlink_to(rng.choice(("a", "../..", "/etc/passwd", "nowhere", "src", "b.txt")))
    elif act == 4 and _make_parents(path):
        _remove(path)
        path.mkdir()
    elif act == 5 and place.is_dir() and not place.is_symlink() and place != top:
        place.chmod(rng.choice((0o755, 0o700, 0o775)))
    elif _make_parents(path):
        if path.is_symlink() or path.is_dir():
            _remove(path)
        if path.exists() and not os.access(path, os.W_OK):
            path.chmod(0o644)
        path.write_bytes(content(rng))


def _make_parents(path: Path) -> bool:
    """Make the folder of a path; what is in its way goes, as where a person does that."""
    for parent in reversed(path.parents):
        if parent.is_symlink() or parent.is_file():
            parent.unlink()
        if not parent.is_dir():
            parent.mkdir()
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
