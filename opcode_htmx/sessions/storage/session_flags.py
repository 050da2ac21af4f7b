"""Store what a person has noted about sessions: pinned, archived, tags. Claude has no place for it.

One small file for all sessions, which all workers share: lists need the flags of every session that
they show, and it is parsed again only after it was replaced.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.json_fields import field_or, number, texts
from opcode_htmx.lib.files.json_files import PartialJsonFileSchema
from opcode_htmx.sessions.storage.past_times import PastTimes
from opcode_htmx.sessions.storage.session_tags import checked, usable

VERSION = 1
MOST_OFFERED = 30
"""Tags that a list offers to be given by a tap."""
GRACE_SECONDS = 60.0
"""Activity so shortly after a session was archived may be the end of what it did before."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of one session. Times are Unix seconds; 0: it is not pinned, not archived.

    A session is never both: pinning takes it out of the archive, and archiving unpins it.
    """

    pinned: float = 0.0
    archived: float = 0.0
    tags: tuple[str, ...] = ()
    """In the order in which they were given."""
    pinned_before: float = 0.0
    """Of an archived one: when it was pinned until then."""

    def of_use(self, last_activity: float, past: PastTimes) -> Flags:
        """The flags as lists show them, by the Unix time at which the session was used last.

        One that goes on after it was archived, here or in a terminal, is out of the archive. A time
        that is still to come is that of a clock that was wrong, and proves nothing; `past` knows
        when such a time was noticed.
        """
        if not self.archived:
            return self
        last_activity = past.noticed_by(last_activity, self.archived)
        goes_on = self.archived + GRACE_SECONDS < last_activity < time.time() + GRACE_SECONDS
        return replace(self, archived=0.0, pinned_before=0.0) if goes_on else self


NO_FLAGS = Flags()
_UNKNOWN: Mapping[str, float] = MappingProxyType({})
_NONE_WRONG = PastTimes()


@dataclass(frozen=True, slots=True)
class _Content:
    """The file: the flags by session id, and since when (Unix time) a session is missing."""

    flags: Mapping[str, Flags]
    missing: Mapping[str, float]


_EMPTY = _Content(MappingProxyType({}), MappingProxyType({}))


class SessionFlags:
    """The flags of all sessions. Methods that change some raise OSError, DiskFull among them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = CachedJsonFiles(_SCHEMA, 1)

    def all(self) -> Mapping[str, Flags]:
        """The flags by session id, where there are some. One `stat` if nothing has changed."""
        return self._load().flags

    def of(self, session_id: str) -> Flags:
        return self.all().get(session_id, NO_FLAGS)

    def pin(self, session_ids: Iterable[str], pinned: bool = True) -> None:
        """Pin sessions, or unpin them. One that is pinned already keeps its time."""
        at = time.time()
        if pinned:
            self._change(
                session_ids,
                lambda old: replace(old, pinned=old.pinned or at, archived=0.0, pinned_before=0.0),
            )
        else:
            self._change(session_ids, lambda old: replace(old, pinned=0.0))

    def archive(
        self,
        session_ids: Iterable[str],
        archived: bool = True,
        used_at: Mapping[str, float] = _UNKNOWN,
        past: PastTimes = _NONE_WRONG,
    ) -> float:
        """Archive sessions, or take them out of the archive; those in it already are left there.

        `used_at` are the Unix times at which sessions were used last, to be compared by `past`: one
        that has gone on since it was archived is archived again. Returns when, as `undo_archive`
        takes it; of a second tap, when the first one was.
        """
        at, ids = time.time(), tuple(session_ids)
        if not archived:
            self._change(ids, lambda old: replace(old, archived=0.0, pinned_before=0.0))
            return at
        moments = set[float]()

        def put(session_id: str, old: Flags) -> Flags:
            now = old.of_use(used_at.get(session_id, 0.0), past)
            moments.add(now.archived or at)
            if now.archived:
                return old
            return replace(now, pinned=0.0, archived=at, pinned_before=now.pinned)

        self._change_each(ids, put)
        first = min(moments, default=at)
        is_second_tap = first > at - GRACE_SECONDS and set(ids) == set(self.archived_at(first))
        return first if is_second_tap else at

    def archived_at(self, at: float) -> list[str]:
        """The sessions that were archived together, and still are, by the time of that."""
        return [key for key, each in self.all().items() if at and each.archived == at]

    def undo_archive(self, at: float) -> list[str]:
        """Have sessions that were archived together as they were before; returns their ids."""

        def back(old: Flags) -> Flags:
            if old.archived != at:  # it was used meanwhile
                return old
            return replace(old, pinned=old.pinned_before, archived=0.0, pinned_before=0.0)

        ids = self.archived_at(at)
        self._change(ids, back)
        return ids

    def add_tags(self, session_ids: Iterable[str], tags: Iterable[str]) -> None:
        """Give tags, as `tags_of` returns them, to sessions. Raises BadTag, and changes nothing."""
        added = tuple(tags)
        self._change(session_ids, lambda old: replace(old, tags=checked((*old.tags, *added))))

    def remove_tags(self, session_ids: Iterable[str], tags: Iterable[str]) -> None:
        gone = frozenset(tags)
        self._change(
            session_ids,
            lambda old: replace(old, tags=tuple(tag for tag in old.tags if tag not in gone)),
        )

    def set_tags(self, session_id: str, tags: Iterable[str]) -> None:
        """Replace the tags of a session. Raises BadTag."""
        chosen = checked(tuple(tags))
        self._change((session_id,), lambda old: replace(old, tags=chosen))

    def forget(self, session_ids: Iterable[str]) -> None:
        """Remove all flags of sessions that are gone."""
        self._change(session_ids, lambda _: NO_FLAGS)

    def collect(self, exists: Callable[[str], bool], keep: float) -> None:
        """Remove the flags of sessions that have been missing for `keep` seconds.

        They may come back before: with a disk that was not mounted, or out of a backup.
        """
        now, content = time.time(), self._load()
        missing = {
            session_id: content.missing.get(session_id, now)
            for session_id in content.flags
            if not exists(session_id)
        }
        gone = {session_id for session_id, since in missing.items() if now - since >= keep}
        if gone or missing != content.missing:
            with self._locked():
                flags = {key: each for key, each in self.all().items() if key not in gone}
                self._store(flags, {key: at for key, at in missing.items() if key not in gone})

    def _change(self, session_ids: Iterable[str], change: Callable[[Flags], Flags]) -> None:
        self._change_each(session_ids, lambda _, old: change(old))

    def _change_each(
        self, session_ids: Iterable[str], change: Callable[[str, Flags], Flags]
    ) -> None:
        with self._locked():
            content = self._load()
            flags, missing = dict(content.flags), dict(content.missing)
            for session_id in session_ids:
                new = change(session_id, flags.pop(session_id, NO_FLAGS))
                if new != NO_FLAGS:
                    flags[session_id] = new
                else:
                    missing.pop(session_id, None)
            if flags != content.flags:
                self._store(flags, missing)

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return file_locks.held(self._path.with_suffix(".lock"))

    def _load(self) -> _Content:
        return self._files.read(self._path) or _EMPTY

    def _store(self, flags: Mapping[str, Flags], missing: Mapping[str, float]) -> None:
        sessions = {key: _as_json(each) for key, each in flags.items()}
        self._files.write(self._path, {"sessions": sessions, "missing": missing})


def most_used_tags(flags: Iterable[Flags]) -> list[tuple[str, int]]:
    """The tags of some sessions with their numbers, the most used first."""
    counted = Counter(tag for each in flags for tag in each.tags)
    return sorted(counted.items(), key=lambda each: (-each[1], each[0]))


def _as_json(flags: Flags) -> dict[str, Any]:
    """Without the members that say nothing: thousands of sessions may be archived."""
    found = {
        "pinned": flags.pinned,
        "archived": flags.archived,
        "tags": list(flags.tags),
        "pinned_before": flags.pinned_before,
    }
    return {name: value for name, value in found.items() if value}


def _parse(found: dict[str, Any], left_out: list[str]) -> _Content:
    """What can be used, field by field."""
    flags = dict[str, Flags]()
    for key, each in found["sessions"].items():
        wrong = list[str]()
        if (its := _flags_of(each, wrong)) != NO_FLAGS:
            flags[key] = its
        if wrong:
            left_out += (f"{name} of {key}" for name in wrong)
    since: dict[str, Any] = field_or(found, "missing", dict, {}, left_out)
    missing = {key: field_or(since, key, number, None, left_out) for key in since}
    known = {key: at for key, at in missing.items() if at is not None}
    return _Content(MappingProxyType(flags), MappingProxyType(known))


def _flags_of(found: object, wrong: list[str]) -> Flags:
    if not isinstance(found, dict):
        wrong.append("all")
        return NO_FLAGS
    tags, is_all = usable(field_or(found, "tags", texts, (), wrong))
    if not is_all:
        wrong.append("tags")
    return Flags(
        field_or(found, "pinned", number, 0.0, wrong),
        field_or(found, "archived", number, 0.0, wrong),
        tags,
        field_or(found, "pinned_before", number, 0.0, wrong),
    )


_SCHEMA = PartialJsonFileSchema(VERSION, _parse)
