"""Do clones and refreshes in the background: one owner among the workers, whatever phones do.

A clone is made under a name of its own and renamed when it is whole. Clones that a dead server
has left unfinished are removed at the next start.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import gevent
from gevent.lock import BoundedSemaphore

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.files.disk_space import free_bytes
from opcode_htmx.lib.formatting import format_bytes
from opcode_htmx.lib.git.clones import transfer
from opcode_htmx.lib.git.clones.bare import BareRepository
from opcode_htmx.lib.git.clones.progress import ProgressReader
from opcode_htmx.lib.git.login import Login, Typed, origin_of, refusal, wanted
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.lib.git.repository import RepositoryRefused
from opcode_htmx.sessions.repositories.job_files import JobFiles, Kind, State, Transfer
from opcode_htmx.sessions.repositories.logins import KeptLogins
from opcode_htmx.sessions.repositories.places import Places
from opcode_htmx.sessions.repositories.problems import sentence_of
from opcode_htmx.sessions.repositories.records import CloneRecord, CloneRecords

log = logging.getLogger(__name__)

EVERY_SECONDS = 0.5
"""How often progress is written, and a wish to cancel is looked for."""
STOP_SECONDS = 5.0
"""How long the end of the server waits for what a transfer has left to be removed."""
AT_ONCE = 3
"""Transfers of one worker; the others wait."""
_WAITING = "Waiting for another transfer"
_LONGEST_SAID = 2000
_REMOTES = "refs/remotes/origin/"
_HEAD = f"{_REMOTES}HEAD"


class Busy(Exception):
    """Something goes on with a repository; the text says what."""


class Transfers:
    """Starts, shows and cancels transfers."""

    def __init__(
        self,
        places: Places,
        files: JobFiles,
        records: CloneRecords,
        environment: Mapping[str, str],
        kept: KeptLogins,
        own: Callable[[str], Login | None],
        least_free: int,
    ) -> None:
        """`own` gives the server's login at a host. `least_free`: bytes that must stay free."""
        self._places = places
        self._files = files
        self._records = records
        self._environment = environment
        self._kept = kept
        self._own_login = own
        self._least_free = least_free
        self._slots = BoundedSemaphore(AT_ONCE)
        self._running: set[gevent.Greenlet[[int, Transfer, Typed | None], None]] = set()

    def start(self, repo: str, url: str, kind: Kind, typed: Typed | None = None) -> Transfer:
        """Begin a clone or refresh, or give the one that goes on; `typed` is a login for its host.

        Raises Busy, OSError.
        """
        lock = self._files.take(repo)
        if lock is None:
            found = self._files.get(repo)
            if found and found.goes_on and (found.url, found.kind) == (url, kind):
                return found
            raise Busy("Something else is being done with this repository. Wait until it is over.")
        try:
            self._files.begin(repo)
            job = Transfer(repo, url, kind, State.RUNNING, time.time())
            self._files.write(job, durable=True)
            greenlet = gevent.spawn(self._own, lock, job, typed)
        except BaseException:
            os.close(lock)
            raise
        self._running.add(greenlet)
        greenlet.link(self._running.discard)
        return job

    def stop(self) -> None:
        """End what this worker does: the server ends. It is shown as interrupted."""
        gevent.killall(list(self._running), timeout=STOP_SECONDS)

    def rests(self) -> Iterator[Path]:
        """The folders that servers which died in the middle have left.

        Nobody begins a transfer of the same repository while its rest is looked at.
        """
        for repo, path in self._places.begun_clones():
            lock = self._files.take(repo)
            if lock is not None:
                try:
                    yield path
                finally:
                    os.close(lock)
        yield from self._places.begun_removals()

    def clean_up(self) -> None:
        """Remove them."""
        for path in self.rests():
            log.info("removing %s, the rest of an interrupted clone or removal", path.name)
            remove_tree(path)

    def _own(self, lock: int, job: Transfer, typed: Typed | None) -> None:
        try:
            try:
                job = self._in_turn(job, typed)
            except OSError as error:
                log.exception("could not %s %s", job.kind, job.repo)
                job = _failed(job, "The files cannot be written.", str(error))
            except Exception:
                log.exception("could not %s %s", job.kind, job.repo)
                job = _failed(job, "Something went wrong on the server. Its log has the details.")
            try:
                self._files.write(replace(job, ended_at=time.time()), durable=True)
            except OSError:
                log.exception("could not record the end of a transfer of %s", job.repo)
        finally:
            os.close(lock)

    def _in_turn(self, job: Transfer, typed: Typed | None) -> Transfer:
        if not self._slots.acquire(blocking=False):
            self._files.write(replace(job, step=_WAITING))
            while not self._slots.acquire(timeout=EVERY_SECONDS):
                if self._files.is_cancelled(job.repo):
                    return replace(job, state=State.CANCELLED)
        try:
            return self._work(job, typed)
        finally:
            self._slots.release()

    def _work(self, job: Transfer, typed: Typed | None) -> Transfer:
        reader = ProgressReader()
        target = self._target(job)
        login = self._login(job, typed)
        work = gevent.spawn(self._transfer, job, target, login, reader.feed)
        done = False
        try:
            while not work.ready():
                work.join(EVERY_SECONDS)
                if self._files.is_cancelled(job.repo):
                    return replace(job, state=State.CANCELLED)
                if problem := self._no_space():
                    return _failed(job, problem)
                found = reader.newest
                newer = replace(
                    job, step=found.step, percent=found.percent, received=found.received
                )
                if newer != job:
                    job = newer
                    self._files.write(job)
            if error := work.get():
                return self._refused(job, error, login, typed)
            self._keep(job, target)
            if typed and typed.keeps:
                self._kept.keep(typed.login)
            done = True
            return replace(job, state=State.DONE, percent=100)
        finally:
            work.kill()
            if not done and job.kind is Kind.CLONE:
                remove_tree(target)

    def _target(self, job: Transfer) -> Path:
        if job.kind is Kind.REFRESH:
            return self._places.existing_repo(job.repo)
        self._places.make()
        return self._places.new_clone(job.repo)

    def _login(self, job: Transfer, typed: Typed | None) -> Login | None:
        """The login for its host: that which was typed, is kept, or is the server's own."""
        origin = origin_of(job.url)
        if typed:
            return typed.login if typed.login.origin == origin else None
        return next(iter(self._kept.of([origin])), None) or self._own_login(origin)

    def _refused(
        self, job: Transfer, error: GitFailed, login: Login | None, typed: Typed | None
    ) -> Transfer:
        job = _failed(job, sentence_of(error), error.errors or str(error))
        asked = wanted(error.errors)
        if asked is None or asked.origin != origin_of(job.url):
            return job
        if login is not None:
            self._kept.forget(login.origin)
        if typed is not None:
            job = replace(job, error=refusal(asked.origin, error.errors))
        user = asked.user or (typed.login.user if typed else "")
        keeps = typed is not None and typed.keeps
        return replace(job, asks=asked.origin, asks_user=user, asks_keeps=keeps)

    def _transfer(
        self, job: Transfer, target: Path, login: Login | None, progress: Callable[[bytes], None]
    ) -> GitFailed | None:
        """Returns the failure instead of raising it: gevent would print it."""
        try:
            act = transfer.clone if job.kind is Kind.CLONE else _refresh
            act(job.url, target, self._environment, login, progress)
        except GitFailed as error:
            return error
        except RepositoryRefused as error:
            return GitFailed(str(error))
        return None

    def _keep(self, job: Transfer, target: Path) -> None:
        repository, now = BareRepository.at(target, self._environment), time.time()
        remote = [name for name in repository.refs(_REMOTES) if name != _HEAD]
        path = self._places.repo(job.repo)
        before = self._records.get(job.repo, path)
        if job.kind is Kind.CLONE:
            target.rename(path)
        self._records.write(
            CloneRecord(
                repo=job.repo,
                url=job.url,
                cloned_at=now if job.kind is Kind.CLONE else before.cloned_at,
                refreshed_at=now,
                used_at=now if job.kind is Kind.CLONE else before.used_at,
                branches=len(remote),
                branch=BareRepository(path, self._environment).head().removeprefix("refs/heads/"),
            )
        )

    def _no_space(self) -> str:
        """Why the transfer must end; empty if there is space."""
        free = free_bytes(self._places.folder)
        if free >= self._least_free:
            return ""
        return (
            f"The disk is nearly full: only {format_bytes(free)} are left, and "
            f"{format_bytes(self._least_free)} must stay free (OPCODE_MIN_FREE)."
        )


def remove_tree(path: Path) -> None:
    """Remove a folder and all in it, in a thread. What cannot be removed stays."""
    run_in_thread(shutil.rmtree, path, ignore_errors=True)


def _refresh(
    url: str,
    path: Path,
    environment: Mapping[str, str],
    login: Login | None,
    progress: Callable[[bytes], None],
) -> None:
    transfer.refresh(path, url, environment, login, progress)


def _failed(job: Transfer, sentence: str, said: str = "") -> Transfer:
    return replace(job, state=State.FAILED, error=sentence, said=said[-_LONGEST_SAID:])
