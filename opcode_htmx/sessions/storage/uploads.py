"""Add uploaded files to a draft, within the limits of one file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Protocol

from opcode_htmx.lib.images import kind_of
from opcode_htmx.sessions.storage.drafts import MAX_FILE, DraftFile, Drafts

MAX_REQUEST = 64_000_000
"""Bytes of a form with files."""
MAX_IMAGE = 10_000_000


class FileTooLarge(Exception):
    """Some files are too large, or empty; the text says which. The others have been added."""


class FileEmpty(Exception):
    """Some files are empty; the text says which. The others have been added."""


class Upload(Protocol):
    """A file of a form."""

    @property
    def filename(self) -> str | None: ...
    @property
    def stream(self) -> IO[bytes]: ...


def keep(drafts: Drafts, draft: str, uploads: Iterable[Upload]) -> list[DraftFile]:
    """Add the uploaded files of a form to the draft with this name.

    A refused file does not affect the others. Raises FileTooLarge or FileEmpty after all have been
    checked, with a sentence for each refused file, and DraftTooLarge.
    """
    kept = []
    too_large, empty = list[str](), list[str]()
    for upload in uploads:
        if not upload.filename:
            continue  # a field without a chosen file
        content = upload.stream.read(MAX_FILE + 1)
        media_type = kind_of(content)
        limit = MAX_IMAGE if media_type else MAX_FILE
        if len(content) > limit:
            kind = "An image" if media_type else "A file"
            megabytes = limit // 1_000_000
            too_large.append(f"“{upload.filename}” is too large. {kind} may have {megabytes} MB.")
        elif not content:
            empty.append(f"“{upload.filename}” is empty.")
        else:
            kept.append(drafts.add_file(draft, upload.filename, content, media_type))
    sentence = " ".join((*too_large, *empty))
    if too_large:
        raise FileTooLarge(sentence)
    if empty:
        raise FileEmpty(sentence)
    return kept
