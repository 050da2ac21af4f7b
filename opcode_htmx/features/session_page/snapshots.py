"""Snapshots of a session's page, each produced once for all of its viewers.

While a session has viewers, a greenlet produces snapshots of it: it waits for a change, lets
changes gather for a frame, folds the new lines and renders the elements around the transcript.
Each viewer gets the difference between its own snapshot and the newest one; viewers with the same
snapshot get the same message. All this runs when the server is otherwise idle.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from weakref import WeakValueDictionary

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from jinja2 import Environment, Template

from opcode_htmx.lib.concurrency.cooperative import (
    IdleQueue,
    IdleSlot,
    wait_until_idle,
)
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.metrics.families import Histogram, WorkerGauge
from opcode_htmx.lib.surrogates import encoded
from opcode_htmx.sessions.attention import AttentionCount
from opcode_htmx.sessions.views import SessionView
from opcode_htmx.transcript.conversation.cursor import Cursor
from opcode_htmx.web.websocket.registry import TextFrame

log = logging.getLogger(__name__)

FRAME_SECONDS = 0.04
LONGEST_FRAME_SECONDS = 0.1
BUSY = 0.5
"""From this share of the time on, frames grow longer, so that there are fewer."""

AT_ONCE_AFTER_A_PAUSE = 3
"""Frames: a prompt, what it changes around the transcript, and the first word of a fast answer."""
GATHER_SECONDS = 0.004
"""Between these: what comes together is shown together."""

AT_ONCE = 16
"""Viewers that are woken together for a new snapshot."""

CHECK_SECONDS = 3.0
"""How often to check for changes that notify nobody."""

FRAGMENT = Histogram(
    "opcode_line_to_fragment_seconds",
    "Time from a line that Claude has written to the message with its HTML for a viewer",
    buckets=(0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5),
)
VIEWERS = WorkerGauge("opcode_viewers", "Open pages of sessions that are updated live")


@dataclass(frozen=True, slots=True, eq=False)
class PageSnapshot:
    """The content of a page that is up to date."""

    cursor: Cursor
    around: Mapping[str, str]
    """The elements around the transcript, by id."""
    needs: AttentionCount
    """How many other sessions need attention."""
    later: object
    """What the session will be sent by itself."""
    written_at: float | None = None
    """When the oldest of its new lines was written, as a Unix time; None if none is new."""


def panel_digest(around: Mapping[str, str]) -> str:
    """What a page sends to its socket about the elements that it has been rendered with."""
    return hashlib.blake2s(encoded("\0".join(around.values())), digest_size=8).hexdigest()


class FrameScheduler:
    """The length of frames, and the queue for rendering them. One for the server."""

    def __init__(
        self,
        environment: Environment,
        busy: Callable[[], float],
        rendered: Callable[[float], None] = lambda seconds: None,
        viewers: Callable[[int], None] = lambda change: None,
    ) -> None:
        """`busy` returns the share of the time that the server has worked recently.

        `rendered` is called for each message with new lines, with the seconds since the oldest of
        them was written; `viewers` with the change of their number.
        """
        self.rendered = rendered
        self._count_viewers = viewers
        self._environment = environment
        self._busy = busy
        self._producers: dict[int, SnapshotProducer] = {}
        self.idle_queue = IdleQueue()

    @cached_property
    def _template(self) -> Template:
        return self._environment.get_template("session_page/update.html")

    @property
    def seconds(self) -> float:
        over = (self._busy() - BUSY) / (1 - BUSY)
        growth = (LONGEST_FRAME_SECONDS - FRAME_SECONDS) * min(1.0, max(0.0, over))
        return FRAME_SECONDS + growth

    @contextlib.contextmanager
    def producing(self, view: SessionView, wake: Event) -> Iterator[SnapshotProducer]:
        """In this context snapshots of a view are produced, and `wake` is set for each."""
        producer = self._producers.get(id(view))
        if producer is None:
            producer = self._producers[id(view)] = SnapshotProducer(view, self)
        producer.viewers.add(wake)
        self._count_viewers(1)
        try:
            yield producer
        finally:
            producer.viewers.discard(wake)
            self._count_viewers(-1)
            if not producer.viewers and self._producers.get(id(view)) is producer:
                del self._producers[id(view)]
                producer.close()

    def check_needs(self) -> None:
        """Show at once where another number of sessions needs attention."""
        for producer in list(self._producers.values()):
            had, view = producer.snapshot, producer.view
            if had and view.needs() != had.needs:
                view.conversation.changed.notify()

    def message(self, fragments: str, around: Sequence[str], cursor: Cursor) -> TextFrame:
        text = self._template.render(
            fragments=fragments, around=around, cursor=cursor, now=time.time()
        )
        return TextFrame(encoded(text))


Difference = tuple[Cursor, PageSnapshot | None, PageSnapshot]
"""What a viewer has, its cursor and its snapshot, and the snapshot that it gets."""


class SnapshotProducer:
    """Produces the snapshots of one view while it has viewers."""

    def __init__(self, view: SessionView, frames: FrameScheduler) -> None:
        self.view = view
        self.viewers: set[Event] = set()
        self.snapshot: PageSnapshot | None = None
        """The newest one; None until there is one."""
        self.over = False
        """Whether there will be no more snapshots: viewers have to ask for a new producer."""
        self._frames = frames
        self._messages: WeakValueDictionary[Difference, TextFrame] = WeakValueDictionary()
        """The messages that viewers hold: each viewer its last one."""
        self._rendering: dict[Difference, BoundedSemaphore] = {}
        gevent.spawn(self._run)

    def close(self) -> None:
        """Produce no more snapshots. One in progress is completed, because the lines that it folds
        would not be read again."""
        self.over = True
        self.view.conversation.changed.notify()

    def message(
        self, snapshot: PageSnapshot, cursor: Cursor, had: PageSnapshot | None
    ) -> TextFrame:
        """The message that takes a viewer at `cursor` from the snapshot `had` to `snapshot`.

        Yields to the event loop while it renders.
        """
        difference = (cursor, had, snapshot)
        if known := self._messages.get(difference):
            return known
        lock = self._rendering.setdefault(difference, BoundedSemaphore())
        try:
            with lock:  # one viewer renders it, and the others in the same state wait
                message = self._messages.get(difference)
                if message is None:
                    with self._frames.idle_queue.slot() as slot:
                        message = self._render(slot, cursor, had, snapshot)
                    self._messages[difference] = message
                return message
        finally:
            self._rendering.pop(difference, None)

    def _render(
        self, slot: IdleSlot, cursor: Cursor, had: PageSnapshot | None, snapshot: PageSnapshot
    ) -> TextFrame:
        changes = self.view.conversation.changes_since(cursor)
        for _ in self.view.fragments.prepare(changes):
            slot.step()
        shown = had.around if had else {}
        around = [html for name, html in snapshot.around.items() if shown.get(name) != html]
        return self._frames.message(self.view.fragments.changes(changes), around, snapshot.cursor)

    # --- producing snapshots ----------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._produce()
        except Exception:
            log.exception("session %s cannot be shown", self.view.conversation.session_id)
        finally:
            self.over = True
            self._wake()

    def _produce(self) -> None:
        conversation, pace = self.view.conversation, FramePace()
        while not (conversation.gone or self.over):
            began = time.monotonic()
            version = conversation.changed.version
            conversation.refresh()
            with self._frames.idle_queue.slot():
                new = self._take_snapshot()
            if new:
                self._wake()
            now = time.monotonic()
            next_at = now + pace.pause(began, now, self._frames.seconds)
            while conversation.changed.wait(version, CHECK_SECONDS) == version and not self.over:
                # Nobody is notified of lines that a terminal adds to the session, nor of changes
                # in other sessions
                conversation.refresh()
                had, view = self.snapshot, self.view
                seen = conversation.cursor, view.needs(), view.later
                if had and seen != (had.cursor, had.needs, had.later):
                    break
            # Changes gather for a frame, so that a flood is a few large messages. After the wait:
            # at the end of each frame it would be one more wake-up for each line
            if (rest := next_at - time.monotonic()) > 0:
                gevent.sleep(rest)

    def _take_snapshot(self) -> bool:
        """Take a snapshot; return whether it differs from the last one."""
        view, had = self.view, self.snapshot
        # first, so that the next snapshot has changes during this one
        needs, later = view.needs(), view.later
        cursor, written_at = view.conversation.cursor, _write_time(view)
        is_new = had is not None and cursor != had.cursor
        snapshot = PageSnapshot(
            cursor, view.status_panel(later), needs, later, written_at if is_new else None
        )
        if had and (snapshot.cursor, snapshot.around) == (had.cursor, had.around):
            return False
        self.snapshot = snapshot
        return True

    def _wake(self) -> None:
        """A few viewers at a time: hundreds at once would delay all other requests."""
        for number, viewer in enumerate(list(self.viewers), start=1):
            viewer.set()
            if number % AT_ONCE == 0:
                wait_until_idle()


class FramePace:
    """How long to wait between frames: in a stream for the length of a frame, after a pause less.

    Without this the first word of a fast answer waited for the end of the prompt's frame.
    """

    def __init__(self) -> None:
        self._free_at = 0.0
        """When frames that follow each other without a pause would have left room for the next."""

    def pause(self, began: float, now: float, frame: float) -> float:
        """Seconds from `now` on, after the frame that has `began`; a frame is `frame` seconds."""
        earliest = began - (AT_ONCE_AFTER_A_PAUSE - 1) * frame
        self._free_at = max(self._free_at, earliest) + frame
        return max(GATHER_SECONDS, self._free_at - now)


def _write_time(view: SessionView) -> float | None:
    """When the first line was written since the last call, as a Unix time; None without one."""
    times = [run.take_write_time() for run in view.conversation.runs() if run.live]
    return min((each for each in times if each is not None), default=None)
