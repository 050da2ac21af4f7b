"""Whether a process may start with the files of a project, or a person has to trust them first.

A project counts as trusted where Claude has recorded so. What its files may run is kept as digests
under the same name as Claude has: a folder or a worktree that is trusted along with it and holds
something else needs a decision, and so does what is added later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from opcode_htmx.engines.base import TrustFiles
from opcode_htmx.engines.trust import TrustItem
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_files import JsonFileSchema

SENTENCE = (
    "The files of this project may run commands on this computer or change how Claude works, and "
    "nobody has trusted them yet."
)
CHANGED = (
    "The files of this project have changed since it was trusted: there is more that they may run "
    "or allow."
)


class TrustNeeded(Exception):
    """The files of a project take effect only once a person has trusted them.

    `items` are those that nobody has trusted yet; `digest` identifies all that the files hold now.
    `session_id` is the prompted session, if any.
    """

    session_id = ""

    def __init__(
        self, folder: Path, items: Sequence[TrustItem], digest: str, sentence: str
    ) -> None:
        super().__init__(sentence)
        self.folder = folder
        self.items = tuple(items)
        self.digest = digest

    def described(self) -> Json:
        """The list as the API returns it."""
        items = [
            {"kind": str(item.kind), "name": item.name, "text": item.text, "file": str(item.file)}
            for item in self.items
        ]
        return {"folder": str(self.folder), "items": items}


@dataclass(frozen=True, slots=True)
class _Kept:
    """Digests for a project: of trusted items, None before that, and of those allowed on a card."""

    project: str
    trusted: frozenset[str] | None = None
    allowed: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, found: dict[str, Any]) -> _Kept:
        trusted = found["trusted"]
        return cls(
            str(found["project"]),
            None if trusted is None else frozenset(map(str, trusted)),
            frozenset(map(str, found["allowed"])),
        )

    def as_json(self) -> dict[str, Any]:
        trusted = None if self.trusted is None else sorted(self.trusted)
        return {"project": self.project, "trusted": trusted, "allowed": sorted(self.allowed)}


_SCHEMA = JsonFileSchema(1, _Kept.parse)
KEPT = 32
"""Projects whose record is kept in memory."""


class ProjectTrust:
    """The decisions about all projects, stored for all workers."""

    def __init__(self, store: Path, files: TrustFiles) -> None:
        """`store` is a folder of ours."""
        self._store = store
        self._records = CachedJsonFiles(_SCHEMA, KEPT)
        self._files = files

    def check(self, folder: Path, session_id: str) -> None:
        """Raises TrustNeeded where the files of `folder` hold items that nobody has trusted."""
        if needed := self.needed(folder):
            needed.session_id = session_id
            raise needed

    def needed(self, folder: Path) -> TrustNeeded | None:
        """The decision that is needed before Claude starts in `folder`; None: none."""
        folder = folder.resolve()
        items = run_in_thread(self._files.items_of, folder)
        name = self._files.trusted_as(folder)
        kept = self._kept(name or self._files.project_key(folder))
        if name is None:
            more = [item for item in items if item.digest not in kept.allowed]
            return TrustNeeded(folder, more, digest_of(items), SENTENCE) if more else None
        if kept.trusted is None:  # trusted in a terminal, or before the first check
            self._keep(name, items)
            return None
        known = kept.trusted | kept.allowed
        more = [item for item in items if item.digest not in known]
        return TrustNeeded(folder, more, digest_of(items), CHANGED) if more else None

    def accept(self, folder: Path, digest: str | None = None) -> None:
        """Trust a project with all that its files hold now.

        `digest` is that of the list that the person has seen. Raises TrustNeeded where the files
        have changed since, and TrustNotRecorded.
        """
        folder = folder.resolve()
        items = run_in_thread(self._files.items_of, folder)
        if digest is not None and digest != digest_of(items):
            raise TrustNeeded(folder, items, digest_of(items), CHANGED)
        self._keep(self._files.trusted_as(folder) or self._files.project_key(folder), items)
        self._files.accept(folder)

    def trusted(self) -> list[str]:
        """The names of all trusted projects, which are the paths of their folders."""
        return run_in_thread(self._files.trusted)

    def items_of(self, folder: Path) -> tuple[TrustItem, ...]:
        """What the files of a folder may run, change or allow."""
        return run_in_thread(self._files.items_of, folder)

    def take_back(self, name: str) -> None:
        """Trust a project no longer, nor what a person has allowed in it. Raises TrustNotRecorded.

        Live runs continue; the next start asks.
        """
        self._files.take_back(name)
        atomic_files.make_folder(self._store)
        with file_locks.held(self._store.with_name(f"{self._store.name}.lock")):
            self._path(name).unlink(missing_ok=True)

    def allow(self, folder: Path, updates: Iterable[Json]) -> None:
        """Trust the permission updates that a person has allowed, which Claude writes down."""
        self.allow_items(
            folder,
            [item for update in updates for item in self._files.items_of_update(update, folder)],
        )

    def allow_items(self, folder: Path, items: Sequence[TrustItem]) -> None:
        """Trust items that a person has written into the files of a project."""
        if items:
            folder = folder.resolve()
            name = self._files.trusted_as(folder) or self._files.project_key(folder)
            self._keep(name, items, allowed=True)

    def _path(self, name: str) -> Path:
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self._store / f"{digest}.json"

    def _kept(self, name: str) -> _Kept:
        kept = self._records.read(self._path(name))
        return kept if kept and kept.project == name else _Kept(name)

    def _keep(self, name: str, items: Iterable[TrustItem], *, allowed: bool = False) -> None:
        """Add trusted items, or those allowed on a card."""
        digests = frozenset(item.digest for item in items)
        with raise_disk_full():
            atomic_files.make_folder(self._store)
            with file_locks.held(self._store.with_name(f"{self._store.name}.lock")):
                kept = self._kept(name)
                if allowed:
                    kept = replace(kept, allowed=kept.allowed | digests)
                else:
                    kept = replace(kept, trusted=(kept.trusted or frozenset()) | digests)
                self._records.write(self._path(name), kept.as_json())


def digest_of(items: Iterable[TrustItem]) -> str:
    """Identifies a list of items, whatever their order."""
    return hashlib.sha256("".join(sorted(item.digest for item in items)).encode()).hexdigest()
