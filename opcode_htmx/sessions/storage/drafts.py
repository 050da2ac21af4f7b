"""Store drafts: the text and files that the user has entered but not sent, one folder a session.

Every change is atomic, and the files are private to this user.
"""

from __future__ import annotations

import functools
import hashlib
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from opcode_htmx.lib.concurrency.cooperative import run_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files, file_locks
from opcode_htmx.lib.files.cached_json import CachedJsonFiles
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.surrogates import encoded

P = ParamSpec("P")
T = TypeVar("T")

NAME = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""The name of a draft: its session's id, or an id for the page where a session begins."""
TOKEN = re.compile(r"[0-9a-f]{32}")
_UNUSUAL = late_pattern(r"[^\w.() +=@,-]+")
_PAGES = uuid.UUID("6d0c4a3e-5f0b-4a7e-9f43-0d7c5c2f8a11")
FILE_NAME_CHARACTERS = 100
MAX_TEXT = 1_000_000
MAX_FILE = 25_000_000
"""Bytes of one file."""
MAX_FILES = 20
MAX_BYTES = 100_000_000
"""Of all files of one draft together."""
READ = 128
"""Drafts that are cached in memory."""
KEPT = 500
"""Drafts that are kept; beyond, those that were not changed for the longest time are deleted."""
MOST_TRIED = 100
"""Places at which a text is looked for in another one."""


class DraftTooLarge(Exception):
    """A draft would exceed a limit; the text says which."""


class DraftChanged(Exception):
    """Another page has saved a text since a page was rendered; `draft` is the draft of now."""

    def __init__(self, draft: Draft) -> None:
        super().__init__("This was changed on another page meanwhile.")
        self.draft = draft


@dataclass(frozen=True, slots=True)
class DraftFile:
    """An attached file. `media_type` is set for images that Claude can see, else empty.

    `token` names the file in the draft's folder; `size` is in bytes.
    """

    token: str
    name: str
    size: int
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """`by` is the page on which it was typed, and `form` the form of it that sends the text.

    `sent` are the forms whose prompts were sent. `folder` is the folder for a new session, as it
    was typed. `sent_as`: the ids of prompts that another page has sent, as it found them here, each
    with the id under which it did.
    """

    text: str = ""
    by: str = ""
    files: tuple[DraftFile, ...] = ()
    sent: tuple[str, ...] = ()
    folder: str = ""
    form: str = ""
    sent_as: tuple[tuple[str, str], ...] = ()

    @property
    def revision(self) -> str:
        """Names this text; empty without one. A page that saves says which one it has seen."""
        return hashlib.sha256(encoded(self.text)).hexdigest()[:16] if self.text else ""


_EMPTY = Draft()


def _change(
    function: Callable[Concatenate[Drafts, P], T],
) -> Callable[Concatenate[Drafts, P], T]:
    """Decorate a method to hold the lock of all workers: a page may save text and files at once."""

    @functools.wraps(function)
    def locked(drafts: Drafts, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with raise_disk_full():
            atomic_files.make_folder(drafts.lock.parent)
            with file_locks.held(drafts.lock):
                return function(drafts, *args, **kwargs)

    return locked


class Drafts:
    """The drafts of all sessions. Methods that change one raise OSError, DiskFull among them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._prefix = f"{root}/"
        self.lock = root.with_name(f"{root.name}.lock")
        self._files = CachedJsonFiles(_SCHEMA, READ)

    def get(self, session_id: str) -> Draft:
        """The draft of a session; an empty one if there is none or it cannot be read."""
        if not NAME.fullmatch(session_id):
            raise ValueError(session_id)
        return self._files.read(f"{self._prefix}{session_id}/draft.json") or _EMPTY

    @_change
    def save_text(
        self,
        session_id: str,
        text: str,
        *,
        form: str = "",
        by: str = "",
        folder: str | None = None,
        seen: str | None = None,
    ) -> bool:
        """Save a text; whether that changed the draft. Without `folder`, that stays as it is.

        Text that arrives late, from a form that was sent in the meantime, is ignored. With `seen`,
        the revision that the page has shown, a text from another page is not replaced: raises
        DraftChanged. Raises DraftTooLarge.
        """
        draft = self.get(session_id)
        folder = draft.folder if folder is None else folder
        # a page may still clear the text that it has left itself
        is_late = form in draft.sent and (text or draft.by != by)
        if is_late or (text, folder) == (draft.text, draft.folder):
            return False
        if len(text) > MAX_TEXT:
            raise DraftTooLarge(f"The text is longer than {MAX_TEXT:,} characters.")
        is_known = seen in (None, draft.revision) or (by and by == draft.by)
        if not is_known and not _has(text, draft.text):
            raise DraftChanged(draft)
        form = form if text else ""
        self._store(session_id, replace(draft, text=text, by=by, folder=folder, form=form))
        return True

    def save_beside(
        self, session_id: str, text: str, *, seen: str | None, folder: str | None = None, form: str
    ) -> str:
        """Save a text, below one that another page has saved since `seen`; what the draft has then.

        A text that is in the other one already is not added again. Raises DraftTooLarge.
        """
        while True:
            try:
                self.save_text(session_id, text, form=form, folder=folder, seen=seen)
            except DraftChanged as changed:
                other, seen = changed.draft.text, changed.draft.revision
                text = other if _has(other, text) else f"{other.rstrip()}\n\n{text}"
            else:
                return text

    @_change
    def sent(
        self,
        session_id: str,
        text: str,
        form: str,
        files: Iterable[DraftFile],
        sent_as: Sequence[tuple[str, str]] = (),
        *,
        left: str | None = None,
    ) -> None:
        """Remove the text and files of a prompt that was sent from a form. `sent_as`: see Draft.

        `left` is what the form's field holds after it, where that is known: an older text of the
        same form makes way for it.
        """
        draft, sent_files = self.get(session_id), set(files)
        others = tuple(file for file in draft.files if file not in sent_files)
        # text that was typed since, on this page or another one, stays
        rest = "" if draft.text.strip() == text else draft.text
        if rest and left is not None and form and draft.form == form:
            rest = left[:MAX_TEXT]
        forms = (*draft.sent, form)[-8:]
        sent_as = (*draft.sent_as, *sent_as)[-8:]
        change = replace(draft, text=rest, files=others, sent=forms, sent_as=sent_as)
        self._store(session_id, change if rest else replace(change, by="", folder="", form=""))
        for file in sent_files:
            self.path(session_id, file.token).unlink(missing_ok=True)

    @_change
    def restore(self, session_id: str, draft: Draft) -> None:
        """Restore an earlier draft, and delete the files that were added since."""
        for file in set(self.get(session_id).files) - set(draft.files):
            self.path(session_id, file.token).unlink(missing_ok=True)
        self._store(session_id, draft)

    @_change
    def add_file(self, session_id: str, name: str, content: bytes, media_type: str) -> DraftFile:
        """Add a file; adding the same file again changes nothing. Raises DraftTooLarge."""
        draft = self.get(session_id)
        name = clean_name(name)
        token = run_in_thread(hashlib.sha256, name.encode() + b"\0" + content).hexdigest()[:32]
        known = next((file for file in draft.files if file.token == token), None)
        if known:
            return known
        if len(draft.files) >= MAX_FILES:
            raise DraftTooLarge(f"No more than {MAX_FILES} files go with one prompt.")
        if len(content) + sum(file.size for file in draft.files) > MAX_BYTES:
            raise DraftTooLarge(
                f"The files of one prompt may hold {MAX_BYTES // 1_000_000} MB together."
            )
        file = DraftFile(token, name, len(content), media_type)
        self._make(session_id)
        atomic_files.write(self.path(session_id, file.token), content)
        self._store(session_id, replace(draft, files=(*draft.files, file)))
        return file

    @_change
    def remove_file(self, session_id: str, token: str) -> None:
        draft = self.get(session_id)
        left = tuple(file for file in draft.files if file.token != token)
        if left != draft.files:
            self._store(session_id, replace(draft, files=left))
            self.path(session_id, token).unlink(missing_ok=True)

    def path(self, session_id: str, token: str) -> Path:
        """The path of a file of the draft. Raises ValueError for a malformed token or id."""
        if not TOKEN.fullmatch(token):
            raise ValueError(token)
        return self._folder(session_id) / token

    def _folder(self, session_id: str) -> Path:
        if not NAME.fullmatch(session_id):
            raise ValueError(session_id)
        return self._root / session_id

    def _make(self, session_id: str) -> None:
        folder = self._folder(session_id)
        if not folder.is_dir():
            self._root.mkdir(mode=0o700, exist_ok=True)
            self._delete_oldest()
            folder.mkdir(mode=0o700, exist_ok=True)

    def _delete_oldest(self) -> None:
        folders = sorted(self._root.iterdir(), key=_touched, reverse=True)
        for folder in folders[KEPT - 1 :]:
            shutil.rmtree(folder, ignore_errors=True)

    def _store(self, session_id: str, draft: Draft) -> None:
        self._make(session_id)
        self._files.write(self._folder(session_id) / "draft.json", asdict(draft))


def _parse(content: dict[str, Any]) -> Draft:
    files = tuple(DraftFile(**file) for file in content.pop("files"))
    sent_as = tuple((each, other) for each, other in content.pop("sent_as", ()))
    return Draft(**{**content, "sent": tuple(content["sent"])}, files=files, sent_as=sent_as)


_SCHEMA = JsonFileSchema(1, _parse)


def clean_name(name: str) -> str:
    """A file name that is safe in any folder and in a line of text."""
    base = name.replace("\\", "/").rpartition("/")[2]
    words = _UNUSUAL.sub("_", base).strip(" .")
    stem, dot, suffix = words.rpartition(".")
    if dot and len(suffix) <= 10:
        return f"{stem[: FILE_NAME_CHARACTERS - len(suffix) - 1]}.{suffix}"
    return words[:FILE_NAME_CHARACTERS] or "file"


def _touched(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def draft_name(project_id: str) -> str:
    """The name of the draft for a new session; `project_id` is empty for any folder."""
    return str(uuid.uuid5(_PAGES, project_id))


def _has(text: str, part: str) -> bool:
    """Whether a text contains another one, not as a part of a word; or that one is blank."""
    part, at = part.strip(), -1
    for _ in range(MOST_TRIED):
        at = text.find(part, at + 1)
        if at < 0:
            break
        before, after = text[max(0, at - 1) : at], text[at + len(part) :][:1]
        if not (before.isalnum() and part[:1].isalnum() or after.isalnum() and part[-1:].isalnum()):
            return True
    return not part
