"""The files of a project, and those among them that a few typed letters mean.

A listing is kept and made anew when it has grown old; until then the old one is good enough.
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

from opcode_htmx.lib.git import reads

log = logging.getLogger(__name__)

FRESH_SECONDS = 10.0
KEPT = 8
"""Listings of so many projects are kept."""
MOST = 200_000
"""Files; of a folder with more, the rest is not listed."""
LISTING_SECONDS = 20.0

SKIPPED = frozenset(
    {"node_modules", "__pycache__", "venv", "target", "dist", "build", "vendor", "site-packages"}
)
"""Folders that are not walked where there is no git to say what belongs to the project."""

ENOUGH = 2000
"""Matches to choose from."""

_BOUNDARIES = "/_-. "


class ProjectFiles:
    """The listings of the projects that are being worked in."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` is what git is started with."""
        self._environment = environment
        self._kept: OrderedDict[Path, FileListing] = OrderedDict()
        self._at_work: dict[Path, gevent.Greenlet[..., FileListing]] = {}

    def matching(self, project: Path, query: str, limit: int) -> list[str]:
        """Paths in the project, the best match for `query` first."""
        return self._listing(project).matching(query, limit)

    def _listing(self, project: Path) -> FileListing:
        known = self._kept.get(project)
        if known:
            self._kept.move_to_end(project)
            if time.monotonic() - known.made_at > FRESH_SECONDS:
                self._make(project)
            return known
        made: FileListing = self._make(project).get()
        return made

    def _make(self, project: Path) -> gevent.Greenlet[..., FileListing]:
        """The greenlet that lists the project, one at a time for each."""
        if project not in self._at_work:
            self._at_work[project] = gevent.spawn(self._work, project)
        return self._at_work[project]

    def _work(self, project: Path) -> FileListing:
        try:
            listing = FileListing(_list(project, self._environment))
            self._kept[project] = listing
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return listing
        finally:
            del self._at_work[project]


class FileListing:
    """Paths in the form in which they can be searched at every keystroke."""

    def __init__(self, paths: Iterable[str]) -> None:
        shown = (path for path in paths if "\n" not in path)
        self.paths = sorted(shown, key=lambda path: (path.count("/"), path))
        """The shallow ones first."""
        self.made_at = time.monotonic()
        self._lower = [path.lower() for path in self.paths]
        self._names = _Lines(path[path.rfind("/") + 1 :] for path in self._lower)
        self._whole = _Lines(self._lower)
        self._scattered: tuple[str, set[int]] = "", set()

    def matching(self, query: str, limit: int) -> list[str]:
        """The paths that hold the letters of `query` in this order, the best first."""
        query = query.replace("\n", "").lower()
        if not query:
            return self.paths[:limit]
        found: set[int] = set()
        for lines, pattern in (
            (self._names, "\n" + re.escape(query)),
            (self._names, re.escape(query)),
            (self._whole, re.escape(query)),
        ):
            # the later ones cost more and mean less
            if len(found) < limit:
                found.update(lines.holding(pattern))
        if len(found) < limit:
            found.update(self._holding_letters(query))
        best = heapq.nsmallest(limit, ((self._cost(i, query), i) for i in found))
        return [self.paths[i] for _, i in best]

    def _holding_letters(self, query: str) -> set[int]:
        """What holds the letters in this order; of a query that grows, only what did before."""
        begun, among = self._scattered
        pattern = _scattered_pattern(query)
        if begun and query.startswith(begun):
            found = {i for i in among if re.match(pattern, f"\n{self._lower[i]}")}
        else:
            found = self._whole.holding(pattern)
        if len(found) < ENOUGH / 2:  # else there may be more
            self._scattered = query, found
        return found

    def _cost(self, index: int, query: str) -> int:
        """How far a path is from what is meant: 0 is its name, spelt out."""
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
    """Many short texts as one, which is searched without a step of Python for each."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._starts = [0]
        joined = []
        for text in texts:
            joined.append(text)
            self._starts.append(self._starts[-1] + len(text) + 1)
        self._text = "\n" + "\n".join(joined)

    def holding(self, pattern: str) -> set[int]:
        """The numbers of the texts in which there is a match, or of the first many of them."""
        found = islice(re.finditer(pattern, self._text), ENOUGH)
        return {bisect_right(self._starts, match.end() - 1) - 1 for match in found}


def _scattered_pattern(query: str) -> str:
    """Matches a line that holds these letters in this order. It never goes back, so it is quick."""
    return r"\n" + "".join(f"[^{re.escape(c)}\\n]*+{re.escape(c)}" for c in query)


def _scattered(path: str, query: str) -> int:
    """How loosely the letters lie, read from the end, where a path says most."""
    cost, at = 0, len(path)
    for position in range(len(query) - 1, -1, -1):
        found = path.rfind(query[position], 0, at)
        if found + 1 != at and position < len(query) - 1:
            cost += 10
        if found and path[found - 1] in _BOUNDARIES:
            cost -= 8
        at = found
    return max(cost, -500)


def _list(project: Path, environment: Mapping[str, str]) -> list[str]:
    by_git = _by_git(project, environment)
    paths = _walked(project) if by_git is None else by_git
    return [path for path, _ in zip(paths, range(MOST), strict=False)]


def _by_git(project: Path, environment: Mapping[str, str]) -> Iterator[str] | None:
    """What git has or would take; None where it cannot say."""
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
    """Whether an entry names a file below the project: an index can hold any text."""
    return bool(path) and not path.startswith(b"/") and b".." not in path.split(b"/")


def _walked(project: Path) -> Iterator[str]:
    """The files below a folder without what is hidden or built; no link is followed."""
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
