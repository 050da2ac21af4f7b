"""Which ports the processes of sessions listen on, for the signs on their pages.

A page shows what was found last. There is one look for all sessions: soon after one has changed,
and as long as somebody views one that runs, ever more rarely while nothing happens. A look asks the
kernel for the numbers of its listening sockets; only where these have changed, the processes are
searched for them.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Set

import gevent
from gevent.event import Event

from opcode_htmx.runs.processes import listening
from opcode_htmx.sessions.dev_servers.servers import DevServer

log = logging.getLogger(__name__)

KEPT = 256
"""Sessions whose versions are remembered."""
SOONEST, EVERY, LONGEST = 0.5, 3.0, 12.0
"""Seconds from a change until it is looked, the least between two looks, and the most that is
added to that while nothing changes."""

_NOTHING: tuple[object, Set[str]] = (None, frozenset())

Ports = tuple[int, ...]


class DevServerSigns:
    """Of one worker, in memory only."""

    def __init__(
        self,
        servers: Callable[[], Collection[DevServer]],
        running: Callable[[], Set[str]],
        viewed: Callable[[], Collection[str]],
        notify: Callable[[str], None],
        sockets: Callable[[], object] = listening.all_sockets,
    ) -> None:
        """`servers` finds those of now. `running` and `viewed`: the ids of the sessions that run,
        and of those that somebody views here. `notify` is called with the id of a session whose
        ports have changed. `sockets` returns another value where another socket listens, and None
        where that is unknown.
        """
        self._servers = servers
        self._running = running
        self._viewed = viewed
        self._notify = notify
        self._sockets = sockets
        self._seen: tuple[object, Set[str]] = _NOTHING
        """The sockets, and the sessions that ran, at the last search."""
        self._is_sure = False
        self._ports: Mapping[str, Ports] = {}
        self._versions: OrderedDict[str, object] = OrderedDict()
        self._changed = Event()
        self._watch: gevent.Greenlet[[], None] | None = None

    def of(self, session_id: str, version: object) -> Ports:
        """The ports of a session's processes as they were found last. Does not wait.

        With another `version` of the session than at the last call there is a look soon.
        """
        if self._versions.get(session_id) != version:
            self._versions[session_id] = version
            self._versions.move_to_end(session_id)
            while len(self._versions) > KEPT:
                self._versions.popitem(last=False)
            self._changed.set()
        if self._watch is None and (self._ports or session_id in self._running()):
            self._watch = gevent.spawn_later(SOONEST, self._watch_sockets)
        return self._ports.get(session_id, ())

    def look(self) -> None:
        """Find what listens now, if there may be a change. Waits then, for some milliseconds."""
        try:
            self._look(self._running())
        except OSError as error:  # no descriptor left, for example
            log.warning("could not look for dev servers: %s", error)

    def _look(self, running: Set[str]) -> None:
        if not running:
            self._seen, self._is_sure = _NOTHING, False
            self._keep({})
            return
        # Before the search: what begins to listen during it is found by the next look
        seen = self._sockets(), frozenset(running)
        is_same = seen == self._seen and seen[0] is not None
        if is_same and self._is_sure:
            return
        found: dict[str, Ports] = {}
        for each in self._servers():
            found[each.session_id] = (*found.get(each.session_id, ()), each.port)
        # Once more at the next look: of a process that was just started the run may not be known
        self._seen, self._is_sure = seen, is_same
        self._keep(found)

    def _keep(self, found: Mapping[str, Ports]) -> None:
        had, self._ports = self._ports, found
        for session_id in had.keys() | found.keys():
            if had.get(session_id) != found.get(session_id):
                self._notify(session_id)

    def _watch_sockets(self) -> None:
        """Look, again and again while somebody sees it."""
        longer = 0.0
        try:
            while True:
                self._changed.clear()
                self.look()
                gevent.sleep(EVERY)
                if self._running().isdisjoint(self._viewed()):
                    break
                if self._changed.wait(longer):
                    longer = 0.0
                    gevent.sleep(SOONEST)
                else:
                    longer = min(longer + EVERY, LONGEST)
            self.look()
        finally:
            self._watch = None
