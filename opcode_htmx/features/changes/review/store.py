"""Keep the comments and the viewed marks of a session, or of a project: one small file each."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_files import JsonFileSchema

OF_SESSIONS, OF_PROJECTS = "reviews", "project_reviews"
VERSION = 1
MOST_COMMENTS = 200
MOST_VIEWED = 5000
"""Marks that are kept; the oldest go first."""
CACHED = 64
ID = re.compile(r"[0-9a-f]{12}")
NEW, OLD = "new", "old"
"""The file after the change, or before."""


class NoSuchComment(Exception):
    """A comment that is not there any more; the text is a sentence for the person."""


class TooManyComments(Exception):
    """There is no room for a further comment; the text is a sentence for the person."""


@dataclass(frozen=True, slots=True)
class Comment:
    """What a person has written about lines of a file. Times are Unix seconds."""

    id: str
    key: str
    """The path of the file, percent-encoded."""
    on: str
    """NEW or OLD: which version of the file has the lines."""
    first: int
    last: int
    code: str
    """The lines as they were then."""
    text: str
    by: str = ""
    at: float = 0.0
    sent_at: float = 0.0
    """0 until Claude has been sent it."""


@dataclass(frozen=True, slots=True)
class Review:
    """All comments of a session or project, in their order, and the marks."""

    comments: tuple[Comment, ...] = ()
    viewed: Mapping[str, str] = field(default_factory=dict)
    """By base, side and path: the version of the diff that was looked at."""

    @property
    def unsent(self) -> tuple[Comment, ...]:
        return tuple(each for each in self.comments if not each.sent_at)

    def comment(self, comment_id: str) -> Comment:
        """Raises NoSuchComment."""
        for each in self.comments:
            if each.id == comment_id:
                return each
        raise NoSuchComment("This comment is not there any more.")


def _parse(content: dict[str, Any]) -> Review:
    viewed = {str(key): str(value) for key, value in content["viewed"].items()}
    return Review(tuple(Comment(**each) for each in content["comments"]), viewed)


_SCHEMA = JsonFileSchema(VERSION, _parse)


class Reviews:
    """The reviews of all sessions and projects. What changes one raises OSError, DiskFull too."""

    def __init__(self, of_sessions: Path, of_projects: Path) -> None:
        self._of_sessions = of_sessions
        self._of_projects = of_projects
        self._files = CachedJsonFiles(_SCHEMA, CACHED)

    def of(self, session_id: str, folder: Path) -> Review:
        """The review of a session, or without one of a project in `folder`."""
        return self._files.read(self._path(session_id, folder)) or Review()

    def add(self, session_id: str, folder: Path, comment: Comment) -> Comment:
        """Keep a comment under a new id. Raises TooManyComments."""
        return self.keep(session_id, folder, replace(comment, id=secrets.token_hex(6)))

    def keep(self, session_id: str, folder: Path, made: Comment) -> Comment:
        """The same under its own id."""

        def change(review: Review) -> Review:
            if len(review.comments) >= MOST_COMMENTS:
                raise TooManyComments(
                    f"There are {MOST_COMMENTS} comments already: remove some of them first."
                )
            return replace(review, comments=(*review.comments, made))

        self._change(session_id, folder, change)
        return made

    def edit(self, session_id: str, folder: Path, comment_id: str, text: str) -> None:
        """Change the text of a comment, which is to be sent again. Raises NoSuchComment."""

        def change(review: Review) -> Review:
            edited = replace(review.comment(comment_id), text=text, sent_at=0.0)
            return _with(review, comment_id, edited)

        self._change(session_id, folder, change)

    def remove(self, session_id: str, folder: Path, comment_id: str) -> None:
        """Remove a comment; one that is not there any more is removed already."""
        self._change(session_id, folder, lambda review: _with(review, comment_id, None))

    def note_sent(self, session_id: str, folder: Path, ids: frozenset[str], at: float) -> None:
        """Note when comments were sent."""

        def change(review: Review) -> Review:
            comments = (replace(c, sent_at=at) if c.id in ids else c for c in review.comments)
            return replace(review, comments=tuple(comments))

        self._change(session_id, folder, change)

    def mark(self, session_id: str, folder: Path, name: str, version: str) -> None:
        """Mark a file as viewed in a version; with an empty one, as not viewed."""

        def change(review: Review) -> Review:
            viewed = {key: value for key, value in review.viewed.items() if key != name}
            if version:
                viewed[name] = version
            return replace(review, viewed=dict(list(viewed.items())[-MOST_VIEWED:]))

        self._change(session_id, folder, change)

    def _path(self, session_id: str, folder: Path) -> Path:
        if session_id:
            return self._of_sessions / session_id / "review.json"
        digest = sha256(str(folder).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self._of_projects / f"{digest}.json"

    def _change(self, session_id: str, folder: Path, change: Callable[[Review], Review]) -> None:
        path = self._path(session_id, folder)
        root = self._of_sessions if session_id else self._of_projects
        with raise_disk_full():
            atomic_files.make_folder(root)
            atomic_files.make_folder(path.parent)
            with file_locks.held(root.with_name(f"{root.name}.lock")):
                before = self._files.read(path) or Review()
                after = change(before)
                if after != before:
                    content = {
                        "comments": [asdict(each) for each in after.comments],
                        "viewed": dict(after.viewed),
                    }
                    self._files.write(path, content)


def _with(review: Review, comment_id: str, other: Comment | None) -> Review:
    comments = (other if each.id == comment_id else each for each in review.comments)
    return replace(review, comments=tuple(each for each in comments if each))
