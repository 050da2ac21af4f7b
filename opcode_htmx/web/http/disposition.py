"""Name the file that a response is saved as. Header values are Latin-1; names are anything."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

from flask import Response


def save_as(response: Response, name: str) -> None:
    """Have a browser save the response under a name (RFC 6266, with an ASCII form beside it)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    options = {"filename": plain or "file"}
    if plain != name:
        options["filename*"] = f"UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"
    response.headers.set("Content-Disposition", "attachment", **options)
