"""The summaries of the session files in the folders of projects, each file read once.

Files are read in a thread, the newest first, and a few at a time: other work for a thread takes its
turn in between, and so does another request, which needs other files, or finds these read.
"""

from __future__ import annotations

import heapq
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import TypeVar
from weakref import WeakKeyDictionary

from opcode_htmx.engines.claude.files.links import ENDING
from opcode_htmx.engines.claude.files.lists.kept_summaries import KeptSummaries
from opcode_htmx.engines.claude.files.session_listing import MOST, File, Listing
from opcode_htmx.engines.claude.files.session_summary import (
    HEAD,
    FileSummary,
    count_prompts,
    summarize,
    unreadable,
)
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread, run_in_thread, yielding

log = logging.getLogger(__name__)

PIECE_SECONDS = 0.02
"""How long a thread reads before others may have it."""
AT_ONCE = 8
"""Files that are read before it is asked again whether more are needed."""
FEW = 3
"""Files that a list of projects reads rather than doing without."""
MANY = 20
"""Files: to read so many takes longer than to read what was kept of them."""
CLOCK_SECONDS = 60.0
"""How much later than its modification time a file may have been used last."""

T = TypeVar("T")
_File = tuple[Path, File]
_Read = dict[str, tuple[File, FileSummary | None]]

_read: dict[Path, _Read] = {}
"""By folder and name, what the files contained; None: it could not be read. The folder that was
added last is the last."""
_prompted: WeakKeyDictionary[Listing, tuple[FileSummary, ...]] = WeakKeyDictionary()
"""The results for listings that are still valid."""
_kept = KeptSummaries(None)
"""What an earlier start has read, and the file for the next one."""


def keep_in(path: Path | None) -> None:
    """Begin with the summaries in the file at `path`, which `save` writes; None: keep none."""
    global _kept
    _kept = KeptSummaries(path)


def save(*, has_read_all: bool = False) -> None:
    """Write the summaries, if a file was read since. `has_read_all`: those of all files."""
    if has_read_all:
        _kept.drop_rest()
    if _kept.is_behind:
        _kept.is_behind = False
        # The list is made at once: meanwhile a thread may add a folder
        run_in_thread(_kept.save, {folder: dict(read) for folder, read in list(_read.items())})


def of(listing: Listing) -> tuple[FileSummary, ...]:
    """The sessions with a prompt in a folder, the last used first."""
    return of_all([listing])[0]


def of_all(listings: Sequence[Listing]) -> list[tuple[FileSummary, ...]]:
    """The same of several folders, of which the newest files are read first."""
    load_kept(listings)
    files = _unread_of(listings)
    files.sort(key=_modified, reverse=True)
    _read_in_thread(files)
    return [_known(listing) for listing in yielding(listings)]


def load_kept(listings: Iterable[Listing]) -> None:
    """Load what an earlier start has kept, where MANY files of these folders were not read yet."""
    if _kept.is_loaded:
        return
    unread = sum(max(0, _not_in_memory(each)) for each in listings if each not in _prompted)
    if unread > MANY:
        run_in_thread(_kept.load)


def if_few_unread(listing: Listing) -> tuple[FileSummary, ...] | None:
    """What `of` returns if FEW files or less have to be read for it, else None.

    Saved summaries of a folder count as unread until all of its files have been asked for.
    """
    known = _prompted.get(listing)
    if known is not None:
        return known
    if _not_in_memory(listing) > FEW or len(_unread(listing)) > FEW:
        return None
    return of(listing)


def _not_in_memory(listing: Listing) -> int:
    """At least so many files of a folder were not read yet."""
    return len(listing.files) - len(_read.get(listing.folder, ()))


def newest(listings: Sequence[Listing], most: int) -> list[FileSummary]:
    """At most `most` sessions with a prompt, the last used first, of all these folders.

    Only the files that may belong to them are read.
    """
    load_kept(listings)
    read: list[Sequence[FileSummary]] = []
    files: list[_File] = []
    for each in listings:
        known = _prompted.get(each)
        if known is not None:
            read.append(known)
        else:
            files += [(each.folder, file) for file in each.files]
    found = list(islice(heapq.merge(*read, key=_last_activity, reverse=True), most))
    files.sort(key=_modified, reverse=True)
    for at in range(0, len(files), AT_ONCE):
        if len(found) >= most and _is_settled(found, most, files[at]):
            break
        some = files[at : at + AT_ONCE]
        _read_in_thread([one for one in some if _entry(*one) is None])
        found += filter(None, (_with_prompt(*one) for one in some))
    return heapq.nlargest(most, found, key=_last_activity) if files else found


def newest_of(listing: Listing, is_enough: Callable[[FileSummary], bool]) -> FileSummary | None:
    """The session with a prompt whose file is the newest that is enough, else the newest one."""
    first: FileSummary | None = None
    for file in sorted(listing.files, key=lambda each: each.mtime_ns, reverse=True):
        if _entry(listing.folder, file) is None:
            _read_in_thread([(listing.folder, file)])
        seen = _with_prompt(listing.folder, file)
        if seen and is_enough(seen):
            return seen
        first = first or seen
    return first


def of_file(folder: Path, file: File) -> FileSummary | None:
    """What a list shows of one file; None if it could not be read."""
    entry = _entry(folder, file)
    if entry is None:
        entry = _keep(folder, file)
    return entry[1]


def prompt_counts(found: Sequence[FileSummary]) -> list[int | None]:
    """The numbers of prompts in the files; None for a file too long to be read for this."""
    counts = [
        count_prompts.known(f"{each.folder}/{each.session_id}{ENDING}", each.size, each.mtime_ns)
        for each in found
    ]

    def count(place: int) -> None:
        each = found[place]
        counts[place] = count_prompts(each.path, each.size, each.mtime_ns)

    unknown = [at for at, each in enumerate(found) if counts[at] is None and each.size <= HEAD]
    if unknown:
        _kept.is_behind = True
        _in_thread(count, unknown)
    return counts


# Reading ----------------------------------------------------------------------------------


def _is_settled(found: Sequence[FileSummary], most: int, following: _File) -> bool:
    """Whether no file from `following` on can have been used later than `most` of the found."""
    latest = heapq.nlargest(most, map(_last_activity, found))
    return latest[-1] >= following[1].mtime_ns / 1e9 + CLOCK_SECONDS


def _modified(file: _File) -> int:
    return file[1].mtime_ns


def _last_activity(each: FileSummary) -> float:
    return each.last_activity


def _entry(folder: Path, file: File) -> tuple[File, FileSummary | None] | None:
    """What a file contained, if it has not changed since."""
    found = _read.get(folder, {}).get(file.name)
    if found is not None and found[0] == file:
        return found
    kept = _kept.take(folder, file)
    return _add(folder, file, kept) if kept else None


def _with_prompt(folder: Path, file: File) -> FileSummary | None:
    entry = _entry(folder, file)
    seen = entry[1] if entry else None
    return seen if seen and seen.title is not None else None


def _unread_of(listings: Sequence[Listing]) -> list[_File]:
    return [each for listing in yielding(listings) for each in _unread(listing)]


def _unread(listing: Listing) -> list[_File]:
    if listing in _prompted:
        return []
    folder = listing.folder
    return [(folder, file) for file in listing.files if _entry(folder, file) is None]


def _known(listing: Listing) -> tuple[FileSummary, ...]:
    """Those with a prompt of a folder whose files have all been read."""
    known = _prompted.get(listing)
    if known is None:
        folder = listing.folder
        found = [seen for file in listing.files if (seen := _with_prompt(folder, file))]
        found.sort(key=_last_activity, reverse=True)
        known = _prompted[listing] = tuple(found)
        _drop_deleted(listing)
    return known


def _drop_deleted(listing: Listing) -> None:
    read = _read.get(listing.folder, {})
    if len(read) > len(listing.files):
        for name in read.keys() - {file.name for file in listing.files}:
            del read[name]
        _kept.is_behind = True


def _read_in_thread(files: Sequence[_File]) -> None:
    """Read those that nobody else has read in the meantime."""

    def read(file: _File) -> None:
        if _entry(*file) is None:
            _keep(*file)

    _in_thread(read, files)


def _in_thread(work: Callable[[T], None], items: Sequence[T]) -> None:
    """Do the work on each item, in turns with other work for a thread."""
    waiting = deque(items)

    def piece() -> None:
        until = perf_counter() + PIECE_SECONDS
        while waiting:
            work(waiting.popleft())
            if perf_counter() > until:
                break

    while waiting:
        run_cpu_in_thread(piece)


def _keep(folder: Path, file: File) -> tuple[File, FileSummary | None]:
    _kept.is_behind = True
    count_prompts.forget(f"{folder}/{file.name}")  # it does not know when the inode changed
    return _add(folder, file, _summary(folder / file.name, file))


def _add(folder: Path, file: File, seen: FileSummary | None) -> tuple[File, FileSummary | None]:
    if folder not in _read and len(_read) >= MOST:
        _read.pop(next(iter(_read)), None)
    entry = _read.setdefault(folder, {})[file.name] = file, seen
    return entry


def _summary(path: Path, file: File) -> FileSummary | None:
    try:
        return summarize(path, file.size, file.mtime_ns)
    except OSError:
        return None  # deleted since it was listed, or another user's
    except Exception:  # one broken file does not break the list
        log.exception("could not read %s for a list", path)
        return unreadable(path, file.size, file.mtime_ns)
