"""A working tree, and a private git directory with which it is snapshot.

The private directory has a configuration of ours, so no filter, hook, attribute or line ending of
the repository has a say: contents are exact, and nothing runs. It stores objects in the person's
repository, where they are shared with its commits; a folder without a repository has them here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.git import process
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import WRITING
from opcode_htmx.lib.git.process import GitFailed, Output
from opcode_htmx.lib.late.patterns import late_pattern

SECONDS = 600.0
REFS = "refs/opcode/checkpoints/"
"""The snapshots, each below the id of its session."""
_REF = late_pattern(rf"{REFS}[0-9A-Za-z-]{{1,64}}/[0-9]{{6}}", re.ASCII)
_ATTRIBUTES = "* -text -filter -ident -eol -working-tree-encoding -crlf\n"
_SETTINGS = {
    "core.autocrlf": "false",
    "core.fileMode": "true",
    "core.symlinks": "true",
    "core.ignoreCase": "false",
    "core.precomposeUnicode": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "false",
    "core.trustctime": "true",
    "core.splitIndex": "false",
    "core.sparseCheckout": "false",
    "core.logAllRefUpdates": "false",
}
_DURABLE = {"core.fsync": "loose-object,reference", "core.fsyncMethod": "batch"}
_OPTIONS = {"GIT_CONFIG_GLOBAL": "/dev/null"}
_READING = frozenset({"cat-file", "ls-tree", "diff-tree"})
"""Only these see objects elsewhere: the others would write into the repository what needs them."""
_OBJECT_ID = late_pattern(rb"[0-9a-f]{40}|[0-9a-f]{64}")


class SnapshotFailed(Exception):
    """A snapshot or a restore is not possible; the text is a sentence for the person."""


@dataclass(frozen=True, slots=True)
class WorkingTree:
    """A working tree: that of a folder's repository, or the folder itself."""

    top: Path
    """Resolved."""
    repository: Git | None
    private: Path
    """Our folder for this tree: `git/`, `index`, `lock`, and the journal of a restore."""
    environment: Mapping[str, str]
    earlier: Path | None = None
    """The objects of snapshots from before the folder had a repository; they are only read."""
    scratch: Path | None = None
    """A temporary folder that takes what is written, instead of the private one and the objects."""

    @classmethod
    def of(cls, folder: Path, store: Path, environment: Mapping[str, str]) -> WorkingTree:
        """The working tree of a folder. `store` is where the private folders are.

        Raises SnapshotFailed, GitFailed, RepositoryRefused, OSError.
        """
        repository = Git.at(folder, environment, WRITING)
        if repository is not None:
            repository = repository.at_top()
        top = repository.folder if repository else folder.resolve(strict=True)
        plain = private_folder(store, top, has_repository=False)
        own = private_folder(store, top, has_repository=repository is not None)
        tree = cls(top, repository, own, environment)
        if repository is not None and (plain / "git" / "objects").is_dir():
            tree = replace(tree, earlier=plain / "git" / "objects")
        tree._prepare()
        return tree

    @property
    def has_repository(self) -> bool:
        return self.repository is not None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the tree's lock: one snapshot or restore at a time, over all workers.

        The private folder may have been removed as unused meanwhile: then it is made again.
        """
        while True:
            with self._lock():
                if (self._git_dir / "HEAD").is_file():
                    os.utime(self.private / "lock")  # when it was last used
                    yield
                    return
            self._prepare()

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        atomic_files.make_folder(self.private)
        with file_locks.held(self.private / "lock"):
            yield

    def theirs(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run git in the person's repository, or in ours where there is none."""
        if self.repository is None:
            return self.ours(*arguments, stdin=stdin)
        output = self.repository.run(
            *arguments,
            stdin=stdin,
            variables={"GIT_OPTIONAL_LOCKS": "0"},
            seconds=SECONDS,
            most_bytes=_MOST_LISTING,
        )
        return _whole(output)

    def ignored(self, paths: Sequence[bytes], rules: Path | None = None) -> set[bytes]:
        """Those of the paths that the repository's rules ignore.

        With `rules`, a folder with .gitignore files, those decide. Raises GitFailed.
        """
        if not paths:
            return set()
        # what begins so is no pattern for git
        stdin = b"".join(b"./" + path + b"\0" for path in paths)
        arguments = ("check-ignore", "-z", "--stdin")
        try:
            if rules is None:
                output = self.theirs(*arguments, stdin=stdin)
            else:
                output = self.ours(*arguments, "--no-index", stdin=stdin, work_tree=rules)
        except GitFailed as error:
            if error.status == 1:  # none is
                return set()
            raise
        return {path[2:] for path in output.split(b"\0") if path}

    def ours(
        self,
        *arguments: str,
        stdin: bytes = b"",
        durable: bool = False,
        work_tree: Path | None = None,
        index: Path | None = None,
        settings: Mapping[str, str] | None = None,
        most_bytes: int | None = None,
    ) -> bytes:
        """Run git with the private directory, on the tree's objects. Raises GitFailed."""
        where = {
            "GIT_DIR": str(self._git_dir),
            "GIT_WORK_TREE": str(work_tree or self.top),
            "GIT_INDEX_FILE": str(index or self.place / "index"),
            "GIT_OBJECT_DIRECTORY": str(self._objects),
            **_OPTIONS,
        }
        others = [self.earlier] if self.earlier and arguments[0] in _READING else []
        if self.scratch is not None:
            where["GIT_OBJECT_DIRECTORY"] = str(self.scratch / "objects")
            others.append(self._objects)
        if others:
            where["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = ":".join(map(_quoted, others))
        output = process.run(
            arguments,
            work_tree or self.top,
            self.environment,
            policy=WRITING,
            overrides={**_SETTINGS, **(_DURABLE if durable else {}), **(settings or {})},
            repository=where,
            stdin=stdin,
            seconds=SECONDS,
            most_bytes=most_bytes or _MOST_LISTING,
        )
        return _whole(output)

    def object_id(self, *arguments: str, stdin: bytes = b"", durable: bool = False) -> str:
        """The id of the object that a command of git has written, or found."""
        found = self.ours(*arguments, stdin=stdin, durable=durable).strip()
        if not _OBJECT_ID.fullmatch(found):
            raise SnapshotFailed("No object was named.")
        return found.decode()

    @contextlib.contextmanager
    def looking(self) -> Iterator[WorkingTree]:
        """The same tree for a look at what is there now: a snapshot of it leaves nothing behind."""
        with tempfile.TemporaryDirectory(prefix="opcode-look-") as name:
            scratch = Path(name)
            (scratch / "objects").mkdir()
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(self.private / "index", scratch / "index")
            yield replace(self, scratch=scratch)

    @property
    def place(self) -> Path:
        """Where the index and temporary files are."""
        return self.scratch or self.private

    # --- references -------------------------------------------------------------------------

    def keep(self, reference: str, commit: str) -> None:
        """Set a reference that does not exist yet. Raises GitFailed."""
        self.theirs("update-ref", "--no-deref", _checked(reference), commit, "")

    def drop(self, reference: str) -> None:
        """Delete a reference; its objects are garbage then. Nothing happens without one."""
        self.theirs("update-ref", "--no-deref", "-d", _checked(reference))

    def commit_of(self, reference: str) -> str | None:
        """The commit that a reference names; None if there is none."""
        try:
            found = self.theirs(
                "rev-parse", "--verify", "--quiet", f"{_checked(reference)}^{{commit}}"
            )
        except GitFailed as error:
            if error.status == 1:
                return None
            raise
        return found.strip().decode()

    # --- the private directory --------------------------------------------------------------

    @property
    def _git_dir(self) -> Path:
        return self.private / "git"

    @property
    def _objects(self) -> Path:
        if self.repository is None:
            return self._git_dir / "objects"
        return self.repository.repository.common_dir / "objects"

    def _prepare(self) -> None:
        """Make the private directory if it is missing, or has another kind of object ids."""
        kind = self._object_format()
        mark = self.private / "format"
        if mark.is_file() and mark.read_text() == kind and (self._git_dir / "HEAD").is_file():
            return
        with self._lock():
            (self.private / "index").unlink(missing_ok=True)
            if self.repository is not None:
                shutil.rmtree(self._git_dir, ignore_errors=True)
            process.run(
                ["init", "--quiet", "--bare", "--template=", f"--object-format={kind}"]
                + ["--", str(self._git_dir)],
                self.private,
                self.environment,
                policy=WRITING,
                repository=_OPTIONS,
            )
            atomic_files.make_folder(self._git_dir / "info")
            (self._git_dir / "info" / "attributes").write_text(_ATTRIBUTES)
            self._share()
            atomic_files.write(self.private / "top", os.fsencode(self.top), durable=False)
            atomic_files.write(mark, kind.encode(), durable=False)

    def _object_format(self) -> str:
        if self.repository is None:
            return "sha1"
        return self.theirs("rev-parse", "--show-object-format").decode().strip()

    def _share(self) -> None:
        """Take over who may write into the repository: objects are written into it."""
        if self.repository is None:
            return
        with contextlib.suppress(GitFailed):
            shared = self.theirs("config", "--get", "core.sharedRepository").decode().strip()
            self.ours("config", "core.sharedRepository", shared)


_MOST_LISTING = 256 * 1024 * 1024


def reference(session_id: str, number: int) -> str:
    """The reference of a session's checkpoint."""
    return _checked(f"{REFS}{session_id}/{number:06}")


def private_folder(store: Path, top: Path, *, has_repository: bool) -> Path:
    """Our folder for a working tree, by its top."""
    kind = b"git" if has_repository else b""
    digest = hashlib.sha256(os.fsencode(top) + b"\0" + kind).hexdigest()
    return store / digest[:32]


def _quoted(path: Path) -> str:
    """A path as git reads it in a list of paths."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _checked(name: str) -> str:
    if not _REF.fullmatch(name):
        raise ValueError(f"{name!r} is no reference of a checkpoint")
    return name


def _whole(output: Output) -> bytes:
    if output.cut:
        raise SnapshotFailed("This folder has too many files for a checkpoint.")
    return output.content
