"""Claude's own record of trusted folders, in its state file, read and written as Claude does."""

from __future__ import annotations

import contextlib
import json
import os
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent

from opcode_htmx.engines.claude.trust.repository import (
    main_checkout,
    repository_root,
)
from opcode_htmx.engines.trust import TrustNotRecorded
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.files import atomic_files

MOST_BYTES = 32 * 1024 * 1024
LOCK_STALE_SECONDS = 10.0
"""Claude takes an older lock for one whose holder has died."""
LOCK_WAIT_SECONDS = 15.0
_POLL_SECONDS = 0.05
_ACCEPTED = "hasTrustDialogAccepted"
_FAILURES = (OSError, ValueError, AttributeError, TypeError)
"""Of reading and writing the file, and where its content has another shape."""


def project_key(folder: Path) -> str:
    """The name under which Claude stores the project of a resolved folder."""
    root = repository_root(folder)
    return _name((main_checkout(root) or root) if root else folder)


class TrustRecord:
    """The state file of Claude, whose entries for projects say which of them are trusted."""

    def __init__(self, state_file: Path) -> None:
        self._file = state_file

    def trusted_as(self, folder: Path) -> str | None:
        """The name of the entry by which Claude trusts `folder`; None if there is none.

        `folder` is resolved. It counts as its project, and as the folders above it up to the root
        of its repository.
        """
        try:
            projects = self._content().get("projects")
        except (OSError, ValueError):
            return None
        if not isinstance(projects, dict):
            return None
        root = repository_root(folder)
        names = [project_key(folder)]
        for each in (folder, *folder.parents):
            names.append(_name(each))
            if each == root:
                break
        return next((name for name in names if _accepted(projects.get(name))), None)

    def trusted(self) -> list[str]:
        """The names of all entries that are trusted: the paths of their folders."""
        try:
            projects = self._content().get("projects")
        except (OSError, ValueError):
            return []
        found = projects.items() if isinstance(projects, dict) else ()
        return [name for name, project in found if _accepted(project)]

    def accept(self, folder: Path) -> None:
        """Record that the project of `folder`, a resolved path, is trusted; change nothing else.

        Raises TrustNotRecorded, and changes nothing then.
        """
        try:
            self._change(project_key(folder), is_accepted=True)
        except _FAILURES as error:
            raise TrustNotRecorded(
                f"Claude’s file {self._file} could not be changed ({error}), so this folder "
                "cannot be marked as trusted."
            ) from error

    def take_back(self, name: str) -> None:
        """Record that the entry with this name is not trusted; change nothing else.

        Raises TrustNotRecorded, and changes nothing then.
        """
        try:
            self._change(name, is_accepted=False)
        except _FAILURES as error:
            raise TrustNotRecorded(
                f"Claude’s file {self._file} could not be changed ({error}), so this folder is "
                "still trusted."
            ) from error

    def _change(self, name: str, *, is_accepted: bool) -> None:
        """Raises one of _FAILURES."""
        with self._locked():
            content = self._content()
            projects = content.setdefault("projects", {})
            if not is_accepted and not _accepted(projects.get(name)):
                return
            projects.setdefault(name, {})[_ACCEPTED] = is_accepted
            data = json.dumps(content, ensure_ascii=False, indent=2)
            target = self._file.resolve()
            atomic_files.write(target, data.encode("utf-8", "surrogatepass"), mode=self._mode())

    def _content(self) -> dict[str, Any]:
        """Raises OSError, or ValueError where it holds no object."""
        try:
            if self._file.stat().st_size > MOST_BYTES:
                raise ValueError("it is too large")
            content = bounded_json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        if not isinstance(content, dict):
            raise ValueError("it holds no object")
        return content

    def _mode(self) -> int:
        try:
            return self._file.stat().st_mode & 0o777
        except FileNotFoundError:
            return 0o600

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock that Claude holds while it changes the file: a folder beside it."""
        lock = self._file.with_name(f"{self._file.name}.lock")
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while True:
            try:
                lock.mkdir()
                break
            except FileExistsError:
                with contextlib.suppress(OSError):
                    if time.time() - lock.stat().st_mtime > LOCK_STALE_SECONDS:
                        lock.rmdir()
                        continue
                if time.monotonic() > deadline:
                    raise TimeoutError("Claude holds its lock") from None
                gevent.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.rmdir()


def _accepted(project: object) -> bool:
    return isinstance(project, dict) and project.get(_ACCEPTED) is True


def _name(path: Path) -> str:
    return unicodedata.normalize("NFC", os.fspath(path))
