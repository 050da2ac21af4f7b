"""The clones: list them, begin a clone of an address, refresh one, and delete one with care."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.clones.bare import BareRepository
from opcode_htmx.lib.git.clones.urls import RemoteUrl, UrlRefused, parse
from opcode_htmx.lib.git.login import Typed
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.lib.git.worktrees import known_in
from opcode_htmx.sessions.repositories.job_files import JobFiles, Kind, Transfer
from opcode_htmx.sessions.repositories.places import (
    NoSuchRepository,
    Places,
    WorktreeName,
    is_repository_name,
)
from opcode_htmx.sessions.repositories.records import CloneRecord, CloneRecords
from opcode_htmx.sessions.repositories.transfers import Busy, Transfers, remove_tree
from opcode_htmx.sessions.repositories.worktrees import SessionFolders, WouldBeLost


class CannotClone(Exception):
    """An address cannot be cloned under a name; the text says why."""


@dataclass(frozen=True, slots=True)
class Clone:
    """A clone, or one that is being made."""

    repo: str
    record: CloneRecord | None
    """None while it is being cloned for the first time."""
    job: Transfer | None
    worktrees: tuple[WorktreeName, ...] = ()

    @property
    def title(self) -> str:
        """`owner/name`"""
        return self.repo.replace("__", "/", 1)

    @property
    def url(self) -> str:
        return self.record.url if self.record else self.job.url if self.job else ""


class Repositories:
    """The clones of this server."""

    def __init__(
        self,
        places: Places,
        records: CloneRecords,
        files: JobFiles,
        transfers: Transfers,
        folders: SessionFolders,
        environment: Mapping[str, str],
        roots: Callable[[], Iterable[Path]],
        github: str,
    ) -> None:
        """`roots` are the resolved folders that may be worked in; `github` is GitHub's address."""
        self.places = places
        self.folders = folders
        self.transfers = transfers
        self._records = records
        self._files = files
        self._environment = environment
        self._roots = roots
        self._github = github

    def all(self) -> list[Clone]:
        """Every clone by name, and those that are being made or have failed."""
        names = self.places.repo_names()
        begun = [job.repo for job in self._files.all() if job.repo not in names]
        worktrees: dict[str, list[WorktreeName]] = {}
        for name in self.places.worktree_names():
            worktrees.setdefault(name.repo, []).append(name)
        return [
            self._clone(repo, worktrees.get(repo, []))
            for repo in sorted((*names, *begun), key=str.casefold)
        ]

    def get(self, repo: str) -> Clone:
        """Raises NoSuchRepository."""
        self.places.repo(repo)
        found = self._clone(repo, [n for n in self.places.worktree_names() if n.repo == repo])
        if found.record is None and found.job is None:
            raise NoSuchRepository("There is no repository of this name here.")
        return found

    def address(self, text: str) -> RemoteUrl:
        """The address in a text, or of `owner/name` on GitHub. Raises UrlRefused."""
        text = text.strip()
        owner, slash, name = text.partition("/")
        if slash and is_repository_name(f"{owner}__{name.removesuffix('.git')}"):
            text = f"{self._github}/{owner}/{name.removesuffix('.git')}"
        return parse(text, self._roots())

    def clone(self, text: str, name: str = "", typed: Typed | None = None) -> Clone:
        """Begin a clone; one that is there is given. Raises UrlRefused, CannotClone, Busy, OSError.

        `name`: `owner__name`, where the address's own is taken; `typed`: a login for its host.
        """
        url = self.address(text)
        repo = self._name(url, name.strip())
        found = self._clone(repo, [])
        if found.record:
            if not _is_same(found.url, url.text):
                raise CannotClone(
                    f"{repo} is the name of another clone, of {found.url or 'an unknown address'}. "
                    "Give this one another name, such as owner__name-2."
                )
            return found
        self.transfers.start(repo, url.text, Kind.CLONE, typed)
        return self._clone(repo, [])

    def refresh(self, repo: str, typed: Typed | None = None) -> Clone:
        """Begin to fetch a clone again. Raises NoSuchRepository, CannotClone, Busy, OSError."""
        found = self.get(repo)
        if found.record is None:
            raise NoSuchRepository("This repository has not been cloned yet.")
        url = self._known_url(found.record)
        self.transfers.start(repo, url.text, Kind.REFRESH, typed)
        return self.get(repo)

    def try_again(self, repo: str, typed: Typed | None = None) -> Clone:
        """Begin again what has not come to its end. Raises as `clone` and `refresh` do."""
        found = self.get(repo)
        if found.record:
            return self.refresh(repo, typed)
        return self.clone(found.url, repo, typed)

    def cancel(self, repo: str) -> None:
        """Cancel what goes on; forget what has failed. Raises NoSuchRepository, OSError."""
        found = self.get(repo)
        if found.job is None:
            return
        if found.job.goes_on:
            self._files.cancel(repo)
        elif (lock := self._files.take(repo)) is not None:
            self._files.forget(repo)
            os.close(lock)

    def losses(self, repo: str) -> tuple[str, ...]:
        """What deleting a clone would lose, a line for each thing. Raises NoSuchRepository."""
        return (*self._losses_in_worktrees(repo), *self.own_losses(repo))

    def own_losses(self, repo: str) -> tuple[str, ...]:
        """The same without what is in its worktrees only."""
        path = self.places.existing_repo(repo)
        found = []
        try:
            bare = BareRepository.at(path, self._environment)
            local = bare.unpublished()
            if local.commits:
                commits = "commit" if local.commits == 1 else "commits"
                subjects = "; ".join(local.subjects)
                found.append(f"{local.commits:,} {commits} that the remote has not got: {subjects}")
            if stashes := bare.stashes():
                found.append(f"{stashes:,} in git stash")
            found += [f"the worktree {each}, which needs it" for each in self._elsewhere(bare)]
        except (GitFailed, RepositoryRefused) as error:
            found.append(f"It cannot be read: {error}")
        return tuple(found)

    def _elsewhere(self, bare: BareRepository) -> Iterable[Path]:
        """Worktrees outside of our folder, which git or another program has made."""
        ours = self.places.worktrees.resolve()
        for each in known_in(bare.path):
            if each.exists() and not each.resolve().is_relative_to(ours):
                yield each

    def _losses_in_worktrees(self, repo: str) -> Iterable[str]:
        for name in self.get(repo).worktrees:
            if loss := self.folders.loss(name):
                yield f"{self.folders.get(name).branch or name}: {loss}"

    def delete(self, repo: str, *, force: bool = False) -> None:
        """Delete a clone with its worktrees.

        Raises NoSuchRepository, Busy, InUse, WouldBeLost, OSError.
        """
        path = self.places.existing_repo(repo)
        with self._locked(repo):
            worktrees = [n for n in self.places.worktree_names() if n.repo == repo]
            for name in worktrees:
                self.folders.check_unused(name)
            if not force and (losses := self.losses(repo)):
                raise WouldBeLost(
                    "This repository was not deleted, because there is work that is nowhere else.",
                    losses,
                )
            gone = [self.places.removed(path)]
            path.rename(gone[0])
            for name in worktrees:
                gone.append(self.places.removed(self.places.worktree(name)))
                self.places.worktree(name).rename(gone[-1])
            self._files.forget(repo)
            self._records.forget(repo)
        for each in gone:
            remove_tree(each)

    def pack_objects(self, repo: str) -> None:
        """Have git pack the objects of a clone.

        Raises NoSuchRepository, RepositoryRefused, Busy, GitFailed.
        """
        path = self.places.existing_repo(repo)
        with self._locked(repo):
            BareRepository.at(path, self._environment).pack_objects()

    @contextlib.contextmanager
    def _locked(self, repo: str) -> Iterator[None]:
        """Nothing is fetched meanwhile. Raises Busy."""
        lock = self._files.take(repo)
        if lock is None:
            raise Busy("The repository is being fetched. Cancel that first.")
        try:
            yield
        finally:
            os.close(lock)

    def used(self, repo: str) -> None:
        """Note that a clone is used now. Raises OSError."""
        path = self.places.existing_repo(repo)
        self._records.used(self._records.get(repo, path), time.time())

    def _clone(self, repo: str, worktrees: Iterable[WorktreeName]) -> Clone:
        path = self.places.repo(repo)
        record = self._records.get(repo, path) if path.is_dir() else None
        return Clone(repo, record, self._files.get(repo), tuple(worktrees))

    def _name(self, url: RemoteUrl, name: str) -> str:
        wanted = name or url.folder_name
        if not is_repository_name(wanted):
            raise CannotClone("A name has two parts of plain letters, such as owner__name.")
        for each in self.places.repo_names():
            # Hosts do not distinguish `Owner/Name` from `owner/name`
            if each.casefold() == wanted.casefold():
                return each
        return wanted

    def _known_url(self, record: CloneRecord) -> RemoteUrl:
        if not record.url:
            raise CannotClone(
                "It is not known any more where this clone comes from. Clone it again under "
                "another name."
            )
        try:
            return parse(record.url, self._roots())
        except UrlRefused as error:
            raise CannotClone(str(error)) from error


def _is_same(first: str, second: str) -> bool:
    """Whether two addresses lead to one repository; hosts of repositories ignore case."""
    plain = (each.removesuffix(".git").casefold() for each in (first, second))
    return next(plain) == next(plain)
