"""Store the saved prompts of each person, in one small file a person that all workers share."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.formatting import one_line

FOLDER = "saved_prompts"
VERSION = 1
MOST = 200
"""Prompts of one person."""
LONGEST_TEXT = 20_000
LONGEST_NAME = 80
LONGEST_FOLDER = 12_288
"""Characters: of a prompt, of its name, and of a path with its bytes escaped."""
MOST_DELETED = 20
"""Deleted prompts that can be restored, the last deleted ones."""
TITLE_CHARACTERS = 120


class PromptRefused(Exception):
    """A prompt cannot be saved; the text says why."""


class NoSuchPrompt(Exception):
    """There is no saved prompt with this id."""

    def __init__(self) -> None:
        super().__init__("This saved prompt is no longer there.")


@dataclass(frozen=True, slots=True)
class SavedPrompt:
    """A prompt, for the project in `folder` or, if that is empty, for all projects.

    `folder` is a `reference` to a path, see runs/policies/working_folders.py. Times are Unix
    seconds; `deleted_at` is 0 for one that is not deleted.
    """

    id: str
    text: str
    name: str = ""
    folder: str = ""
    created_at: float = 0.0
    deleted_at: float = 0.0

    @property
    def title(self) -> str:
        """Its name, or else the beginning of its text."""
        return self.name or one_line(self.text[: 2 * TITLE_CHARACTERS], TITLE_CHARACTERS)

    @property
    def detail(self) -> str:
        """The beginning of its text, where the title is another one."""
        return one_line(self.text[: 2 * TITLE_CHARACTERS], TITLE_CHARACTERS) if self.name else ""


class PromptLibrary:
    """The saved prompts of all persons. Changes raise OSError, DiskFull among them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = folder.with_name(f"{folder.name}.lock")
        self._files = CachedJsonFiles(_SCHEMA, 8)

    def all(self, user: str) -> list[SavedPrompt]:
        """The prompts of a person, the newest first."""
        return [each for each in self._load(user) if not each.deleted_at]

    def of_project(self, user: str, folder: str) -> list[SavedPrompt]:
        """Those for a project, then those for all projects; only the latter for an empty folder."""
        found = [each for each in self.all(user) if each.folder in ("", folder)]
        return sorted(found, key=lambda each: not each.folder)

    def get(self, user: str, prompt_id: str) -> SavedPrompt:
        """Raises NoSuchPrompt."""
        return _find(self.all(user), prompt_id)

    def deleted(self, user: str, prompt_id: str) -> SavedPrompt | None:
        """A deleted prompt that can be restored; None if there is none with this id."""
        return next((each for each in self._load(user) if _is_deleted(each, prompt_id)), None)

    def add(self, user: str, text: str, name: str = "", folder: str = "") -> SavedPrompt:
        """Save a prompt; one that is there already is left as it is. Raises PromptRefused."""
        made = SavedPrompt(uuid.uuid4().hex, *_checked(text, name, folder), created_at=time.time())
        with self._change(user) as prompts:
            same = (each for each in prompts if not each.deleted_at and _is_alike(each, made))
            if known := next(same, None):
                return known
            _check_room(prompts)
            prompts.insert(0, made)
        return made

    def change(self, user: str, prompt_id: str, text: str, name: str, folder: str) -> SavedPrompt:
        """Raises NoSuchPrompt and PromptRefused."""
        text, name, folder = _checked(text, name, folder)
        with self._change(user) as prompts:
            old = _find([each for each in prompts if not each.deleted_at], prompt_id)
            new = replace(old, text=text, name=name, folder=folder)
            prompts[prompts.index(old)] = new
        return new

    def delete(self, user: str, prompt_id: str) -> None:
        """Raises NoSuchPrompt."""
        with self._change(user) as prompts:
            found = _find([each for each in prompts if not each.deleted_at], prompt_id)
            prompts[prompts.index(found)] = replace(found, deleted_at=time.time())

    def restore(self, user: str, prompt_id: str) -> SavedPrompt:
        """Bring a deleted prompt back to its place. Raises NoSuchPrompt and PromptRefused."""
        with self._change(user) as prompts:
            found = next((each for each in prompts if _is_deleted(each, prompt_id)), None)
            if found is None:
                return _find(prompts, prompt_id)
            _check_room(prompts)
            restored = replace(found, deleted_at=0.0)
            prompts[prompts.index(found)] = restored
        return restored

    @contextmanager
    def _change(self, user: str) -> Iterator[list[SavedPrompt]]:
        """The prompts of a person, to be changed; they are stored if no exception is raised."""
        with raise_disk_full():
            atomic_files.make_folder(self._folder)
            with file_locks.held(self._lock):
                prompts = list(self._load(user))
                yield prompts
                kept = _without_oldest_deleted(prompts)
                content = {"user": user, "prompts": [asdict(each) for each in kept]}
                self._files.write(self._path(user), content)

    def _load(self, user: str) -> tuple[SavedPrompt, ...]:
        return self._files.read(self._path(user)) or ()

    def _path(self, user: str) -> Path:
        digest = hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / f"{digest[:32]}.json"


def words_of(query: str) -> tuple[str, ...]:
    """The words of a search."""
    return tuple(query.casefold().split())


def matches(words: Iterable[str], *texts: str) -> bool:
    """Whether every word is in one of the texts, in any case of letters."""
    whole = "\n".join(texts).casefold()
    return all(word in whole for word in words)


def _checked(text: str, name: str, folder: str) -> tuple[str, str, str]:
    text, name = text.strip(), " ".join(name.split())
    if not text:
        raise PromptRefused("Write the prompt first.")
    if len(text) > LONGEST_TEXT:
        raise PromptRefused(f"A saved prompt may have {LONGEST_TEXT:,} characters.")
    if len(name) > LONGEST_NAME:
        raise PromptRefused(f"The name is longer than {LONGEST_NAME} characters.")
    if folder and (not folder.startswith(("/", "file:///")) or len(folder) > LONGEST_FOLDER):
        raise PromptRefused("Choose one of the projects.")
    return text, name, folder


def _check_room(prompts: Iterable[SavedPrompt]) -> None:
    if sum(not each.deleted_at for each in prompts) >= MOST:
        raise PromptRefused(f"There are {MOST} saved prompts already: delete one first.")


def _is_alike(one: SavedPrompt, other: SavedPrompt) -> bool:
    return (one.text, one.name, one.folder) == (other.text, other.name, other.folder)


def _is_deleted(prompt: SavedPrompt, prompt_id: str) -> bool:
    return prompt.id == prompt_id and prompt.deleted_at > 0


def _find(prompts: Iterable[SavedPrompt], prompt_id: str) -> SavedPrompt:
    for each in prompts:
        if each.id == prompt_id:
            return each
    raise NoSuchPrompt


def _without_oldest_deleted(prompts: Iterable[SavedPrompt]) -> list[SavedPrompt]:
    prompts = list(prompts)
    gone = sorted((each.deleted_at for each in prompts if each.deleted_at), reverse=True)
    if len(gone) <= MOST_DELETED:
        return prompts
    oldest = gone[MOST_DELETED - 1]
    return [each for each in prompts if not each.deleted_at or each.deleted_at >= oldest]


def _parse(content: dict[str, Any]) -> tuple[SavedPrompt, ...]:
    return tuple(SavedPrompt(**each) for each in content["prompts"])


_SCHEMA = JsonFileSchema(VERSION, _parse)
