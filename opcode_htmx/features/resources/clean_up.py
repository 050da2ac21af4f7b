"""Clean up repositories and worktrees: first a plan, then exactly that plan.

Nothing goes that is nowhere else: what a plan removes is removed as by hand, without force.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.formatting import count
from opcode_htmx.lib.git import linked_worktrees
from opcode_htmx.lib.git.clones.bare import BareRepository
from opcode_htmx.lib.git.linked_worktrees import WouldLose
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.sessions.repositories.places import NoSuchRepository, NoSuchWorktree
from opcode_htmx.sessions.repositories.service import Clone
from opcode_htmx.sessions.repositories.services import RepositoryServices
from opcode_htmx.sessions.repositories.sizes import Sizes
from opcode_htmx.sessions.repositories.transfers import Busy, remove_tree
from opcode_htmx.sessions.repositories.worktrees import (
    CannotRemove,
    InUse,
    SessionFolder,
    WouldBeLost,
)

log = logging.getLogger(__name__)

AGES = (7, 30, 90, 365)
"""Days for which something was not used."""
DAY = 86400.0


class PlanChanged(Exception):
    """The plan is no longer the one that the person has seen; the text says so."""


class Kind(StrEnum):
    """Of what a clean-up removes."""

    REST = "rest"
    """What an interrupted clone or removal has left."""
    ENTRY = "entry"
    """What a repository still knows of a worktree whose folder is gone."""
    OBJECTS = "objects"
    """Of a repository that are not packed, or in too many packs. Only their place goes."""
    WORKTREE = "worktree"
    CLONE = "clone"


@dataclass(frozen=True, slots=True)
class Item:
    """Something that would go. `size` is in bytes, 0 if it is not known."""

    kind: Kind
    name: str
    """Of the folder, or of the repository."""
    title: str
    why: str
    size: int = 0

    @property
    def box(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Kept:
    """Something old that stays, and why."""

    title: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a clean-up would remove."""

    days: int
    items: tuple[Item, ...]
    kept: tuple[Kept, ...]

    @property
    def size(self) -> int:
        return sum(each.size for each in self.items)

    @property
    def digest(self) -> str:
        """Names exactly these items."""
        names = "\n".join(sorted(each.box for each in self.items))
        return hashlib.sha256(f"{self.days}\n{names}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Done:
    """What a clean-up has removed, and what it could not remove, with the reasons."""

    removed: tuple[Item, ...]
    failed: tuple[Kept, ...]


class CleanUp:
    """Plans and does the clean-up."""

    def __init__(self, services: RepositoryServices, environment: Mapping[str, str]) -> None:
        self._services = services
        self._environment = environment

    def plan(self, days: int, sizes: Sizes | None = None) -> Plan:
        """What would go now that was not used for so many days."""
        before = time.time() - days * DAY
        sizes = sizes or Sizes()
        items: list[Item] = []
        kept: list[Kept] = []
        for path in self._services.transfers.rests():
            items.append(Item(Kind.REST, path.name, path.name, "Left by an interruption"))
        clones = [each for each in self._services.repositories.all() if each.record]
        for clone in clones:
            try:
                items += self._entries(clone)
            except WouldLose as error:
                kept.append(Kept(clone.title, str(error)))
        going = set[str]()
        for folder in self._services.worktrees.all():
            if folder.used_at < before:
                name = str(folder.name)
                title = f"{folder.title}: {folder.branch or 'no branch'}"
                if why := self._needed(folder):
                    kept.append(Kept(title, why))
                else:
                    size = sizes.worktrees.get(name, 0)
                    going.add(name)
                    items.append(Item(Kind.WORKTREE, name, title, "Nothing would be lost", size))
        leaving = set[str]()
        for clone in clones:
            staying = [each for each in clone.worktrees if str(each) not in going]
            if staying or _last_used(clone) >= before:
                continue
            if why := self._needed_clone(clone):
                kept.append(Kept(clone.title, why))
            else:
                size = sizes.repositories.get(clone.repo, 0)
                why = "Can be cloned again"
                items.append(Item(Kind.CLONE, clone.repo, clone.title, why, size))
                leaving.add(clone.repo)
        for clone in clones:
            if clone.repo not in leaving:
                items += self._scattered(clone)
        return Plan(days, tuple(items), tuple(kept))

    def do(self, days: int, digest: str, boxes: Collection[str] | None = None) -> Done:
        """Remove what a plan has shown; with `boxes`, those of it. Raises PlanChanged."""
        plan = self.plan(days)
        if plan.digest != digest:
            raise PlanChanged("Something has changed since you looked. Look again.")
        removed, failed = list[Item](), list[Kept]()
        for item in plan.items:
            if boxes is not None and item.box not in boxes:
                continue
            try:
                self._remove(item)
            except (
                *(Busy, CannotRemove, GitFailed, InUse, NoSuchRepository, NoSuchWorktree),
                *(OSError, RepositoryRefused, WouldBeLost, WouldLose),
            ) as error:
                log.warning("a clean-up could not remove %s: %s", item.box, error)
                failed.append(Kept(item.title, str(error)))
            else:
                removed.append(item)
        self._services.sizes.expire()
        return Done(tuple(removed), tuple(failed))

    def _remove(self, item: Item) -> None:
        services = self._services
        match item.kind:
            case Kind.REST:
                for path in services.transfers.rests():
                    if path.name == item.name:
                        remove_tree(path)
            case Kind.ENTRY:
                path = services.places.existing_repo(item.name)
                linked_worktrees.prune(BareRepository.at(path, self._environment))
            case Kind.OBJECTS:
                services.repositories.pack_objects(item.name)
            case Kind.WORKTREE:
                services.worktrees.remove(services.places.existing_worktree(item.name))
            case Kind.CLONE:
                services.repositories.delete(item.name)

    def _scattered(self, clone: Clone) -> Iterable[Item]:
        try:
            found = self._bare(clone).objects()
        except (GitFailed, RepositoryRefused, NoSuchRepository):
            return
        if found.are_scattered:
            parts = f"{count(found.loose, 'loose object')} and {count(found.packs, 'pack')}"
            why = f"Takes less space when packed: {parts}"
            yield Item(Kind.OBJECTS, clone.repo, clone.title, why, found.size)

    def _bare(self, clone: Clone) -> BareRepository:
        """Raises NoSuchRepository, RepositoryRefused."""
        return BareRepository.at(self._services.places.existing_repo(clone.repo), self._environment)

    def _entries(self, clone: Clone) -> Iterable[Item]:
        """Raises WouldLose."""
        try:
            gone = linked_worktrees.forgettable(self._bare(clone))
        except (GitFailed, RepositoryRefused, NoSuchRepository):
            return
        if gone:
            why = f"{count(gone, 'worktree')} whose folder is gone"
            yield Item(Kind.ENTRY, clone.repo, clone.title, why)

    def _needed(self, folder: SessionFolder) -> str:
        """Why an old worktree stays; empty if it may go."""
        if folder.in_use:
            return "Claude works in it"
        if folder.problem:
            return f"It is damaged: {folder.problem}"
        loss = self._services.worktrees.loss(folder.name)
        return f"Only there: {loss}" if loss else ""

    def _needed_clone(self, clone: Clone) -> str:
        if clone.job and clone.job.goes_on:
            return "It is being fetched"
        if not clone.url:
            return "It is not known where it comes from"
        return "; ".join(self._services.repositories.own_losses(clone.repo))


def _last_used(clone: Clone) -> float:
    record = clone.record
    return max(record.used_at, record.refreshed_at) if record else time.time()
