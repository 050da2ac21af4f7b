"""Discard changes so that they can be brought back for 7 days.

The changes are saved first: a commit under a ref of our own, with the files as they are, byte
by byte, made without the index, HEAD and the working tree. Only then are they discarded. A process
that is killed in between leaves either the changes, or the changes and what can be brought back.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.git.commands import patches, staging
from opcode_htmx.lib.git.commands.state import StateChanged
from opcode_htmx.lib.git.discards import kept, working_files
from opcode_htmx.lib.git.discards.kept import Kept, KeptFile
from opcode_htmx.lib.git.discards.working_files import CannotKeep, Found
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.policy import WRITING
from opcode_htmx.lib.git.porcelain import Entry

MOST_FILES = 5000
MOST_TOTAL = 1024 * 1024 * 1024


def discard_files(git: Git, entries: Sequence[Entry], title: str) -> str:
    """Discard what the index has not got of these files; gives the id to bring it back by.

    New files go, others become what the index has. Filters run if the policy of `git` lets them.
    Raises CannotKeep, StateChanged, GitFailed, OSError.
    """
    for each in entries:
        if each.is_submodule or each.is_repository or each.is_conflict:
            raise CannotKeep(
                f"“{_shown(each.path)}” cannot be discarded here: it is "
                + ("in conflict." if each.is_conflict else "a repository of its own.")
            )
        working_files.check_way(git.repository.top, each.path)
    paths = [each.path for each in entries]
    saved, seen = _save(git, paths, title)
    top = git.repository.top
    _check_same(top, seen)
    promised = [each.path for each in entries if each.unstaged == "A"]  # by `git add -N`
    new = [each.path for each in entries if each.unstaged in "?A"]
    for path in new:
        working_files.remove(top, path)
    if promised:
        _update(git, promised, "--force-remove")
    known = [each.path for each in entries if each.unstaged not in "?A"]
    if known:
        listing = b"".join(path + b"\0" for path in known)
        git.run("checkout-index", "--force", "--index", "-z", "--stdin", stdin=listing)
    _note_after(git, saved, paths)
    return saved.id


def discard_lines(git: Git, found: staging.FileChange, chosen: staging.Chosen, title: str) -> str:
    """Discard some lines of a file; gives the id to bring it back by.

    Raises StateChanged, NothingChosen, CannotSplit, CannotKeep, GitFailed, OSError.
    """
    staging.check_hunks(found, chosen)
    path = found.entry.path
    if found.entry.unstaged == "D":
        raise CannotKeep(f"“{_shown(path)}” was deleted: discard that as a whole.")
    working_files.check_way(git.repository.top, path)
    saved, seen = _save(git, [path], title)
    _check_same(git.repository.top, seen)
    staging.apply_to_files(git, found, chosen)
    _note_after(git, saved, [path])
    return saved.id


def save(git: Git, paths: Sequence[bytes], title: str) -> str:
    """Keep files as they are now, before something else changes them; gives the id.

    Raises CannotKeep, GitFailed, OSError.
    """
    return _save(git, paths, title)[0].id


def bring_back(git: Git, kept_id: str) -> str:
    """Put discarded files back as they were.

    Where a file has changed since, that is kept in turn, and its id is given; else an empty text.
    Raises StateChanged, CannotKeep, GitFailed, OSError.
    """
    saved = kept.find(git, kept_id)
    if saved is None or saved.kind != "files":
        raise StateChanged("What was discarded there is not kept any more.")
    top = git.repository.top
    paths = [each.path for each in saved.files]
    for path in paths:
        working_files.check_way(top, path)
    now = _looked(git, paths, write=False)
    changed = [
        each.path
        for each, (file, _) in zip(saved.files, now, strict=True)
        if each.after is None or each.after != (file.mode, file.blob)
    ]
    replaced = save(git, changed, f"Replaced by: {saved.title}"[:200]) if changed else ""
    for each in saved.files:
        if each.blob:
            content = git.run(
                "cat-file", "blob", each.blob, most_bytes=working_files.MOST_BYTES + 1
            )
            found = Found(each.mode, each.is_link)
            run_in_thread(working_files.write, top, each.path, content.content, found)
        else:
            working_files.remove(top, each.path)
    kept.forget(git, saved)
    return replaced


def _save(git: Git, paths: Sequence[bytes], title: str) -> tuple[Kept, list[tuple[bytes, Found]]]:
    if len(paths) > MOST_FILES:
        raise CannotKeep(f"More than {MOST_FILES:,} files at once cannot be kept: choose fewer.")
    writing = git.under(WRITING)
    looked = _looked(writing, paths, write=True)
    files = tuple(file for file, _ in looked)
    saved = kept.add(writing, "files", title, _tree(writing, files), files=files)
    return saved, [(file.path, found) for file, found in looked]


def _looked(git: Git, paths: Sequence[bytes], *, write: bool) -> list[tuple[KeptFile, Found]]:
    """The files as they are, each with the name of its content, which is stored if `write`."""
    top = git.repository.top
    found = [(path, working_files.look(top, path)) for path in paths]
    if sum(each.size for _, each in found) > MOST_TOTAL:
        raise CannotKeep("That is too much to be kept at once: choose fewer files.")
    regular = [path for path, each in found if each.exists and not each.is_link]
    names = dict(zip(regular, _hashed(git, regular, write=write), strict=True))
    for path, each in found:
        if each.is_link:
            text = working_files.read(top, path, each)
            names[path] = _hash_text(git, text, write=write)
    return [
        (KeptFile(path, each.mode, each.is_link, names.get(path, "")), each) for path, each in found
    ]


def _hashed(git: Git, paths: Sequence[bytes], *, write: bool) -> list[str]:
    """The object names of files, byte by byte: no filter and no line ending is applied."""
    if not paths:
        return []
    lines = b"".join(patches.quoted(path) + b"\n" for path in paths)
    options = ("-w",) if write else ()
    output = git.run("hash-object", *options, "--no-filters", "--stdin-paths", stdin=lines)
    return output.content.decode("ascii").split()


def _hash_text(git: Git, text: bytes, *, write: bool) -> str:
    options = ("-w",) if write else ()
    # an empty stdin would be none at all, but no link is empty
    output = git.run("hash-object", *options, "--stdin", stdin=text)
    return output.content.decode("ascii").strip()


def _tree(git: Git, files: Sequence[KeptFile]) -> str:
    """A tree with the files in their places, made by an index of its own."""
    rows = b"".join(
        b"%s %s\t%s\0" % (_git_mode(each), each.blob.encode(), each.path)
        for each in files
        if each.blob
    )
    with TemporaryDirectory(prefix="opcode-index-") as folder:
        variables = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        if rows:
            git.run("update-index", "-z", "--index-info", stdin=rows, variables=variables)
        return git.run("write-tree", variables=variables).content.decode("ascii").strip()


def _git_mode(file: KeptFile) -> bytes:
    if file.is_link:
        return b"120000"
    return b"100755" if file.mode & stat.S_IXUSR else b"100644"


def _update(git: Git, paths: Sequence[bytes], option: str) -> None:
    listing = b"".join(path + b"\0" for path in paths)
    git.run("update-index", option, "-z", "--stdin", stdin=listing)


def _check_same(top: Path, seen: Sequence[tuple[bytes, Found]]) -> None:
    """Raises StateChanged if a file was written since it was saved."""
    for path, found in seen:
        if working_files.look(top, path).mark != found.mark:
            raise StateChanged(
                f"“{_shown(path)}” was being written just now. Nothing was done: look again."
            )


def _note_after(git: Git, saved: Kept, paths: Sequence[bytes]) -> None:
    """Note what discarding has left, so that bringing it back notices later changes."""
    now = _looked(git, paths, write=False)
    files = tuple(
        replace(file, after=(left.mode, left.blob))
        for file, (left, _) in zip(saved.files, now, strict=True)
    )
    kept.rewrite(git, replace(saved, files=files))


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "replace")
