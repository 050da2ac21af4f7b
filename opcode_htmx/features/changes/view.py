"""What an address of these pages asks for, addresses of others, and what templates are given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode

from flask import abort, request, url_for

from opcode_htmx.features.changes import bases
from opcode_htmx.features.changes.bases import Base
from opcode_htmx.features.changes.listings import Seen
from opcode_htmx.features.changes.review.store import Review
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.git.changes.model import Side, Status
from opcode_htmx.web.http.forms import session_address, whole_number

PROJECT = "/projects/<project_id>"
SESSION = f"{PROJECT}/sessions/<session_id>"
MOST = 10_000_000
"""The greatest number in an address."""


@dataclass(frozen=True, slots=True)
class View:
    """How the changes of a session or project are shown."""

    project_id: str
    session_id: str
    base: Base
    ignores_space: bool = False
    wraps: bool = False

    @classmethod
    def of_request(cls, project_id: str, session_id: str) -> View:
        given = request.values
        return cls(
            project_id,
            session_id,
            bases.named(given.get("base", ""), session_id),
            given.get("w") == "1",
            given.get("wrap") == "1",
        )

    @property
    def parameters(self) -> dict[str, str]:
        """Those of every address."""
        found: dict[str, str] = {"base": self.base}
        found |= {"w": "1"} if self.ignores_space else {}
        return found | ({"wrap": "1"} if self.wraps else {})

    def address(self, endpoint: str, _anchor: str = "", **more: str | int) -> str:
        """The address of a page of the same place and in the same view; empty values are left out.

        A path goes in as text with surrogates for bytes that are no UTF-8.
        """
        parts: dict[str, Any] = {key: more.pop(key) for key in ("comment_id",) if key in more}
        path = url_for(endpoint, project_id=self.project_id, session_id=self.session_id, **parts)
        values = {name: value for name, value in (self.parameters | more).items() if value != ""}
        query = urlencode(values, errors="surrogateescape")
        return f"{path}?{query}" + (f"#{_anchor}" if _anchor else "")


def given_path() -> bytes:
    """The path in the query string of the request, which may be no UTF-8; 404 without one."""
    pairs = parse_qsl(
        request.query_string.decode("latin-1"), encoding="utf-8", errors="surrogateescape"
    )
    path = os.fsencode(dict(pairs).get("path", ""))
    if not path or b"\0" in path:
        abort(404)
    return path


def path_of_key(form: Mapping[str, str]) -> bytes:
    """The path in a form, percent-encoded."""
    path = unquote_to_bytes(form.get("key", ""))
    if not path or b"\0" in path:
        abort(404)
    return path


def given_side() -> str:
    side = request.values.get("side", "")
    return side if side in set(Side) else ""


def number(name: str, default: int = 0) -> int:
    """A number in the request, at least 0 and at most MOST; `default` for anything else."""
    found = whole_number(request.values.get(name, ""))
    return default if found is None else min(found, MOST)


def common(view: View, seen: Seen, review: Review) -> dict[str, Any]:
    """What all templates of changes are given."""
    return {
        "view": view,
        "address": view.address,
        "place": seen.place,
        "choice": seen.choice,
        "listing": seen.listing,
        "bases": bases.offered(view.session_id),
        "Base": Base,
        "Status": Status,
        "review": review,
        "back_address": back_address(view),
    }


def back_address(view: View) -> str:
    """The page that these belong to."""
    if view.session_id:
        return session_address(view.project_id, view.session_id)
    return url_for("projects.project", project_id=view.project_id)
