"""Responses that a browser saves as a file. Header values are Latin-1; names are anything."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from flask import Response, send_file

from opcode_htmx.lib.concurrency.cooperative import yielding


def download(content: Iterable[str] | Path, media_type: str, file_name: str) -> Response:
    """A response with pieces of text, or with a file, that is saved as `file_name`."""
    if isinstance(content, Path):
        return send_file(
            content, media_type, as_attachment=True, download_name=file_name, max_age=0
        )
    response = Response(yielding(content), mimetype=media_type)
    save_as(response, file_name)
    return response


def save_as(response: Response, name: str) -> None:
    """Have a browser save the response under a name (RFC 6266, with an ASCII form beside it)."""
    known = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = "".join(filter(str.isprintable, known))  # no header holds line breaks
    options = {"filename": plain or "file"}
    if plain != name:
        options["filename*"] = f"UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"
    response.headers.set("Content-Disposition", "attachment", **options)
