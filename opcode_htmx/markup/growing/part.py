"""A part of a growing Markdown text."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from markupsafe import Markup

from opcode_htmx.markup.addresses.places import OF_SESSION, Places
from opcode_htmx.markup.growing.emphasis import closed
from opcode_htmx.markup.growing.pieces import (
    MOST_WHOLE,
    NEVER,
    Pieces,
    container_of,
    grown,
    is_still,
)
from opcode_htmx.markup.markdown import plain, render

log = logging.getLogger(__name__)


class Part:
    """A piece of a growing text: rendered on first use, and again only after a change.

    A long paragraph, and code that is not complete, is rendered in `pieces`.
    """

    __slots__ = (
        *("_html", "_is_growing", "_is_whole", "_pieces", "_text", "_text_in_pieces", "revision"),
    )

    def __init__(self, text: str, revision: int) -> None:
        self._text = text
        self._is_growing = False
        self._html: Markup | None = None
        self._pieces: Pieces | None = None
        self._text_in_pieces = ""
        """The text whose pieces these are."""
        self._is_whole = False
        """Whether it is known to be rendered whole, however it grows."""
        self.revision = revision

    @property
    def text(self) -> str:
        return self._text

    @property
    def html(self) -> Markup:
        """The whole part, without pieces."""
        html = self._html
        if html is None:
            text, is_growing = self._text, self._is_growing
            shown = closed(text) if is_growing else text
            html = render_or_show(shown, literal=False, places=OF_SESSION)
            # it may have changed in the meantime
            if text == self._text and is_growing == self._is_growing:
                self._html = html
        return html

    @property
    def pieces(self) -> Pieces | None:
        """The pieces of the text; None if it is rendered whole.

        Not found out before somebody looks, as most text is never seen while it grows: changes are
        then given the latest revision, so a page may get a piece that it has.
        """
        text, revision, pieces, grows = self._text, self.revision, self._pieces, self._is_growing
        if self._is_whole or len(text) <= MOST_WHOLE:
            return None
        if pieces and self._text_in_pieces == text:
            return pieces
        container = pieces.container if pieces else container_of(text)
        found = None
        if container and is_still(container, text):
            before = pieces or Pieces(container, NEVER, (), container.start)
            found = grown(before, text, revision, is_growing=grows)
            if pieces:
                found = found._replace(since=min(pieces.since, revision))
        is_same = text == self._text and grows == self._is_growing
        if is_same and pieces is self._pieces:  # nobody else has done it meanwhile
            self._pieces, self._text_in_pieces, self._is_whole = found, text, found is None
        return found

    def render(self, since: int) -> Iterator[None]:
        """Render what has changed after the revision `since`; a step for each piece."""
        pieces = self.pieces
        if pieces is None:
            self.html  # noqa: B018 - computed here and cached
            yield
            return
        for piece in pieces.pieces:
            if piece.revision > since or pieces.since > since:
                piece.html  # noqa: B018 - computed here and cached
                yield

    def replace(self, text: str, revision: int, *, is_growing: bool = False) -> bool:
        """Whether it looks different now. `is_growing` closes what is bold at its end."""
        was_growing, self._is_growing = self._is_growing, is_growing
        if text == self._text and (is_growing == was_growing or closed(text) == text):
            return False
        if text == self._text:
            self._text_in_pieces = ""
        elif not text.startswith(self._text):  # the end of it has become the next part
            self._pieces, self._text_in_pieces, self._is_whole = None, "", False
        self._text, self._html, self.revision = text, None, revision
        return True


class PlainPart(Part):
    """A piece that is shown as written."""

    __slots__ = ()

    @property
    def html(self) -> Markup:
        if self._html is None:
            self._html = plain(self._text)
        return self._html

    @property
    def pieces(self) -> Pieces | None:
        return None


def render_or_show(text: str, literal: bool, places: Places | None) -> Markup:
    """The HTML of a text; one that cannot be rendered as Markdown is still shown."""
    try:
        return render(text, literal, places)
    except Exception:
        log.exception("a text of %d characters cannot be rendered", len(text))
        return plain(text)
