"""Folders that are filled once for all tests of a process, because git takes long to fill them."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.suite.shared import FOLDER


@dataclass(frozen=True)
class _Made:
    """What there was below `top`, by paths within it."""

    top: bytes
    folders: tuple[str, ...]
    links: dict[str, str]
    files: dict[str, bytes]
    programs: frozenset[str]


def fill(folder: Path, make: Callable[[Path], object]) -> None:
    """Fill `folder` as `make` fills an empty one; `make` is called once for each process.

    Paths of its folder in files and links become those of `folder`, so no committed file may have
    one. Git finds that the files are others than those in its index, and reads them once more.
    """
    made = _made(make)
    here, there = os.fsencode(folder), str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in made.folders:
        Path(folder, name).mkdir(exist_ok=True)
    for name, content in made.files.items():
        Path(folder, name).write_bytes(content.replace(made.top, here))
    for name in made.programs:
        Path(folder, name).chmod(0o755)
    for name, target in made.links.items():
        Path(folder, name).symlink_to(target.replace(os.fsdecode(made.top), there))


@functools.cache
def _made(make: Callable[[Path], object]) -> _Made:
    # It stays until the tests end: a copy that got the number of a removed file within its second
    # would be taken by git for that file, whatever is in it.
    top = Path(tempfile.mkdtemp(prefix="made-once-", dir=os.environ[FOLDER])).resolve()
    make(top)
    found = sorted(top.rglob("*"))
    links = {path for path in found if path.is_symlink()}
    folders = [path for path in found if path.is_dir() and path not in links]
    files = [path for path in found if path.is_file() and path not in links]
    return _Made(
        os.fsencode(top),
        tuple(str(path.relative_to(top)) for path in folders),
        {str(path.relative_to(top)): str(path.readlink()) for path in links},
        {str(path.relative_to(top)): path.read_bytes() for path in files},
        frozenset(str(path.relative_to(top)) for path in files if path.stat().st_mode & 0o100),
    )
