"""Find the repository that a folder belongs to, and refuse one whose parts lie elsewhere.

A `.git` entry may name any folder of this machine as its repository. It is trusted if it is the
repository itself, or if the repository names the folder in turn, as linked worktrees and submodules
do. Otherwise it would expose the file names, and later the contents, of another repository.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined

_MOST_BYTES = 4096
"""The limit for the small files that hold a path."""
_MOST_OF_HEADS = 256 * 1024
"""That for files of references: MERGE_HEAD has a line for each branch that is merged."""
_MOST_ENTRIES = 10_000
_HEADS = ("HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "MERGE_HEAD")
_FILES = frozenset(
    {"config", "config.worktree", "index", "packed-refs", "shallow", "commondir", "gitdir", *_HEADS}
)
"""The files of a repository that git opens first. It would wait for the writer of a pipe."""
_OF_SUBMODULE = frozenset({"HEAD", "config", "packed-refs", "commondir"})
"""The files that git opens to see which commit a submodule is at."""
_MOST_SUBMODULES = 200
"""Submodules that are looked at; in further ones git waits as long as it may."""
_FOLDERS = ("refs", "refs/replace", "sequencer", "rebase-merge", "rebase-apply")
"""The folders of which git opens any file, for most commands."""
_BLANKS = " \t\r\n"
"""What git takes for blanks."""
_OF_WORKING_TREE = (".gitignore", ".gitattributes", ".gitmodules")
"""The files that git opens at the top of a working tree."""
_MOST_STEPS = 5
"""References, one naming the next, that git follows to a commit."""


class RepositoryRefused(Exception):
    """A folder's repository may not be its own; the text says why."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository and its working tree; all paths are resolved."""

    top: Path
    git_dir: Path
    common_dir: Path
    """Holds objects and references: `git_dir`, or the main repository's for a worktree."""

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables that fix the repository: git searches none, no setting moves it."""
        return {
            "GIT_DIR": str(self.git_dir),
            "GIT_COMMON_DIR": str(self.common_dir),
            "GIT_WORK_TREE": str(self.top),
        }


def find(folder: Path, worktree_setting: Callable[[Path], str | None]) -> Repository | None:
    """The repository of a folder, or of the nearest one above it that has a `.git`.

    None if there is none. Raises RepositoryRefused. `worktree_setting` reads `core.worktree` from a
    configuration file.
    """
    try:
        folder = folder.resolve(strict=True)
        for top in (folder, *folder.parents):
            entry = top / ".git"
            try:
                status = entry.lstat()
            except FileNotFoundError:
                continue
            repository = _at(top, entry, status, worktree_setting)
            _check_owner(top, entry, repository.git_dir, repository.common_dir)
            _check_parts(repository)
            for name in _OF_WORKING_TREE:
                if not (top / name).is_symlink():  # git follows none of these names
                    _check_no_pipe(top / name)
            return repository
    except (OSError, ValueError, RuntimeError) as error:
        raise RepositoryRefused(f"The repository of {folder} cannot be read: {error}") from error
    return None


def bare(folder: Path) -> Repository:
    """The repository that a folder is, without a working tree. Raises RepositoryRefused."""
    try:
        if folder.is_symlink() or (folder / "commondir").exists():
            raise RepositoryRefused(f"{folder} takes its objects from another repository.")
        if not all((folder / name).exists() for name in ("HEAD", "objects", "refs")):
            raise RepositoryRefused(f"{folder} is no bare repository.")
        found = folder.resolve(strict=True)
        repository = Repository(found, found, found)
        _check_owner(found)
        _check_parts(repository)
    except (OSError, ValueError, RuntimeError) as error:
        raise RepositoryRefused(f"The repository {folder} cannot be read: {error}") from error
    return repository


def _at(
    top: Path,
    entry: Path,
    status: os.stat_result,
    worktree_setting: Callable[[Path], str | None],
) -> Repository:
    if stat.S_ISDIR(status.st_mode):
        if (entry / "commondir").exists():
            raise RepositoryRefused(f"{entry} takes its objects from another repository.")
        return Repository(top, entry, entry)
    if not stat.S_ISREG(status.st_mode):
        raise RepositoryRefused(f"{entry} is neither a folder nor a file.")
    git_dir = _git_file(entry)
    if _path_in(git_dir / "gitdir", git_dir) == entry:
        common_dir = _path_in(git_dir / "commondir", git_dir)
        # The place where `git worktree add` puts it; elsewhere it could name any repository
        if common_dir is None or git_dir.parent != common_dir / "worktrees":
            raise RepositoryRefused(f"{entry} is not a worktree of its repository.")
        return Repository(top, git_dir, common_dir)
    if (git_dir / "commondir").exists():
        raise RepositoryRefused(f"{git_dir} takes its objects from another repository.")
    _check_file(git_dir / "config")
    named = worktree_setting(git_dir / "config")
    if named is None or (git_dir / named).resolve() != top:
        raise RepositoryRefused(f"{entry} names a repository that does not name {top} in turn.")
    return Repository(top, git_dir, git_dir)


def _git_file(entry: Path) -> Path:
    before, label, name = small_file(entry).partition("gitdir: ")
    name = name.rstrip("\r\n")  # as git reads it: blanks at its end are part of the name
    if before or not label or not name:
        raise RepositoryRefused(f"{entry} names no repository.")
    return (entry.parent / name).resolve(strict=True)


def _path_in(file: Path, base: Path) -> Path | None:
    """The resolved path in a file (a last part `.git` is not resolved); None without a file."""
    try:
        path = base / small_file(file).rstrip("\r\n")
    except FileNotFoundError:
        return None
    return path.parent.resolve() / path.name if path.name == ".git" else path.resolve()


def small_file(path: Path, most: int = _MOST_BYTES) -> str:
    """A whole file of a repository; opening a pipe in its place would wait for its writer.

    Raises RepositoryRefused for one that is no file or has more than `most` bytes, and OSError.
    """
    descriptor = os.open(path, confined.READ)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise RepositoryRefused(f"{path} is not a file.")
        content = file.read(most + 1)
    if len(content) > most:
        raise RepositoryRefused(f"{path} is too large.")
    return os.fsdecode(content)


def _check_owner(*paths: Path) -> None:
    """Refuse paths of another user, as git does for a repository that it finds by itself."""
    for path in paths:
        if path.lstat().st_uid != os.geteuid():
            raise RepositoryRefused(f"{path} belongs to another user.")


def _check_parts(repository: Repository) -> None:
    """Refuse links to the outside, and objects borrowed from another repository."""
    inside = {repository.git_dir, repository.common_dir}
    objects = repository.common_dir / "objects"
    for folder in inside:
        _check_entries(folder, inside, files=_FILES)
    for folder in (objects, objects / "info", repository.common_dir / "info"):
        _check_entries(folder, inside)
    for name in _HEADS:
        _check_reference(name, inside)
    for folder in inside:
        for name in _FOLDERS:
            _check_entries(folder / name, inside)
        _check_submodules(folder / "modules")
    for name in ("alternates", "http-alternates"):
        if (objects / "info" / name).exists():
            raise RepositoryRefused(f"{objects} takes objects from another repository.")


def _check_entries(folder: Path, inside: set[Path], files: Collection[str] = ()) -> None:
    """Refuse links to the outside, and pipes in place of the `files`; of any file, if empty."""
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for number, each in enumerate(entries):
            if number >= _MOST_ENTRIES:
                raise RepositoryRefused(f"{folder} has too many entries.")
            if each.is_symlink():
                target = Path(each.path).resolve()
                if not any(target.is_relative_to(place) for place in inside):
                    raise RepositoryRefused(f"{each.path} is a link to the outside.")
            if each.name in files:
                _check_file(Path(each.path))
            elif not files and not each.is_file() and not each.is_dir():
                _check_no_pipe(Path(each.path))


def _check_submodules(folder: Path) -> None:
    """Refuse a pipe in place of what git opens of each submodule to see which commit it is at.

    A submodule is named by its path: `libs/plum` is in a folder `libs`.
    """
    waiting = [folder]
    for _ in range(_MOST_SUBMODULES):
        if not waiting:
            return
        inner = waiting.pop()
        try:
            names = os.listdir(inner)  # noqa: PTH208 - looked at before each command
        except OSError:
            continue
        if "HEAD" in names:
            for name in _OF_SUBMODULE.intersection(names):
                _check_no_pipe(inner / name)
        else:
            waiting += [inner / name for name in names[:_MOST_SUBMODULES]]


def _check_reference(name: str, inside: Collection[Path]) -> None:
    """Refuse a pipe in place of a file that git opens to see which commit a reference is."""
    names = {name}
    for _ in range(_MOST_STEPS):
        names = {each for name in names for place in inside for each in _named_in(place / name)}


def _named_in(file: Path) -> Iterator[str]:
    """The references that the file of a reference may name in turn: as a link, or by its text."""
    try:
        mode = file.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    _check_no_pipe(file)
    if stat.S_ISLNK(mode):
        if (target := str(file.readlink())).startswith("refs/"):
            yield target
        file = file.resolve()
    if file.is_file() and (text := small_file(file, _MOST_OF_HEADS)).startswith("ref:"):
        yield text.removeprefix("ref:").strip(_BLANKS).removeprefix("main-worktree/")


def _check_file(path: Path) -> None:
    """Refuse what is there and no regular file."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise RepositoryRefused(f"{path} is not a file.")


def _check_no_pipe(path: Path) -> None:
    """Refuse what git would wait for if it opened it."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if stat.S_ISFIFO(path.stat().st_mode):
            raise RepositoryRefused(f"{path} is a pipe, and not a file.")
