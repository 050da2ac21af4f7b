"""Send files of a project as they are: for showing, within a policy that lets them do nothing, or
for saving."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from flask import Response, request
from werkzeug.datastructures import ContentRange
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from opcode_htmx.features.files.documents import renderer
from opcode_htmx.features.files.shown import kinds
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer, run_cpu_in_thread, run_in_thread
from opcode_htmx.lib.git import reads
from opcode_htmx.lib.tree import packing
from opcode_htmx.lib.tree.names import Names, is_of_git
from opcode_htmx.lib.tree.search import SKIPPED
from opcode_htmx.lib.tree.tree import FileTooLarge, Tree
from opcode_htmx.web.http.disposition import save_as

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""A file is a page of nobody: it runs nothing, loads nothing, and is not of our origin."""
_PIECE = 256 * 1024
_LISTING_SECONDS = 20.0


def shown(file: BinaryIO, name: str) -> Response:
    """A file as browsers show it; what they would not only show is sent for saving.

    Raises FileTooLarge for an image of too many pixels: a text may load it, too.
    """
    size = os.fstat(file.fileno()).st_size
    kind = kinds.kind_of(file.read(kinds.HEAD) or b"", name, size)
    if kind.name == "image" and not kind.is_shown_image:
        raise FileTooLarge(
            "This image has too many pixels to be shown, or is damaged: download it."
        )
    media_type = kind.media_type
    response = _response(file, size, media_type or "application/octet-stream")
    if media_type.startswith("text/"):
        response.headers["Content-Type"] = "text/plain; charset=utf-8"
    if not media_type or media_type == "application/pdf":
        save_as(response, name)
    return response


def pdf_page(file: BinaryIO, number: int | None, *, large: bool) -> Response:
    """A page of a PDF document as an image, drawn again only if the file is another one by now.

    `number` is None for what is no number of a page.

    Raises NotDrawn, NoSuchPage, RendererBusy.
    """
    if not file.read(kinds.HEAD).startswith(kinds.PDF):
        raise renderer.NotDrawn("This is no PDF document.")
    if not number:
        raise renderer.NoSuchPage("This PDF document has no such page.")
    width = renderer.LARGE_WIDTH if large else renderer.WIDTH
    status = os.fstat(file.fileno())
    tag = f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}-{number}-{width}"
    if request.if_none_match.contains(tag):
        response = Response(status=304)
    else:
        response = Response(renderer.drawn(file, number, width), mimetype="image/png")
    response.set_etag(tag)
    _protect(response)
    return response


def saved(file: BinaryIO, name: str) -> Response:
    """A file for saving."""
    size = os.fstat(file.fileno()).st_size
    response = _response(file, size, "application/octet-stream")
    save_as(response, name)
    return response


def zipped(
    tree: Tree, names: Names, environment: Mapping[str, str], *, everything: bool
) -> Response:
    """A folder as a zip file. Raises FileTooLarge, FileMissing, FileRefused.

    Without `everything` it has what git tracks or would add; where git cannot say, no hidden files,
    and none of SKIPPED.
    """
    known = None if everything else _known_to_git(tree.at(names), environment)

    def wanted(path: Names, is_folder: bool) -> bool:
        if is_of_git(path[-1:]):
            return False
        if everything:
            return True
        if known is not None:
            return "/".join(path) in known
        return not path[-1].startswith(".") and not (is_folder and path[-1] in SKIPPED)

    found = run_in_thread(packing.contents, tree, names, wanted)
    pieces = _sliced(packing.zipped(tree, names, found))
    response = Response(pieces, mimetype="application/zip")
    save_as(response, f"{names[-1] if names else tree.path.name}.zip")
    _protect(response)
    return response


def keep_open(response: Response, stack: contextlib.ExitStack) -> Response:
    """Close what a response is read from when it has been sent, or the client is gone."""
    kept = stack.pop_all()
    response.response = _closing(response.response, kept)
    response.call_on_close(kept.close)
    return response


def _closing(pieces: Iterable[Any], stack: contextlib.ExitStack) -> Iterator[Any]:
    with stack:
        yield from pieces


def _known_to_git(folder: Path, environment: Mapping[str, str]) -> set[str] | None:
    """The paths of the files in a folder, and of the folders around them; None without git."""
    flags = ["-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    try:
        output = reads.read(
            folder, "ls-files", *flags, environment=environment, seconds=_LISTING_SECONDS
        )
    except (reads.GitFailed, reads.RepositoryRefused):
        return None
    if output is None or output.cut:
        return None
    return run_cpu_in_thread(_with_folders, output.content)


def _with_folders(listed: bytes) -> set[str]:
    found: set[str] = set()
    for each in listed.split(b"\0"):
        path = os.fsdecode(each)
        while path and path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return found


def _response(file: BinaryIO, size: int, media_type: str) -> Response:
    """A file, or the part of it that is asked for: without parts phones play no film."""
    start, end, status = 0, size, 200
    wanted = request.range
    if wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1:
        found = wanted.range_for_length(size)
        if found is None:
            raise RequestedRangeNotSatisfiable(size)
        (start, end), status = found, 206
    response = Response(_pieces(file, start, end - start), status, mimetype=media_type)
    response.headers["Accept-Ranges"] = "bytes"
    if status == 206:
        response.headers["Content-Range"] = ContentRange("bytes", start, end, size).to_header()
    response.content_length = end - start
    _protect(response)
    return response


def _protect(response: Response) -> None:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "private, no-cache"


def _pieces(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """The bytes of a file; zeros where it has become shorter meanwhile, as its length was sent."""
    file.seek(start)
    slicer = TimeSlicer()
    while length > 0:
        piece = file.read(min(length, _PIECE)) or b""
        piece = piece or bytes(min(length, _PIECE))
        yield piece
        length -= len(piece)
        slicer.step()


def _sliced(pieces: Iterator[bytes]) -> Iterator[bytes]:
    slicer = TimeSlicer()
    for each in pieces:
        yield each
        slicer.step()
