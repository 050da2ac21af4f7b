"""Agents on disk: a file each, which is overwritten only by a request that names its content."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opcode_htmx.features.agents.model import Agent, AgentRefused, checked
from opcode_htmx.features.agents.serialization import as_document, of_document
from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.coerce import LATEST
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_fields import number
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.files.versioned_files import (
    NO_FILE,
    Deleted,
    FileChanged,
    FileRefused,
    Place,
    Version,
    VersionedFiles,
)

FOLDER, VERSIONS, NUMBERS = "agents", "agent_versions", "agent_numbers.json"
VERSION = 1
MOST = 500


class NoSuchAgent(Exception):
    """There is no agent with this number."""

    def __init__(self) -> None:
        super().__init__("This agent is not there any more.")


class AgentChanged(Exception):
    """An agent has changed since its form was opened; `current` is what it is now."""

    def __init__(self, current: StoredAgent) -> None:
        super().__init__(f"“{current.agent.name}” has changed since you opened it.")
        self.current = current


@dataclass(frozen=True, slots=True)
class StoredAgent:
    """An agent with its number; times are Unix seconds."""

    id: int
    agent: Agent
    revision: str
    created_at: float
    updated_at: float


class Numbers:
    """Numbers that are given once each, also after what had them is gone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._schema = JsonFileSchema(VERSION, lambda found: {k: int(v) for k, v in found.items()})

    def next(self, kind: str, at_least: int = 0) -> int:
        """The next number of a kind, above `at_least`. Raises OSError."""
        with raise_disk_full():
            atomic_files.make_folder(self._path.parent)
            with file_locks.held(self._path.with_name(f"{self._path.name}.lock")):
                found = self._schema.read(self._path) or {}
                found[kind] = max(found.get(kind, 0), at_least) + 1
                self._schema.write(self._path, found)
                return found[kind]


class AgentStore:
    """All agents. Changes raise OSError, DiskFull among them."""

    def __init__(self, folder: Path, versions: Path, numbers: Numbers) -> None:
        self._folder = folder
        self._files = VersionedFiles(versions)
        self._numbers = numbers

    def all(self) -> list[StoredAgent]:
        """The agents by name; those whose files cannot be read are left out."""
        found = (self._find(number) for number in yielding(self._known()))
        agents = [each for each in found if each]
        return sorted(agents, key=lambda each: (each.agent.name.casefold(), each.id))

    def get(self, agent_id: int) -> StoredAgent:
        """Raises NoSuchAgent."""
        found = self._find(agent_id)
        if found is None:
            raise NoSuchAgent
        return found

    def add(self, agent: Agent) -> StoredAgent:
        """Raises AgentRefused."""
        agent, known = checked(agent), self._known()
        if len(known) >= MOST:
            raise AgentRefused(f"There are {MOST} agents already: delete one first.")
        number, now = self._numbers.next("agent", max(known, default=0)), time.time()
        return self._save(StoredAgent(number, agent, NO_FILE, now, now))

    def change(self, agent_id: int, agent: Agent, revision: str) -> StoredAgent:
        """Raises NoSuchAgent, AgentRefused and AgentChanged."""
        agent, old = checked(agent), self.get(agent_id)
        with self._changed(agent_id):
            if old.revision != revision:
                raise AgentChanged(old)
            return self._save(StoredAgent(agent_id, agent, revision, old.created_at, time.time()))

    def delete(self, agent_id: int, revision: str | None = None) -> Deleted:
        """Delete an agent; `restore` brings it back. Raises NoSuchAgent and AgentChanged."""
        found = self.get(agent_id)
        with self._changed(agent_id):
            return self._files.remove(self._place(agent_id), revision or found.revision)

    def deleted(self, deleted_id: str) -> Deleted | None:
        return self._files.deleted(deleted_id)

    def restore(self, deleted_id: str) -> None:
        """Raises FileRefused and FileChanged where it is there again, or not kept."""
        self._files.put_back(deleted_id)

    def versions(self, agent_id: int) -> list[Version]:
        """Earlier contents, the newest first."""
        return self._files.versions(self._place(agent_id))

    def version(self, agent_id: int, version_id: str) -> Agent | None:
        """An earlier content; None if it is not kept or cannot be read."""
        text = self._files.version(self._place(agent_id), version_id)
        try:
            return of_document(_parsed(text)["agent"]) if text else None
        except (ValueError, KeyError, TypeError, AgentRefused):
            return None

    def _known(self) -> list[int]:
        names = [path.stem for path in self._folder.glob("*.json")]
        return sorted(int(name) for name in names if name.isascii() and name.isdecimal())

    def _find(self, agent_id: int) -> StoredAgent | None:
        try:
            file = self._files.read(self._place(agent_id))
            if not file.exists:
                return None
            found = _parsed(file.text)
            return StoredAgent(
                agent_id,
                of_document(found["agent"]),
                file.revision,
                number(found["created_at"], LATEST),
                number(found["updated_at"], LATEST),
            )
        except (FileRefused, ValueError, KeyError, TypeError, AgentRefused):
            return None

    def _save(self, stored: StoredAgent) -> StoredAgent:
        content = {
            "version": VERSION,
            "created_at": stored.created_at,
            "updated_at": stored.updated_at,
            "agent": as_document(stored.agent),
        }
        text = json.dumps(content, ensure_ascii=False, indent=1)
        try:
            self._files.save(self._place(stored.id), text, stored.revision)
        except FileRefused as error:
            raise AgentRefused(str(error)) from None
        return self.get(stored.id)

    @contextmanager
    def _changed(self, agent_id: int) -> Iterator[None]:
        try:
            yield
        except FileChanged:
            raise AgentChanged(self.get(agent_id)) from None

    def _place(self, agent_id: int) -> Place:
        return Place(self._folder / f"{agent_id:d}.json")


def _parsed(text: str) -> dict[str, Any]:
    found = bounded_json.loads(text)
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise ValueError("it is no agent of this version")
    return found
