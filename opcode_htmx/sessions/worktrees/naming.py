"""Names for copies: a branch and a folder after the first words, and a label for lists."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePath

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git import revisions
from opcode_htmx.lib.git.git import Git
from opcode_htmx.lib.git.revisions import BadRevision
from opcode_htmx.lib.git.worktrees import PLACE
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.sessions.repositories.places import named_after_clone
from opcode_htmx.sessions.worktrees.records import CopyRecords

WORDS = 5
CHARACTERS = 40
MOST_TRIED = 50
_WORD = late_pattern(r"[a-z0-9]+", re.ASCII)
_PLACE = f"/{PLACE.as_posix()}/"


def slug(text: str) -> str:
    """The first words of a text as a name of plain letters: `fix-the-login`; may be empty."""
    line = next((line for line in text[:400].splitlines() if line.strip()), "")
    plain = unicodedata.normalize("NFKD", line).encode("ascii", "ignore").decode().casefold()
    name = ""
    for word in _WORD.findall(plain)[:WORDS]:
        longer = f"{name}-{word[:CHARACTERS]}" if name else word[:CHARACTERS]
        if len(longer) > CHARACTERS:
            break
        name = longer
    return name


def unused(git: Git, place: Path, words: str, session_id: str) -> tuple[str, Path]:
    """A branch that there is not yet, named after words, and a folder in `place` for it.

    Raises GitFailed.
    """
    for name in _names(slug(words), session_id):
        target = place / name
        if target.exists() or target.is_symlink():
            continue
        try:
            revisions.check_branch(git, name)
        except BadRevision:
            continue
        return name, target
    raise BadRevision("No branch could be named after these words.")


def given(git: Git, place: Path, name: str, session_id: str) -> tuple[str, Path]:
    """The branch that a person has named, and a folder for it. Raises BadRevision, GitFailed."""
    revisions.check_branch(git, name)
    folders = (place / each for each in _names(slug(name.replace("/", " ")), session_id))
    free = (each for each in folders if not each.exists() and not each.is_symlink())
    target = next(free, None)
    if target is None:
        raise BadRevision("No folder could be named after this branch.")
    return name, target


def _names(name: str, session_id: str) -> Iterator[str]:
    first = name or f"copy-{session_id[:8].lower()}"
    yield first
    for number in range(2, MOST_TRIED):
        yield f"{first}-{number}"
    yield f"{first}-{session_id.lower()}"


@dataclass(frozen=True, slots=True)
class CopyLabel:
    """The name of the project that a folder is a copy of, and the branch or name of the copy."""

    project: str
    branch: str


class CopyLabels:
    """Labels of folders. One instance serves one worker."""

    def __init__(self, records: CopyRecords) -> None:
        self._records = records
        self._seen: object = None
        self._known: dict[str, CopyLabel] = {}

    def of(self, folder: str) -> CopyLabel | None:
        """What a session's folder is a copy of; None if it is no known copy."""
        if self._seen != (now := self._records.version()):
            self._known = {
                each.folder: CopyLabel(PurePath(each.repository).name or "/", each.branch)
                for each in self._records.all()
            }
            self._seen = now
        known = self._known.get(folder)
        if known is None and (cloned := named_after_clone(folder)):
            return CopyLabel(cloned.title, f"session-{cloned.session_id[:8]}")
        if known is not None or _PLACE not in folder:
            return known
        project, _, rest = folder.partition(_PLACE)
        name = rest.partition("/")[0]
        return CopyLabel(PurePath(project).name or "/", name) if name else None
