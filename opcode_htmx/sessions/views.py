"""The sessions that are being looked at: one conversation and one rendering for all viewers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

from jinja2 import Environment
from markupsafe import Markup

from opcode_htmx.engines.claude.files import history
from opcode_htmx.rendering.fragments import Fragments
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.attention import AttentionList
from opcode_htmx.sessions.drafts import Draft, Drafts
from opcode_htmx.sessions.elsewhere import Registry, elsewhere
from opcode_htmx.sessions.options.form import OptionsParts, OptionsPresenter
from opcode_htmx.sessions.status_panel import StatusPanel
from opcode_htmx.transcript.conversation.conversation import Conversation

KEPT = 32
"""Conversations kept in memory; one that is put out is folded anew when it is asked for."""
KEPT_BYTES = 64_000_000
"""Of lines that were folded for them; in memory they take about twice as much."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class SessionView:
    """A conversation, and how it is rendered."""

    conversation: Conversation
    fragments: Fragments
    _aside: StatusPanel
    _options: OptionsParts
    _drafts: Drafts
    address: str
    folder: str
    """Where the session works; empty if nothing says it."""
    needs: Callable[[], int]
    """How many other sessions need the person."""
    room: Callable[[], str]
    """What is to be said about the room on the server's disk."""
    registry: Registry

    @property
    def draft(self) -> Draft:
        """What has been typed in this session and not sent."""
        return self._drafts.get(self.conversation.session_id)

    def status_panel(self) -> dict[str, Markup]:
        """The elements around the transcript, by id."""
        seen = self.conversation
        runs = seen.runs()
        *earlier, run = runs or (None,)
        others = self.registry.others(seen.session_id, runs)
        return {
            **self._aside.parts(
                run,
                seen.current,
                seen.context_usage,
                self.needs(),
                seen.todos(),
                [each for each in earlier if each],
                self.room(),
                self.folder,
                elsewhere(
                    run,
                    others,
                    is_behind=seen.is_behind,
                    takes_back=seen.is_behind and seen.would_take_back,
                ),
                self.address,
            ),
            **self._aside.draft(self.draft, self.address),
            **self._options.parts(seen.session_id, run),
        }


class SessionViews:
    def __init__(
        self,
        supervisor: Supervisor,
        config_dir: Path,
        environment: Environment,
        chooser: OptionsPresenter,
        drafts: Drafts,
        needs: AttentionList,
    ) -> None:
        self._supervisor = supervisor
        self._needs = needs
        self._config_dir = config_dir
        self._registry = Registry(config_dir)
        self.environment = environment
        self._options = OptionsParts(environment, chooser)
        self._allow_bypass = chooser.allow_bypass
        self._drafts = drafts
        self._kept: OrderedDict[tuple[str, str, str], SessionView] = OrderedDict()
        """Those that were asked for last, in that order."""
        self._known: WeakValueDictionary[tuple[str, str, str], SessionView] = WeakValueDictionary()
        """Those and, beyond them, what somebody is still looking at."""

    def get(
        self, session_id: str, folder: str, address: str, claude_folder: str = ""
    ) -> SessionView:
        """The screen of a session that works in `folder` and has its page at the path `address`.

        `claude_folder` is the name of the folder in which its file is looked for first.
        """
        key = session_id, address, folder
        screen = self._known.get(key)
        if screen is None or screen.conversation.gone:
            screen = self._make(session_id, folder, address, claude_folder)
        self._known[key] = self._kept[key] = screen
        self._kept.move_to_end(key)
        self._put_out()
        return screen

    def _put_out(self) -> None:
        """Keep as much as there is room for. Who looks at one that is put out has it still."""
        size = sum(screen.conversation.size for screen in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > KEPT or size > KEPT_BYTES):
            _, oldest = self._kept.popitem(last=False)
            size -= oldest.conversation.size

    def forget(self, session_id: str) -> None:
        """Fold the session anew when it is asked for again: its files are gone or others."""
        for key, screen in list(self._known.items()):
            if key[0] == session_id:
                self._kept.pop(key, None)
                del self._known[key]
                screen.conversation.gone = True
                screen.conversation.changed.notify()

    def _make(self, session_id: str, folder: str, address: str, claude_folder: str) -> SessionView:
        conversation = Conversation(
            session_id,
            runs=partial(self._supervisor.of_session, session_id),
            history_file=partial(history.find, self._config_dir, session_id, claude_folder),
            changed=self._supervisor.changes(session_id),
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
        )
