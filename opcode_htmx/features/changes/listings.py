"""The listings of working trees, each read again only when something may have changed.

A page that polls asks many times a minute; git is started for it when Claude has written something,
when the index or a listed file has changed, and else twice a minute.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from opcode_htmx.features.changes import bases, rows
from opcode_htmx.features.changes.bases import Base, Choice
from opcode_htmx.features.changes.places import GitProblem, Place, Places
from opcode_htmx.features.changes.rows import Totals
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.concurrency.keyed_lock import KeyedLock
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.changes import file_diffs, reading
from opcode_htmx.lib.git.changes.model import Change, Listing
from opcode_htmx.lib.git.diffs import FileDiff
from opcode_htmx.lib.git.process import GitFailed
from opcode_htmx.runs.supervisor import Supervisor

KEPT = 32
MOST_KEPT = 100_000
"""Changes in all listings that are kept: each takes half a kilobyte."""
IDLE_SECONDS = 30.0
"""The age at which a listing is read again even if nothing seems to have changed."""
BUSY_SECONDS, BUSY_SHARE = 2.0, 10.0
"""How old a listing becomes while Claude works: so many seconds, and times what reading it took."""
WATCHED = 200
"""Listed files whose status is compared."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A listing, as it was read at a time."""

    place: Place
    choice: Choice
    listing: Listing
    ordered: tuple[Change, ...]
    totals: Totals
    at: float
    """By the monotonic clock."""
    took: float
    """Seconds."""
    clock: str

    def diff(self, change: Change, *, ignores_space: bool = False) -> FileDiff:
        """The diff of a change. Raises GitProblem."""
        try:
            return file_diffs.read(
                self.place.git, change, self.choice.commit, ignore_space=ignores_space
            )
        except GitFailed as error:
            raise GitProblem(f"git could not compare the file: {error}") from error

    def content(self, change: Change, *, before: bool = False) -> bytes:
        """The file after or before a change; empty where there is none. Raises GitProblem."""
        try:
            return file_diffs.content(self.place.git, change, before=before)
        except GitFailed as error:
            raise GitProblem(f"git could not read the file: {error}") from error

    def change(self, path: bytes, side: str) -> Change | None:
        """The change of a file; on its other side, if it has none on this one."""
        found = [each for each in self.ordered if each.path == path]
        return next((each for each in found if each.side == side), next(iter(found), None))

    def after(self, change: Change, step: int) -> Change | None:
        """The change that follows, or with a step of -1 comes before."""
        place = next(number for number, each in enumerate(self.ordered) if each is change)
        index = place + step
        return self.ordered[index] if 0 <= index < len(self.ordered) else None


_Key = tuple[str, str, Base]


class Listings:
    """Reads listings, and keeps the last ones."""

    def __init__(
        self,
        places: Places,
        runs: Supervisor,
        left: Callable[[str], str] = lambda _: "",
        on_read: Callable[[Seen], None] = lambda _: None,
    ) -> None:
        """`left`: see bases.chosen. `on_read` is called with each listing that was read."""
        self.places = places
        self._runs = runs
        self._left = left
        self._on_read = on_read
        self._kept: OrderedDict[_Key, Seen] = OrderedDict()
        self._locks = KeyedLock()

    def now(self, project_id: str, session_id: str, base: str) -> Seen:
        """What has changed until now. Raises what Places.at does, CannotCompare and GitProblem."""
        asked = time.monotonic()
        place = self.places.at(project_id, session_id)
        key = project_id, session_id, bases.named(base, session_id)
        with self._locks.of("\n".join(key)):
            known = self._kept.get(key)
            if known and known.at > asked:  # another request has read it meanwhile
                return known
            seen = self._read(place, key[2], len(known.listing.changes) if known else 0)
            self._keep(key, seen)
        self._on_read(seen)
        return seen

    def recent(self, project_id: str, session_id: str, base: str) -> Seen:
        """The same, as it was read a short while ago if nothing seems to have changed since."""
        folder = self.places.folder(project_id, session_id)
        known = self._kept.get((project_id, session_id, bases.named(base, session_id)))
        if known and known.place.folder == folder and not self._is_due(known):
            return known
        return self.now(project_id, session_id, base)

    def is_behind(self, seen: Seen) -> bool:
        """Whether something has happened since a listing was read, which was too short ago."""
        return _clock(seen.place, seen.ordered, self._outputs(seen.place)) != seen.clock

    def _is_due(self, seen: Seen) -> bool:
        age = time.monotonic() - seen.at
        if age > IDLE_SECONDS:
            return True
        if age < max(BUSY_SECONDS, BUSY_SHARE * seen.took):
            return False
        return self.is_behind(seen)

    def _read(self, place: Place, base: Base, expected: int) -> Seen:
        began = time.monotonic()
        # Taken before: git may be done with a folder when Claude writes there
        outputs = tuple(self._outputs(place))
        choice = bases.chosen(place, base, self._left)
        try:
            listing = reading.listed(place.git, choice.commit, place.inside, expected)
        except GitFailed as error:
            raise GitProblem(f"git could not list the changes: {error}") from error
        listing = rows.with_new_lines(place.top, _within(place, listing))
        ordered, totals = run_cpu_in_thread(
            lambda: (tuple(rows.ordered(listing)), rows.totals(listing))
        )
        # The times of files are taken afterwards, when it is known which ones are listed
        clock = _clock(place, ordered, outputs)
        took = time.monotonic() - began
        return Seen(place, choice, listing, ordered, totals, time.monotonic(), took, clock)

    def _outputs(self, place: Place) -> Iterator[str]:
        """Other texts once Claude has written something."""
        for run in self._runs.of_session(place.session_id) if place.session_id else ():
            yield f"{run.folder.last_output() if run.live else 0}"
        if not place.session_id:
            for run in self._runs.live():
                if Path(run.record.project_path).is_relative_to(place.top):
                    yield f"{run.id} {run.folder.last_output()}"

    def _keep(self, key: _Key, seen: Seen) -> None:
        self._kept[key] = seen
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and (len(self._kept) > KEPT or self._size() > MOST_KEPT):
            self._kept.popitem(last=False)

    def _size(self) -> int:
        return sum(len(each.ordered) for each in self._kept.values())


def _clock(place: Place, listed: tuple[Change, ...], outputs: Iterable[str]) -> str:
    """Another text once something has happened in the working tree."""
    return sha256("\n".join([*_times(place, listed), *outputs]).encode()).hexdigest()


def _times(place: Place, listed: tuple[Change, ...]) -> Iterator[str]:
    git_dir = place.git.repository.git_dir
    yield from (_mtime(git_dir / name) for name in ("index", "HEAD", "logs/HEAD", "MERGE_HEAD"))
    for change in listed[:WATCHED]:
        yield _mtime(place.top / os.fsdecode(change.path))


def _within(place: Place, listing: Listing) -> Listing:
    """The part of a listing that may be shown."""
    if not place.inside:
        return listing
    shown = tuple(each for each in listing.changes if place.may_show(each.path))
    return replace(listing, changes=shown)


def _mtime(path: Path) -> str:
    try:
        status = path.lstat()
    except (OSError, ValueError):
        return "-"
    return f"{status.st_mtime_ns} {status.st_size}"
