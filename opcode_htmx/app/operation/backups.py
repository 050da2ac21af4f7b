"""Make a backup of the state folder, also while servers and runs write in it, and restore one."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from opcode_htmx.config import state_format, state_use
from opcode_htmx.lib.backup import archive, encryption
from opcode_htmx.lib.backup.archive import Written
from opcode_htmx.lib.backup.unpack import BadBackup, Unpacked, unpack
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.state_dir import StateError, ensure_state_dir
from opcode_htmx.lib.files.state_folders import Backup, StateFolder
from opcode_htmx.lib.formatting import count
from opcode_htmx.lib.version import __version__
from opcode_htmx.runs.control.restored_mark import RestoredMark
from opcode_htmx.runs.model.run_folder import RunFolder
from opcode_htmx.runs.model.warm_mark import WarmMark
from opcode_htmx.runs.processes import process_table

RUNS = "runs"
FILES_OF_PEOPLE = ("attached", "drafts", "trash", "file_trash", "file_uploads", "file_versions")
"""Parts of the state folder with files whose names and contents are not ours."""
_LONGEST_VERSION = 40


@dataclass(frozen=True, slots=True)
class Keys:
    """How a backup is encrypted or decrypted; without any key it is plain."""

    recipients: Sequence[Any] = ()
    identities: Sequence[Any] = ()
    passphrase: str = field(default="", repr=False)


def make(
    state: Path,
    folders: Iterable[StateFolder],
    out: BinaryIO,
    keys: Keys = Keys(),  # noqa: B008 - it is immutable
    *,
    with_secrets: bool = False,
    with_index: bool = False,
) -> Written:
    """Write a backup of the state folder. Raises BackupFailed, StateError, OSError."""
    state_format.check(state)
    wanted = {Backup.ALWAYS}
    wanted |= {Backup.SECRETS} if with_secrets else set()
    wanted |= {Backup.INDEX} if with_index else set()
    names = [each.name for each in folders if each.backup in wanted]
    about = {
        "program": __version__,
        "state_format": state_format.FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "secrets": with_secrets,
        "index": with_index,
    }
    with encryption.encrypted(out, keys.recipients, keys.passphrase) as sink:
        return archive.write(state, names, sink, about, FILES_OF_PEOPLE)


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored. `kept` is the folder that was replaced, under its new name."""

    unpacked: Unpacked
    kept: Path | None
    kept_secrets: bool
    """Whether secrets that the backup lacks were taken over from the replaced folder."""
    left: Sequence[Path] = ()
    """Folders beside it, of restores that were killed."""

    @property
    def has_secrets(self) -> bool:
        return bool(self.unpacked.header.get("secrets"))


def restore(
    file: BinaryIO,
    state: Path,
    folders: Sequence[StateFolder],
    keys: Keys = Keys(),  # noqa: B008
    *,
    replace: bool = False,
) -> Restored:
    """Put a backup in the place of the state folder; nothing changes unless all of it is right.

    Raises BadBackup, and StateError where a server or a run of Claude works in the folder, or it
    is not empty and shall not be replaced. OSError, DiskFull among them.
    """
    state = state.resolve()
    state_use.check_restored(state)
    ensure_state_dir(state)
    left = tuple(state_use.left_by_restores(state))
    with state_use.alone(state):
        _check_place(state, replace=replace)
        place = state_use.place_to_restore(state)
        try:
            place.mkdir(mode=0o700)
        except PermissionError:
            raise StateError(
                f"A folder beside {state} cannot be made: make {state.parent} writable, or name "
                "another folder in OPCODE_STATE_DIR."
            ) from None
        try:
            names = [each.name for each in folders if each.backup is not Backup.NEVER]
            with encryption.decrypted(file, keys.identities, keys.passphrase) as packed:
                unpacked = unpack(packed, place, names, _check_version)
            _mark_live_runs(place / RUNS)
            kept_secrets = _take_over_secrets(state, place, folders)
            _sync(place)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        # From here on both folders are whole, and an error removes neither
        kept = _swap(state, place)
    return Restored(unpacked, kept, kept_secrets, left)


def _check_place(state: Path, *, replace: bool) -> None:
    if state.is_mount():
        raise StateError(
            f"The state folder {state} is where a disk is mounted, and cannot be replaced; name a "
            "folder in it in OPCODE_STATE_DIR."
        )
    if _content(state) and not replace:
        raise StateError(
            f"The state folder {state} is not empty; with --replace it makes place, and is kept "
            "under another name."
        )
    if number := sum(1 for _ in _runs_in(state)):
        raise StateError(
            f"Claude still works for {count(number, 'run')} of {state}: end them first, on the "
            "page Running or with OPCODE_ON_EXIT=stop."
        )


def _content(state: Path) -> list[Path]:
    """What is in the folder, but for the lock of this very check."""
    return [each for each in state.iterdir() if each.name != state_use.FILE]


def _runs_in(state: Path) -> Iterator[str]:
    """The runs of the folder of which a process is alive; processes of others are not seen."""
    found, cache = set[str](), process_table.RunTagCache()
    for pid in process_table.pids():
        key = process_table.key_of(pid)
        tag = cache.of(key) if key else None
        if tag and tag.run_id not in found and Path(tag.folder).parent.parent == state:
            found.add(tag.run_id)
            yield tag.run_id


def _check_version(header: Mapping[str, Any]) -> None:
    """Raises BadBackup for a backup of a state folder that this program cannot read."""
    number, program = header.get("state_format"), header.get("program")
    is_version = (
        isinstance(program, str) and program.isprintable() and len(program) <= _LONGEST_VERSION
    )
    if not isinstance(number, int) or not is_version:
        raise BadBackup("This backup does not say what it was made by, and is refused.")
    if number > state_format.FORMAT:
        raise BadBackup(
            f"This backup was made by opcode-htmx {program}, and this is the older {__version__}, "
            f"which cannot read it; install {program} or newer to restore it."
        )


def _mark_live_runs(runs: Path) -> None:
    """Have no server adopt or end the processes of runs that were alive at the time of the backup.

    They are those of the folder that was backed up, which may be in use on this machine.
    """
    for path in runs.iterdir() if runs.is_dir() else ():
        try:
            is_live = RunFolder(path).load().end is None
        except (OSError, ValueError, KeyError, TypeError):  # no server looks at such a one
            continue
        given = path / "in.ndjson"
        if is_live and WarmMark(path).exists() and not (given.exists() and given.stat().st_size):
            shutil.rmtree(path)  # nobody had used it yet
        elif is_live:
            RestoredMark(path).set()


def _take_over_secrets(state: Path, place: Path, folders: Iterable[StateFolder]) -> bool:
    """Copy the password, logins and the like that the backup lacks; whether there were any."""
    found = False
    for each in folders:
        source, target = state / each.name, place / each.name
        if each.backup is not Backup.SECRETS or target.exists() or source.is_symlink():
            continue
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
            found = True
        elif source.is_file():
            shutil.copy2(source, target)
            found = True
    return found


def _swap(state: Path, place: Path) -> Path | None:
    """Put the unpacked folder in its place; the old one gets another name, if it holds anything."""
    place.chmod(state.stat().st_mode & 0o777)
    kept = None
    if _content(state):
        kept = _name_to_keep(state)
    # At once where the system can: a restore that is killed then leaves a folder in its place
    if atomic_files.exchange(state, place):
        _set_aside(place, kept)
    else:
        whole = state_use.place_when_restored(state)  # which a start then names
        place.rename(whole)
        _set_aside(state, kept)
        whole.rename(state)
    with contextlib.suppress(OSError):
        _sync_one(state.parent)
    return kept


def _name_to_keep(state: Path) -> Path:
    """A name that is not taken, with the time."""
    name = f"{state.name}.before-{time.strftime('%Y%m%d-%H%M%S')}"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(path for each in names if not (path := state.with_name(each)).exists())


def _set_aside(folder: Path, kept: Path | None) -> None:
    """Give the replaced folder another name; remove it if it holds nothing."""
    if kept:
        folder.rename(kept)
    else:
        (folder / state_use.FILE).unlink(missing_ok=True)
        folder.rmdir()


def _sync(folder: Path) -> None:
    """Have all of a folder on the disk before it takes the place of another one."""
    os.sync()
    _sync_one(folder)


def _sync_one(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
