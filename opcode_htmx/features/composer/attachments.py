"""Files that a person attaches: stored with the draft, then part of a prompt.

Images that Claude can see are in the prompt itself; for any other file the prompt has the path of
a copy, in a folder that Claude may read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from pathlib import Path

from flask import Response, abort
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.sessions.storage import uploads as storage
from opcode_htmx.sessions.storage.drafts import TOKEN, DraftFile, Drafts, DraftTooLarge
from opcode_htmx.sessions.storage.uploads import MAX_IMAGE as MAX_IMAGE
from opcode_htmx.sessions.storage.uploads import MAX_REQUEST as MAX_REQUEST
from opcode_htmx.sessions.submit import InvalidPrompt
from opcode_htmx.web.http.forms import BadForm

MAX_IMAGES = 17_000_000
"""Of one prompt together: they are sent in a single line."""
REFUSALS = (RequestEntityTooLarge, BadForm, InvalidPrompt, DraftTooLarge)
"""The exceptions for files that cannot be accepted."""


def keep(drafts: Drafts, session_id: str, uploads: Iterable[FileStorage]) -> list[DraftFile]:
    """Add the uploaded files of a form to the draft of its session.

    A refused file does not affect the others. Raises one of REFUSALS after all have been checked,
    with a sentence for each refused file.
    """
    try:
        return storage.keep(drafts, session_id, uploads)
    except storage.FileTooLarge as error:
        raise RequestEntityTooLarge(str(error)) from error
    except storage.FileEmpty as error:
        raise BadForm(str(error)) from error


def refusal(error: Exception) -> tuple[str, int]:
    """The sentence and the status code of one of REFUSALS."""
    match error:
        case RequestEntityTooLarge():
            return error.description or "That is too large.", 413
        case DraftTooLarge():
            return str(error), 413
        case _:
            return str(error), 422


def preview(drafts: Drafts, name: str, token: str) -> Response:
    """An image among the files of a draft."""
    file = next((f for f in drafts.get(name).files if f.token == token and f.media_type), None)
    if file is None:
        abort(404)
    return Response(drafts.path(name, token).read_bytes(), mimetype=file.media_type)


def remove(drafts: Drafts, name: str, token: str) -> None:
    """Remove a file from a draft; an invalid token is 404."""
    if not TOKEN.fullmatch(token):
        abort(404)
    drafts.remove_file(name, token)


def restore_images(drafts: Drafts, session_id: str, images: Sequence[ImageContent]) -> None:
    """Add the images of a prompt that was taken back to the draft. Raises DraftTooLarge."""
    for number, image in enumerate(images, start=1):
        try:
            content = base64.b64decode(image.data, validate=True)
        except binascii.Error:
            continue
        suffix = image.media_type.rpartition("/")[2]
        drafts.add_file(session_id, f"image-{number}.{suffix}", content, image.media_type)


def images_of(drafts: Drafts, session_id: str, files: Iterable[DraftFile]) -> list[ImageContent]:
    """The images among the files. Raises BadForm."""
    chosen = [file for file in files if file.media_type]
    if sum(file.size for file in chosen) > MAX_IMAGES:
        raise BadForm(f"The images of one prompt may have {MAX_IMAGES // 1_000_000} MB together.")
    return [
        ImageContent(
            file.media_type,
            base64.b64encode(drafts.path(session_id, file.token).read_bytes()).decode("ascii"),
        )
        for file in chosen
    ]


def copy_to(
    drafts: Drafts, session_id: str, files: Iterable[DraftFile], folder: Path
) -> list[Path]:
    """Copy the files that are not images into `folder`, for Claude; return their paths.

    A second call with the same files changes nothing.
    """
    others = [file for file in files if not file.media_type]
    if others:
        with raise_disk_full():
            atomic_files.make_folder(folder)
    paths = []
    for file in others:
        path = folder / file.name
        if path in paths:
            path = folder / f"{file.token[:8]}-{file.name}"
        atomic_files.write(path, drafts.path(session_id, file.token).read_bytes())
        paths.append(path)
    return paths
