"""Shared by the forms of a session: their errors, and the way back to its page."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

from flask import request, url_for

from opcode_htmx.rendering.element_ids import dom_id
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.web.server.base_path import base_path

_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
"""What stands in an address as it is."""


class BadForm(Exception):
    """A form that cannot be used; the text says what is wrong.

    `words` of it lead to the element `place` on the page of the form, if they are given.
    """

    def __init__(self, sentence: str, words: str = "", place: str = "") -> None:
        super().__init__(sentence)
        self.words, self.place = words, place


def typed(text: str) -> str:
    """A text that a person typed, with LF; browsers send CR LF."""
    return text.replace("\r\n", "\n")


def whole_number(text: str, digits: int = 9) -> int | None:
    """A number of at most so many digits; None for any other text."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= digits
    return int(text) if is_number else None


def by_htmx() -> bool:
    """Whether htmx sent the request: it needs the elements that change, and no redirect."""
    return request.headers.get("HX-Request") == "true"


def session_address(project_id: str, session_id: str) -> str:
    """The path of a session's page."""
    return url_for("session_page.session", project_id=project_id, session_id=session_id)


def previews_of(address: str) -> str:
    """Where the page of a session, at this path, leads an address of what it listens on."""
    return f"{address}/preview/link"


def session_url(project_id: str, session_id: str, place: str = "end") -> str:
    """The page of a session, at the element with the id `place`; by default at its newest block."""
    if place and _PLAIN.fullmatch(
        f"{project_id}{session_id}{place}"
    ):  # a list has many: a tenth of the time
        return f"{base_path()}/projects/{project_id}/sessions/{session_id}#{place}"
    return url_for(
        "session_page.session", project_id=project_id, session_id=session_id, _anchor=place
    )


def block_url(address: str, block: Block, top: Block) -> str:
    """The address of a block on the page of its session; `top` contains it, or is the same."""
    return f"{address}?from={quote(top.id, safe='')}#{dom_id(block.id)}"


def found_url(address: str, block: Block, top: Block, **query: str) -> str:
    """The address of a block in which words were found: its page marks them.

    `query` is `q`, a query of the index, or `text`, words that stand together anywhere; and
    `output` if they are in what a tool returned.
    """
    parts = urlencode({"from": top.id, "hit": block.id, **query})
    return f"{address}?{parts}#found"


def new_session_address(project_id: str) -> str:
    """The path of the page for a new session in a project, or in any folder if it is empty."""
    if project_id:
        return url_for("new_session.new_in_project", project_id=project_id)
    return url_for("new_session.new")
