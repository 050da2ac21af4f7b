"""Make backups in a process of their own, and keep the newest ones for downloading."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import gevent

from opcode_htmx.lib import resources
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.late.patterns import late_pattern

log = logging.getLogger(__name__)

KEPT, KEPT_SECONDS = 3, 7 * 86400.0
_NAME = late_pattern(r"opcode-[0-9]{8}-[0-9]{6}\.tar\.gz(\.age)?", re.ASCII)
_PART = ".part"
_LOCK, _SAID = "lock", "said"
_POLL_SECONDS = 0.2
_MOST_SAID = 2_000
"""Characters of what the command has printed that are shown."""


class BackupRefused(Exception):
    """A backup cannot be begun, or is gone; the text says why."""


@dataclass(frozen=True, slots=True)
class MadeBackup:
    """A backup that is complete. `at` is a Unix time, `size` is in bytes."""

    name: str
    at: float
    size: int

    @property
    def is_encrypted(self) -> bool:
        return self.name.endswith(".age")


class Backups:
    """The backups in a folder, which all workers share."""

    def __init__(self, folder: Path, state: Path, home: Path) -> None:
        self._folder = folder
        self._state = state
        self._home = home

    def all(self) -> list[MadeBackup]:
        """The newest first."""
        found = []
        for path in self._folder.glob("opcode-*") if self._folder.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):
                if _NAME.fullmatch(path.name):
                    status = path.stat()
                    found.append(MadeBackup(path.name, status.st_mtime, status.st_size))
        return sorted(found, key=lambda each: each.name, reverse=True)

    def is_making(self) -> bool:
        """Whether one is being made, by any worker."""
        return file_locks.is_held(self._folder / _LOCK)

    def said(self) -> list[str]:
        """What the command has printed about the last one: sentences for a person."""
        try:
            text = (self._folder / _SAID).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        return [line for line in text[-_MOST_SAID:].splitlines() if line.strip()]

    def path(self, name: str) -> Path:
        """The file of a backup. Raises BackupRefused."""
        path = self._folder / name
        if not _NAME.fullmatch(name) or path.is_symlink() or not path.is_file():
            raise BackupRefused("This backup was removed.")
        return path

    def remove(self, name: str) -> None:
        """Raises BackupRefused, OSError."""
        self.path(name).unlink(missing_ok=True)

    def begin(self, *, with_secrets: bool, passphrase: str) -> str:
        """Begin to make a backup, and return its name. Raises BackupRefused, OSError.

        It goes on without this worker, and is complete once it has its name.
        """
        atomic_files.make_folder(self._folder)
        lock = file_locks.take(self._folder / _LOCK)
        if lock is None:
            raise BackupRefused("A backup is being made already; it appears here when it is done.")
        try:
            for path in self._folder.glob(f"*{_PART}"):  # of a process that was killed
                path.unlink(missing_ok=True)
            name = f"opcode-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz"
            name += ".age" if passphrase else ""
            child = self._start(name, lock, with_secrets=with_secrets, passphrase=passphrase)
        finally:
            os.close(lock)  # the child has it until it ends
        gevent.spawn(self._finish, child, name)
        return name

    def collect(self) -> None:
        """Remove what is too old, and the oldest of too many."""
        for number, each in enumerate(self.all()):
            if number >= KEPT or time.time() - each.at > KEPT_SECONDS:
                (self._folder / each.name).unlink(missing_ok=True)

    def _start(
        self, name: str, lock: int, *, with_secrets: bool, passphrase: str
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "opcode_htmx", "backup", f"{self._folder / name}{_PART}"]
        command += ["--secrets"] if with_secrets else []
        passed = [lock]
        if passphrase:
            reader, writer = os.pipe()
            os.write(writer, passphrase.encode() + b"\n")  # less than a pipe holds
            os.close(writer)
            passed.append(reader)
            command += ["--passphrase-file", f"/dev/fd/{reader}"]
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            with os.fdopen(os.open(self._folder / _SAID, flags, 0o600), "wb") as said:
                return subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    cwd=resources.IMPORT_FOLDER,
                    env={
                        "PATH": os.defpath,
                        "HOME": str(self._home),
                        "OPCODE_STATE_DIR": str(self._state),
                        "PYTHONUTF8": "1",
                    },
                    pass_fds=passed,
                    start_new_session=True,
                )
        finally:
            for file in passed[1:]:
                os.close(file)

    def _finish(self, child: subprocess.Popen[bytes], name: str) -> None:
        while (status := child.poll()) is None:
            gevent.sleep(_POLL_SECONDS)
        if status:
            log.warning("backup %s could not be made: status %d", name, status)
            return
        try:
            (self._folder / f"{name}{_PART}").replace(self._folder / name)
            run_in_thread(self.collect)
        except OSError:
            log.exception("could not keep backup %s", name)
