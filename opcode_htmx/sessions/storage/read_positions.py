"""Store the read position of each session, and when it was last viewed.

Kept in one small file in the state folder, so that another device, or the same one after it slept,
continues from there. All workers share the file, and read it again after another one has written.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.json_fields import field_or, number, text
from opcode_htmx.lib.files.json_files import PartialJsonFileSchema
from opcode_htmx.sessions.storage.past_times import PastTimes, merged

T = TypeVar("T")
log = logging.getLogger(__name__)

KEPT = 1000
"""Sessions whose positions are kept: those viewed last."""


@dataclass(frozen=True, slots=True)
class ReadPosition:
    """`block` names the newest element that was read, empty if none was; `at` is a Unix time."""

    block: str
    at: float


class _Kept(NamedTuple):
    """The content of the file."""

    since: float
    positions: dict[str, ReadPosition]
    """By session, the one looked at last at the end."""
    noticed: Mapping[float, float]
    """When times to come were noticed, by those times."""


class ReadPositions:
    """The read positions of all sessions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = CachedJsonFiles(_SCHEMA, 1)
        self._began = time.time()
        self._past = PastTimes()
        self._unsaved: _Kept | None = None
        """What could not be written, for this worker alone."""

    def begin(self) -> None:
        """Record from when on positions are kept, unless an earlier server has.

        A record from a time when the clock was ahead counts as made now.
        """
        with self._locked():
            if self._files.read(self._path) is None:
                self._store(_Kept(self._began, {}, {}))
            kept = self._load()
            since, positions, noticed = kept
            if max(since, *(each.at for each in positions.values()), 0.0) > time.time():
                times = PastTimes(noticed)
                past = {key: replace(each, at=times.of(each.at)) for key, each in positions.items()}
                self._store(kept._replace(since=times.of(since), positions=past))

    @property
    def since(self) -> float:
        """From when on positions are kept, as a Unix time: what ended before counts as seen."""
        return self._past.of(self._load().since)

    def past(self) -> PastTimes:
        """To compare times by, as of now: with what any worker has noticed."""
        return PastTimes(self._load().noticed)

    def notice(self, past: PastTimes) -> None:
        """Share what was noticed with it; nothing is written where that is nothing."""
        if past.new:
            with self._locked():
                kept = self._load()
                noticed = merged(kept.noticed, past.new)
                if noticed != kept.noticed:
                    self._store(kept._replace(noticed=noticed))

    def newest_first(self, items: Sequence[T], at: Callable[[T], float]) -> Sequence[T]:
        """Items of a list that is sorted by Unix times, as PastTimes.newest_first has them."""
        past = self.past()
        if any(past.is_wrong(at(each)) for each in items):
            items = past.newest_first(items, at)
            self.notice(past)
        return items

    def of(self, session_id: str) -> ReadPosition:
        since, positions, _noticed = self._load()
        return positions.get(session_id, ReadPosition("", since))

    def seen(self) -> Callable[[str], float]:
        """When each session was viewed last, by its id; for many sessions, as of now.

        It may be a time to come, of a clock that was ahead: compare it by PastTimes.
        """
        since, positions, _noticed = self._load()

        def at(session_id: str) -> float:
            known = positions.get(session_id)
            return known.at if known else since

        return at

    def look(self, session_id: str, block: str = "") -> None:
        """The person looks at the session, and has read up to `block`; empty: as far as before."""
        self._note((session_id,), time.time(), block)

    def count_as_seen(self, session_ids: Collection[str], at: float) -> None:
        """Sessions count as viewed at a Unix time; each has been read as far as before."""
        if session_ids:
            self._note(session_ids, at)

    def _note(self, session_ids: Iterable[str], at: float, block: str = "") -> None:
        with self._locked():
            kept = self._load()
            positions, now = dict(kept.positions), time.time()
            for each in session_ids:
                before = positions.pop(each, ReadPosition("", at))
                # a time to come was noted while the clock was ahead: it would hide what ends now
                latest = at if before.at > now else max(before.at, at)
                positions[each] = ReadPosition(block or before.block, latest)
            while len(positions) > KEPT:
                del positions[next(iter(positions))]
            self._store(kept._replace(since=self._past.of(kept.since), positions=positions))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Exclude other workers, for as long as it takes to write a file."""
        with contextlib.ExitStack() as stack:
            # without permission for a lock file, nothing can be written either
            with contextlib.suppress(OSError):
                stack.enter_context(file_locks.held(self._path.with_suffix(".lock")))
            yield

    def _load(self) -> _Kept:
        return self._unsaved or self._files.read(self._path) or _Kept(self._began, {}, {})

    def _store(self, kept: _Kept) -> None:
        # `asdict` takes ten times as long, which a thousand sessions make 4 ms of each page
        sessions = {
            key: {"block": each.block, "at": each.at} for key, each in kept.positions.items()
        }
        content: dict[str, Any] = {"since": kept.since, "sessions": sessions}
        if kept.noticed:
            content["noticed"] = list(kept.noticed.items())
        try:
            self._files.write(self._path, content, durable=False)
        except OSError as error:  # the disk guard warns of a full disk
            log.warning("%s cannot be written: %s", self._path, error)
            self._unsaved = kept
        else:
            self._unsaved = None


def _parse(found: dict[str, Any], left_out: list[str]) -> _Kept:
    """What can be used, field by field. Raises one of WRONG_SHAPE where nothing can be."""
    blocks, times = dict[str, str](), dict[str, float]()
    for key, position in found["sessions"].items():
        if not isinstance(position, dict):
            left_out.append(key)
            continue
        wrong = list[str]()
        blocks[key] = field_or(position, "block", text, "", wrong)
        if (at := field_or(position, "at", number, None, wrong)) is not None:
            times[key] = at
        if wrong:
            left_out += (f"{name} of {key}" for name in wrong)
    since = field_or(found, "since", number, None, left_out)
    if since is None:
        # a session that nobody has looked at since counts as seen
        since = max(times.values())
    positions = {key: ReadPosition(block, times.get(key, since)) for key, block in blocks.items()}
    noticed = dict[float, float]()
    pairs: list[Any] = field_or(found, "noticed", list, [], left_out)
    for each in pairs:
        try:
            at, seen = each
            noticed[number(at)] = number(seen)
        except (TypeError, ValueError):
            left_out.append("noticed")
    return _Kept(since, positions, noticed)


_SCHEMA = PartialJsonFileSchema(1, _parse)
