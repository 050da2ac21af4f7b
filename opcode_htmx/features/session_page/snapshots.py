"""What a page shows just now, made once for all who look at it.

While somebody looks at a session, a greenlet takes pictures of it: it waits until there is more to
see, lets changes gather for a frame, folds what was written and renders what stands around the
transcript. Each viewer gets the difference between the picture that it has and the newest one;
those who have the same get the same message. All this can wait: whatever else there is to do goes
first.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import gevent
from gevent.event import Event
from jinja2 import Environment

from opcode_htmx.lib.cooperative import IdleQueue, IdleSlot, wait_until_idle
from opcode_htmx.lib.surrogates import encoded
from opcode_htmx.sessions.views import SessionView
from opcode_htmx.transcript.conversation.cursor import Cursor
from opcode_htmx.web.websocket.registry import TextFrame

log = logging.getLogger(__name__)

FRAME_SECONDS = 0.04
LONGEST_FRAME_SECONDS = 0.1
BUSY = 0.5
"""From this share of the time on, frames grow longer, so that there are fewer."""

AT_ONCE = 16
"""Viewers that are told of a new picture at once."""

LOOK_ROUND_SECONDS = 3.0
"""How often to look at what nobody tells of."""


@dataclass(frozen=True, slots=True, eq=False)
class PageSnapshot:
    """What a page that is up to date shows."""

    cursor: Cursor
    around: Mapping[str, str]
    """The elements around the transcript, by id."""
    needs: int


class FrameScheduler:
    """How long changes gather, and whose turn it is. One for the server."""

    def __init__(self, environment: Environment, busy: Callable[[], float]) -> None:
        """`busy` says which share of the time the server has worked just now."""
        self._template = environment.get_template("session_page/update.html")
        self._busy = busy
        self._shown: dict[int, SnapshotProducer] = {}
        self.background = IdleQueue()

    @property
    def seconds(self) -> float:
        over = (self._busy() - BUSY) / (1 - BUSY)
        growth = (LONGEST_FRAME_SECONDS - FRAME_SECONDS) * min(1.0, max(0.0, over))
        return FRAME_SECONDS + growth

    @contextlib.contextmanager
    def showing(self, screen: SessionView, wake: Event) -> Iterator[SnapshotProducer]:
        """While this lasts, pictures are taken of a screen, and `wake` is set for each."""
        showing = self._shown.get(id(screen))
        if showing is None:
            showing = self._shown[id(screen)] = SnapshotProducer(screen, self)
        showing.viewers.add(wake)
        try:
            yield showing
        finally:
            showing.viewers.discard(wake)
            if not showing.viewers and self._shown.get(id(screen)) is showing:
                del self._shown[id(screen)]
                showing.close()

    def message(self, fragments: str, around: Sequence[str], cursor: Cursor) -> TextFrame:
        text = self._template.render(
            fragments=fragments, around=around, cursor=cursor, now=time.time()
        )
        return TextFrame(encoded(text))


class SnapshotProducer:
    """A screen that is being looked at."""

    def __init__(self, screen: SessionView, frames: FrameScheduler) -> None:
        self.screen = screen
        self.viewers: set[Event] = set()
        self.picture: PageSnapshot | None = None
        """The newest one; None as long as there is none."""
        self.over = False
        """Whether there will be no more pictures: who looks has to ask anew."""
        self._frames = frames
        self._messages: dict[tuple[Cursor, PageSnapshot | None], TextFrame] = {}
        gevent.spawn(self._take_pictures)

    def close(self) -> None:
        """Take no more pictures. One that is being taken is not cut short, for it folds lines that
        nobody would read again."""
        self.over = True
        self.screen.conversation.changed.notify()

    def message(self, picture: PageSnapshot, cursor: Cursor, had: PageSnapshot | None) -> TextFrame:
        """What brings a viewer to `picture` who is at `cursor` and has the picture `had`.

        Gives way while it renders.
        """
        if picture is self.picture and (known := self._messages.get((cursor, had))):
            return known
        with self._frames.background.slot() as turn:
            known = self._messages.get((cursor, had)) if picture is self.picture else None
            message = known or self._render(turn, cursor, had, picture)
            if picture is self.picture:
                self._messages[cursor, had] = message
            return message

    def _render(
        self, turn: IdleSlot, cursor: Cursor, had: PageSnapshot | None, picture: PageSnapshot
    ) -> TextFrame:
        changes = self.screen.conversation.changes_since(cursor)
        for _ in self.screen.fragments.prepare(changes):
            turn.step()
        shown = had.around if had else {}
        around = [html for name, html in picture.around.items() if shown.get(name) != html]
        return self._frames.message(self.screen.fragments.changes(changes), around, picture.cursor)

    # --- taking pictures --------------------------------------------------------------------

    def _take_pictures(self) -> None:
        try:
            self._film()
        except Exception:
            log.exception("session %s cannot be shown", self.screen.conversation.session_id)
        finally:
            self.over = True
            self._wake()

    def _film(self) -> None:
        conversation = self.screen.conversation
        while not (conversation.gone or self.over):
            began = time.monotonic()
            seen = conversation.changed.version
            conversation.refresh()
            with self._frames.background.slot():
                new = self._look()
            if new:
                self._wake()
            # Changes gather for a frame, so that a flood is a few large messages
            gevent.sleep(max(0.0, began + self._frames.seconds - time.monotonic()))
            while conversation.changed.wait(seen, LOOK_ROUND_SECONDS) == seen and not self.over:
                # What a terminal adds to the session meanwhile, and what happens in other
                # sessions, is told by nobody
                conversation.refresh()
                had = self.picture
                if had and (conversation.cursor, self.screen.needs()) != (had.cursor, had.needs):
                    break

    def _look(self) -> bool:
        """Take a picture; whether it shows anything new."""
        screen, had = self.screen, self.picture
        needs = screen.needs()  # asked first: what changes meanwhile is seen with the next one
        picture = PageSnapshot(screen.conversation.cursor, screen.status_panel(), needs)
        if had and (picture.cursor, picture.around) == (had.cursor, had.around):
            return False
        self.picture = picture
        self._messages.clear()
        return True

    def _wake(self) -> None:
        """A few viewers at a time: hundreds at once would hold up everybody else."""
        for number, viewer in enumerate(list(self.viewers), start=1):
            viewer.set()
            if number % AT_ONCE == 0:
                wait_until_idle()
