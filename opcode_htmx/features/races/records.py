"""The records of races: a small file each. Their sessions are ordinary ones, in copies."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_fields import fields_of
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.late.patterns import late_pattern

FOLDER = "races"
VERSION = 1
MOST = 100
"""Races that are kept, the newest ones."""
FEWEST_CONTESTANTS, MOST_CONTESTANTS = 2, 4
RACE_ID = late_pattern(r"[0-9a-f]{32}", re.ASCII)


class NoSuchRace(Exception):
    """There is no such race, or no such contestant; the text says so."""


class RaceRefused(Exception):
    """A race that cannot begin, or go on as asked; the text says why."""


class Stage(StrEnum):
    """How far the start of a contestant is. The values are stored."""

    NOTED = "noted"
    BEGUN = "begun"
    FAILED = "failed"


class RaceState(StrEnum):
    """How far a race is. The values are stored."""

    OPEN = "open"
    DECIDING = "deciding"
    """The winner is merged, and the others are being removed."""
    DECIDED = "decided"
    DROPPED = "dropped"
    """All were thrown away."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One of the sessions. `key` is its letter; `prompt` its wording, empty for the common one."""

    key: str
    session_id: str
    prompt_id: str
    model: str = ""
    prompt: str = ""
    start: Stage = Stage.NOTED
    problem: str = ""
    """Why it could not start."""


@dataclass(frozen=True, slots=True)
class Race:
    """One prompt in several copies of a project. `at` is a Unix time."""

    id: str
    at: float
    folder: str
    prompt: str
    base: str
    """The branch that the winner is merged into."""
    base_commit: str
    """The commit at which all begin."""
    contestants: tuple[Contestant, ...]
    permission_mode: str = ""
    state: RaceState = RaceState.OPEN
    winner: str = ""
    merging: str = ""
    """The contestant whose merge was begun: after a crash it may be in the base already."""
    by: str = ""

    def contestant(self, key: str) -> Contestant:
        """Raises NoSuchRace."""
        for each in self.contestants:
            if each.key == key:
                return each
        raise NoSuchRace("There is no such contestant in this race.")

    def words_of(self, contestant: Contestant) -> str:
        return contestant.prompt or self.prompt


class Races:
    """All races, shared by all workers. Changes raise OSError, DiskFull."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = CachedJsonFiles(_SCHEMA, MOST)

    def all(self) -> list[Race]:
        """The newest first."""
        found = (self._files.read(path) for path in self.folder.glob("*.json"))
        return sorted((each for each in found if each), key=lambda each: -each.at)

    def get(self, race_id: str) -> Race:
        """Raises NoSuchRace."""
        found = self._files.read(self._path(race_id)) if RACE_ID.fullmatch(race_id) else None
        if found is None:
            raise NoSuchRace("There is no such race.")
        return found

    def add(self, race: Race) -> Race:
        """Store a race, or give the one that there is under its id."""
        with raise_disk_full(), self._changing():
            known = self._files.read(self._path(race.id))
            if known is not None:
                return known
            self._files.write(self._path(race.id), asdict(race))
            for old in self.all()[MOST:]:
                self._path(old.id).unlink(missing_ok=True)
        return race

    def update(self, race_id: str, change: Callable[[Race], Race]) -> Race:
        """Raises NoSuchRace."""
        with raise_disk_full(), self._changing():
            changed = change(self.get(race_id))
            self._files.write(self._path(race_id), asdict(changed))
        return changed

    def note(self, race_id: str, key: str, **changes: Any) -> Race:
        """Change one contestant. Raises NoSuchRace."""

        def change(race: Race) -> Race:
            found = tuple(
                replace(each, **changes) if each.key == key else each for each in race.contestants
            )
            return replace(race, contestants=found)

        return self.update(race_id, change)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        atomic_files.make_folder(self.folder)
        with file_locks.held(self.folder.with_name(f"{self.folder.name}.lock")):
            yield

    def _path(self, race_id: str) -> Path:
        return self.folder / f"{race_id}.json"


def session_of(race_id: str, key: str) -> str:
    """The id of a contestant's session: always the same, so that it is begun once."""
    return str(uuid.uuid5(uuid.UUID(race_id), f"session {key}"))


def prompt_of(race_id: str, key: str) -> str:
    """The id of a contestant's first prompt: always the same, so that it is sent once."""
    return str(uuid.uuid5(uuid.UUID(race_id), f"prompt {key}"))


def now() -> float:
    return time.time()


def _contestant(found: dict[str, Any]) -> Contestant:
    return Contestant(**{**fields_of(Contestant, found), "start": Stage(found["start"])})


def _parse(found: dict[str, Any]) -> Race:
    known = fields_of(Race, found)
    known["state"] = RaceState(known["state"])
    known["contestants"] = tuple(map(_contestant, known["contestants"]))
    return Race(**known)


_SCHEMA = JsonFileSchema(VERSION, _parse)
