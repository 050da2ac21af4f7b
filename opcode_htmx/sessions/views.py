"""Keep the views of open sessions: one conversation and one rendering for all viewers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import gevent
from jinja2 import Environment
from markupsafe import Markup

from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.attention import AttentionCount, AttentionList
from opcode_htmx.sessions.changes.counts import ChangedCounts
from opcode_htmx.sessions.dev_servers.signs import DevServerSigns
from opcode_htmx.sessions.elsewhere import Registry, elsewhere
from opcode_htmx.sessions.options.form import OptionsParts, OptionsPresenter
from opcode_htmx.sessions.schedules.later_panel import Contents, LaterPanel
from opcode_htmx.sessions.status_panel import StatusPanel
from opcode_htmx.sessions.storage.drafts import Draft, Drafts

if TYPE_CHECKING:  # imported with the first session: a start needs none of it
    from opcode_htmx.rendering.fragments import Fragments
    from opcode_htmx.transcript.conversation.conversation import Conversation

KEPT = 32
"""Conversations kept in memory; an evicted one is folded again on the next request."""
KEPT_BYTES = 64_000_000
"""Of folded lines of all conversations; in memory they take about twice as much."""
LEARNED_AFTER = 0.5
"""Seconds after which the rest of a long history is looked at: the page is painted first."""
WHOLE_KEPT = 1_000
"""Sessions that are known not to be readable from their end."""

_Key = tuple[str, str, str, bool]
"""The session's id, the address of its page, its folder, and whether all of it is read."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class SessionView:
    """A conversation with its renderers."""

    conversation: Conversation
    fragments: Fragments
    _status_panel: StatusPanel
    _options: OptionsParts
    _drafts: Drafts
    address: str
    folder: str
    """The session's working folder; empty if unknown."""
    needs: Callable[[], AttentionCount]
    """Returns how many other sessions need attention."""
    room: Callable[[], str]
    """Returns a message about the space on the server's disk, or an empty text."""
    registry: Registry
    unused: Callable[[], Run | None]
    """Returns the run that was started while a prompt is written, and has none yet."""
    _later: LaterPanel
    _changed: ChangedCounts
    _signs: DevServerSigns

    @property
    def later(self) -> Contents:
        """What the session is going to be sent; it changes without a change of the session."""
        return self._later.contents(self.conversation, self.folder)

    def learn(self) -> None:
        """Find out, in the background, what the page depends on in a part that was not read."""
        earlier = self.conversation.earlier
        if earlier and not earlier.is_begun:
            earlier.is_begun = True
            gevent.spawn_later(LEARNED_AFTER, self.conversation.learn)

    @property
    def draft(self) -> Draft:
        """The session's draft."""
        return self._drafts.get(self.conversation.session_id)

    def look_around(self) -> None:
        """Find what the panel shows that changes without a change of the session. May wait."""
        self._signs.look()

    def status_panel(self, later: Contents | None = None) -> dict[str, Markup]:
        """The elements around the transcript, by id. `later` is `self.later`, if it is known."""
        conversation = self.conversation
        later = self.later if later is None else later
        runs = conversation.runs()
        *earlier, run = runs or (None,)
        unused = self.unused()
        others = self.registry.others(conversation.session_id, [*runs, unused] if unused else runs)
        return {
            **self._status_panel.parts(
                unused or run,
                conversation.current,
                conversation.context_usage,
                self.needs(),
                conversation.todos(),
                runs if unused else [each for each in earlier if each],
                self.room(),
                self.folder,
                elsewhere(
                    run,
                    others,
                    is_behind=conversation.is_behind,
                    takes_back=conversation.is_behind and conversation.would_take_back,
                ),
                self.address,
                stop=later[0].stop,
            ),
            **self._status_panel.draft(self.draft, self.address),
            **self._options.parts(conversation.session_id, runs),
            **self._later.parts(conversation, later),
            **self._status_panel.changed(
                self._changed.of(conversation.session_id, conversation.cursor), self.address
            ),
            **self._status_panel.dev_servers(
                self._signs.of(conversation.session_id, conversation.cursor), self.address
            ),
        }


class SessionViews:
    """A cache of session views, limited by number and by bytes."""

    def __init__(
        self,
        supervisor: Supervisor,
        config_dir: Path,
        environment: Environment,
        chooser: OptionsPresenter,
        drafts: Drafts,
        needs: AttentionList,
        later: LaterPanel,
        changed: ChangedCounts,
        signs: DevServerSigns,
    ) -> None:
        self._supervisor = supervisor
        self._changed = changed
        self._signs = signs
        self._needs = needs
        self._config_dir = config_dir
        self._registry = Registry(config_dir)
        self.environment = environment
        self._options = OptionsParts(environment, chooser)
        self._allow_bypass = chooser.allow_bypass
        self._drafts = drafts
        self._later = later
        self._kept: OrderedDict[_Key, SessionView] = OrderedDict()
        """The views requested last, the latest at the end."""
        self._known: WeakValueDictionary[_Key, SessionView] = WeakValueDictionary()
        """Those and, beyond them, evicted views that are still in use."""
        self._whole: OrderedDict[str, None] = OrderedDict()
        """The ids of sessions whose end cannot be shown without all that is before it."""

    def get(
        self, session_id: str, folder: str, address: str, claude_folder: str = ""
    ) -> SessionView:
        """The view of a session with the working folder `folder` and its page at `address`.

        `claude_folder` is the name of the folder in which its file is searched first. Of a long
        history only the end is read.
        """
        whole = session_id in self._whole
        return self._get(session_id, folder, address, claude_folder, whole)

    def whole(
        self, session_id: str, folder: str, address: str, claude_folder: str = ""
    ) -> SessionView:
        """The same with all of a long history."""
        view = self.get(session_id, folder, address, claude_folder)
        view.conversation.refresh()
        if view.conversation.earlier is None and not view.conversation.gone:
            return view  # it is not long
        return self._get(session_id, folder, address, claude_folder, True)

    def _get(
        self, session_id: str, folder: str, address: str, claude_folder: str, whole: bool
    ) -> SessionView:
        key = session_id, address, folder, whole
        view = self._known.get(key)
        if view is None or view.conversation.gone:
            if view and view.conversation.needs_whole and not whole:
                self._note_whole(session_id)
                return self.whole(session_id, folder, address, claude_folder)
            view = self._make(session_id, folder, address, claude_folder, whole)
        self._known[key] = self._kept[key] = view
        self._kept.move_to_end(key)
        self._evict()
        return view

    def _note_whole(self, session_id: str) -> None:
        self._whole[session_id] = None
        while len(self._whole) > WHOLE_KEPT:
            self._whole.popitem(last=False)

    def _evict(self) -> None:
        """Remove the oldest views beyond the limits; viewers keep the ones that they use."""
        size = sum(view.conversation.size for view in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > KEPT or size > KEPT_BYTES):
            _, oldest = self._kept.popitem(last=False)
            size -= oldest.conversation.size

    def forget(self, session_id: str) -> None:
        """Drop the views of a session whose files were removed or replaced."""
        for key, view in list(self._known.items()):
            if key[0] == session_id:
                self._kept.pop(key, None)
                del self._known[key]
                view.conversation.gone = True
                view.conversation.changed.notify()

    def _make(
        self, session_id: str, folder: str, address: str, claude_folder: str, whole: bool
    ) -> SessionView:
        from opcode_htmx.rendering.fragments import Fragments
        from opcode_htmx.transcript.conversation.conversation import Conversation

        conversation = Conversation(
            session_id,
            runs=partial(self._supervisor.of_session, session_id),
            history_file=partial(history.find, self._config_dir, session_id, claude_folder),
            changed=self._supervisor.changes(session_id),
            from_end=not whole,
        )
        return SessionView(
            conversation,
            Fragments(self.environment, folder, address, allow_bypass=self._allow_bypass),
            StatusPanel(self.environment),
            self._options,
            self._drafts,
            address,
            folder,
            partial(self._needs.beside, session_id),
            lambda: self._supervisor.disk_guard.message,
            self._registry,
            partial(self._supervisor.unused_of, session_id),
            self._later,
            self._changed,
            self._signs,
        )
