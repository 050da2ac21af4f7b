"""The hooks that a command of git would run, with digests of what they are."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.listing.program import Program
from opcode_htmx.lib.git.listing.settings import Setting
from opcode_htmx.lib.git.process import GitFailed

MOST_BYTES = 256 * 1024 * 1024
MOST_SECONDS = 5.0
"""The limits for one file: some hooks are programs that bring all they need with them."""
_SMALL_BYTES = 256 * 1024
_ONLY_FOR_GIT = ("%(", ":(")
"""How paths begin that have other rules, such as `%(prefix)/hooks`."""
_CHUNK = 1024 * 1024


def of(git: Git, names: Sequence[str], settings: Sequence[Setting]) -> Iterator[Program]:
    """Those in the hooks' folder, then those that newer versions of git read from the settings.

    Raises GitFailed for one that cannot be looked through.
    """
    repository = git.repository
    common, top = repository.common_dir, repository.top
    folder, of_repository = folder_of(common, top, settings, git.environment)
    yield from in_folder("hook", folder, names, of_repository=of_repository)
    yield from configured("hook", names, settings)


def in_folder(
    kind: str, folder: Path, names: Sequence[str], *, of_repository: bool
) -> Iterator[Program]:
    """Those in a hooks' folder. Raises GitFailed."""
    for name in dict.fromkeys(names):
        path = folder / name
        try:
            is_hook = os.access(path, os.X_OK) and path.is_file()
        except (OSError, ValueError):
            continue
        if is_hook:
            yield Program(kind, name, str(path), of_repository, digest(path))


def digest(path: Path) -> str:
    """Of a file as a whole. Raises GitFailed, also for one that is too large to be read."""
    try:
        is_small = path.stat().st_size <= _SMALL_BYTES
        return _digest(path) if is_small else run_in_thread(_digest, path)
    except OSError as error:
        raise GitFailed(f"{path} cannot be looked through: {error.strerror}.") from None


def _digest(path: Path) -> str:
    found, size, until = hashlib.sha256(), 0, monotonic() + MOST_SECONDS
    # opening a pipe would wait for its writer
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise GitFailed(f"{path} cannot be looked through: it is no file.")
        while piece := file.read(_CHUNK):
            found.update(piece)
            size += len(piece)
            if size > MOST_BYTES or monotonic() > until:
                raise GitFailed(f"{path} cannot be looked through: it is too large.")
    return found.hexdigest()


def folder_of(
    common_dir: Path, top: Path, settings: Sequence[Setting], environment: Mapping[str, str]
) -> tuple[Path, bool]:
    """The hooks' folder, and whether it is the repository's choice; hooks run in `top`.

    Raises GitFailed.
    """
    values = [each for each in settings if each.key == "core.hookspath"]
    if not values:
        return common_dir / "hooks", True
    folder = top / expanded(values[-1].value, environment)
    return folder, values[-1].of_repository or folder.is_relative_to(top)


def expanded(value: str, environment: Mapping[str, str]) -> Path:
    """A path of the settings. Raises GitFailed for one that only git can read."""
    if value.startswith(_ONLY_FOR_GIT):
        raise GitFailed(f"The path “{value}” of the settings cannot be looked through.")
    return with_home(value, environment)


def with_home(path: str, environment: Mapping[str, str]) -> Path:
    """A path, in which `~` at its begin is the home that git has."""
    if (path == "~" or path.startswith("~/")) and environment.get("HOME"):
        return Path(environment["HOME"], path[2:])
    try:
        return Path(path).expanduser()
    except RuntimeError:  # of a user that is none: git refuses it
        return Path(path)


def configured(kind: str, names: Sequence[str], settings: Sequence[Setting]) -> Iterator[Program]:
    """Those that newer versions of git read from the settings."""
    events = {
        each.parts[1]
        for each in settings
        if each.parts[0] == "hook" and each.parts[2] == "event" and each.value in names
    }
    for each in settings:
        section, name, last = each.parts
        if section == "hook" and last == "command" and name in events:
            yield Program(kind, name, each.value, each.of_repository)
