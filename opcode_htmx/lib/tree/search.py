"""List the files of a project, and match them against a few typed letters.

A listing is cached; an old one is still returned while a new one is made in the background.
Nothing outside of the project is ever listed.
"""

from __future__ import annotations

import heapq
import logging
import os
import re
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import gevent

from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.git import reads

log = logging.getLogger(__name__)

FRESH_SECONDS = 10.0
CACHED = 8
"""The number of projects whose listings are cached."""
MOST = 200_000
"""The number of files that are listed; the rest is left out."""
LISTING_SECONDS = 20.0

SKIPPED = frozenset(
    {"node_modules", "__pycache__", "venv", "target", "dist", "build", "vendor", "site-packages"}
)
"""Folders that are not walked where git cannot say which files belong to the project."""

MAX_MATCHES = 2000
"""Matches of one search that are ranked."""

_BOUNDARIES = "/_-. "


class ProjectFiles:
    """The cached listings of projects."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` is that of git."""
        self._environment = environment
        self._cached: OrderedDict[Path, FileListing] = OrderedDict()
        self._listing_now: dict[Path, gevent.Greenlet[..., FileListing]] = {}

    def matching(self, project: Path, query: str, limit: int) -> list[str]:
        """Paths in the project, the best match for `query` first."""
        return self._listing(project).matching(query, limit)

    def _listing(self, project: Path) -> FileListing:
        known = self._cached.get(project)
        if known:
            self._cached.move_to_end(project)
            if time.monotonic() - known.made_at > FRESH_SECONDS:
                self._list_project(project)
            return known
        listing: FileListing = self._list_project(project).get()
        return listing

    def _list_project(self, project: Path) -> gevent.Greenlet[..., FileListing]:
        """The greenlet that lists the project; at most one for each project."""
        if project not in self._listing_now:
            self._listing_now[project] = gevent.spawn(self._run, project)
        return self._listing_now[project]

    def _run(self, project: Path) -> FileListing:
        try:
            listing = _listed(project, self._environment)
            self._cached[project] = listing
            while len(self._cached) > CACHED:
                self._cached.popitem(last=False)
            return listing
        finally:
            del self._listing_now[project]


class FileListing:
    """Paths, indexed for a search at every keystroke."""

    def __init__(self, paths: Iterable[str]) -> None:
        shown = (path for path in paths if "\n" not in path)
        self.paths = sorted(shown, key=lambda path: (path.count("/"), path))
        """Sorted by depth."""
        self.made_at = time.monotonic()
        self._lower = [path.lower() for path in self.paths]
        self._names = _Lines(path[path.rfind("/") + 1 :] for path in self._lower)
        self._whole = _Lines(self._lower)
        self._scattered: tuple[str, set[int]] = "", set()

    def matching(self, query: str, limit: int) -> list[str]:
        """The paths that contain the letters of `query` in this order, the best first."""
        query = query.replace("\n", "").lower()
        if not query:
            return self.paths[:limit]
        found: set[int] = set()
        for lines, pattern in (
            (self._names, "\n" + re.escape(query)),
            (self._names, re.escape(query)),
            (self._whole, re.escape(query)),
        ):
            # from the cheapest and most significant on
            if len(found) < limit:
                found.update(lines.matching(pattern))
        if len(found) < limit:
            found.update(self._with_letters(query))
        best = heapq.nsmallest(limit, ((self._cost(i, query), i) for i in found))
        return [self.paths[i] for _, i in best]

    def _with_letters(self, query: str) -> set[int]:
        """Indices of paths with the letters in this order; a longer query filters the last ones."""
        last_query, last_found = self._scattered
        pattern = _scattered_pattern(query)
        if last_query and query.startswith(last_query):
            found = {i for i in last_found if re.match(pattern, f"\n{self._lower[i]}")}
        else:
            found = self._whole.matching(pattern)
        if len(found) < MAX_MATCHES / 2:  # else there may be further matches
            self._scattered = query, found
        return found

    def _cost(self, index: int, query: str) -> int:
        """The distance of a path from the query: 0 if the query is its whole name."""
        path = self._lower[index]
        name = path[path.rfind("/") + 1 :]
        at = name.find(query)
        if at == 0:
            return len(name) - len(query)
        if at > 0:
            return (100 if name[at - 1] in _BOUNDARIES else 200) + len(name)
        at = path.find(query)
        if at >= 0:
            return (300 if at == 0 or path[at - 1] in _BOUNDARIES else 400) + len(path)
        return 1000 + _scattered(path, query) + len(path)


class _Lines:
    """Many short texts as one, searched without a Python step for each."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._starts = [0]
        joined = []
        for text in texts:
            joined.append(text)
            self._starts.append(self._starts[-1] + len(text) + 1)
        self._text = "\n" + "\n".join(joined)

    def matching(self, pattern: str) -> set[int]:
        """The indices of the texts with a match, of the first MAX_MATCHES."""
        found = islice(re.finditer(pattern, self._text), MAX_MATCHES)
        return {bisect_right(self._starts, match.end() - 1) - 1 for match in found}


def _scattered_pattern(query: str) -> str:
    """A pattern for lines with these letters in this order. Never backtracks, so it is fast."""
    return r"\n" + "".join(f"[^{re.escape(c)}\\n]*+{re.escape(c)}" for c in query)


def _scattered(path: str, query: str) -> int:
    """How scattered the letters are, from the end, the most significant part of a path."""
    cost, at = 0, len(path)
    for position in range(len(query) - 1, -1, -1):
        found = path.rfind(query[position], 0, at)
        if found + 1 != at and position < len(query) - 1:
            cost += 10
        if found and path[found - 1] in _BOUNDARIES:
            cost -= 8
        at = found
    return max(cost, -500)


def _listed(project: Path, environment: Mapping[str, str]) -> FileListing:
    """The listing of a project; a long one takes a second of a CPU, which a thread spends."""
    by_git = _by_git(project, environment)
    if by_git is not None:
        return run_cpu_in_thread(lambda: FileListing(islice(by_git, MOST)))
    return run_cpu_in_thread(FileListing, list(islice(_walked(project), MOST)))


def _by_git(project: Path, environment: Mapping[str, str]) -> Iterator[str] | None:
    """The files that git tracks or would add; None if it cannot list them."""
    flags = ["-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    try:
        output = reads.read(
            project, "ls-files", *flags, environment=environment, seconds=LISTING_SECONDS
        )
    except (reads.GitFailed, reads.RepositoryRefused) as error:
        log.info("the files of %s are listed without git: %s", project, error)
        return None
    if output is None:
        return None
    paths = output.content.split(b"\0")
    return (_text(path) for path in paths[: -1 if output.cut else None] if _is_inside(path))


def _is_inside(path: bytes) -> bool:
    """Whether an entry is a path below the project: an index can contain any text."""
    return bool(path) and not path.startswith(b"/") and b".." not in path.split(b"/")


def _walked(project: Path) -> Iterator[str]:
    """The files below a folder, without hidden and built ones; follows no links."""
    until = time.monotonic() + LISTING_SECONDS
    for folder, folders, names in os.walk(project):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in SKIPPED)
        inside = os.path.relpath(folder, project)
        for name in names:
            if not name.startswith("."):
                yield _text(os.fsencode(name if inside == "." else f"{inside}/{name}"))
        gevent.sleep(0)
        if time.monotonic() > until:
            return


def _text(path: bytes) -> str:
    return path.decode("utf-8", "replace")
