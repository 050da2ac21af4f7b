"""Look up a session's view, title and files by the project and session ids of a URL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from opcode_htmx.engines.claude.files import history, sessions, titles
from opcode_htmx.engines.claude.files.session_summary import FileSummary
from opcode_htmx.lib.formatting import one_line
from opcode_htmx.rendering.element_ids import dom_id
from opcode_htmx.runs.control.run import Run
from opcode_htmx.sessions.locations import SessionLocation, SessionLocations
from opcode_htmx.sessions.views import SessionView, SessionViews
from opcode_htmx.transcript.blocks import Block, PromptBlock, ShellBlock

TITLE_CHARACTERS = 80
NEW = "New session"


class SessionLookup:
    """Looks up sessions by the ids in their URLs."""

    def __init__(
        self,
        config_dir: Path,
        locations: SessionLocations,
        views: SessionViews,
        address: Callable[[str, str], str],
    ) -> None:
        """`address` returns the path of a session's page for the ids of project and session."""
        self._address = address
        self._config_dir = config_dir
        self.locations = locations
        self._views = views

    def view(self, project_id: str, session_id: str, *, whole: bool = False) -> SessionView:
        """The view of the session at an address. Raises ProjectNotFound or SessionNotFound.

        Of a long history it has read the end, unless `whole`.
        """
        location = self.locations.at(project_id, session_id)
        folder, claude_folder = location.folder or "", location.claude_folder
        address = self._address(claude_folder, location.session_id)
        get = self._views.whole if whole else self._views.get
        return get(location.session_id, folder, address, claude_folder)

    def read(self, project_id: str, session_id: str, *, whole: bool = False) -> SessionView:
        """The same, read up to now."""
        view = self.view(project_id, session_id, whole=whole)
        view.conversation.refresh()
        if view.conversation.gone:  # its file was replaced, or refers to a part that was not read
            view = self.view(project_id, session_id, whole=whole)
            view.conversation.refresh()
        return view

    def read_with(self, project_id: str, session_id: str, block_id: str) -> SessionView:
        """The same, with a block in memory if the session has it."""
        view = self.read(project_id, session_id)
        conversation = view.conversation
        if conversation.earlier and conversation.block(block_id) is None:
            return self.read(project_id, session_id, whole=True)
        return view

    def title_or_prompt(self, project_id: str, session_id: str, view: SessionView) -> str:
        """The session's name, or else its first prompt, shortened to a title."""
        path = self.history_file_or_none(project_id, session_id)
        if name := _name(path):
            return name
        if view.conversation.earlier is None:
            return title_of(view.conversation.blocks())
        return shorten(sessions.title_of(path) if path else "") or NEW

    def at(self, project_id: str, session_id: str) -> SessionLocation:
        """The session at an address. Raises ProjectNotFound or SessionNotFound."""
        return self.locations.at(project_id, session_id)

    def history_file(self, project_id: str, session_id: str) -> Path | None:
        """Claude's history file; None until Claude has written one. Raises the errors of `at`."""
        return self.at(project_id, session_id).file

    def history_file_or_none(self, project_id: str, session_id: str) -> Path | None:
        """The history file of a session; None if there is no file or no such session."""
        try:
            return self.at(project_id, session_id).file
        except (sessions.ProjectNotFound, sessions.SessionNotFound):
            return None

    def title(self, project_id: str, session_id: str) -> str:
        """The name that the user or Claude has given the session; empty if it has none."""
        return _name(self.history_file_or_none(project_id, session_id))

    def title_of_run(self, run: Run) -> str:
        """The title of a run's session in a list."""
        path = history.find(self._config_dir, run.record.session_id)
        return title_of_known(run, sessions.summary_of(path) if path else None)

    def place(self, session_id: str, but: str = "") -> str:
        """The id of the element at which the session's page is opened after a form.

        It is the first open request, but for the one with the id `but`; or the end.
        """
        run = next(reversed(self.locations.runs_of(session_id)), None)
        asks = run.state.asks if run and run.live else {}
        return next((dom_id(id_) for id_ in asks if id_ != but), "end")

    def folder(self, project_id: str, session_id: str) -> Path:
        """The session's working folder. Raises FolderUnknown and the errors of `at`."""
        return self.at(project_id, session_id).working_folder


def _name(path: Path | None) -> str:
    return one_line(sessions.name_of(path), titles.LONGEST) if path else ""


def title_of_known(run: Run, summary: FileSummary | None) -> str:
    """The title of a run's session in a list, where what lists show of its file is known."""
    known = (summary.name or summary.title) if summary else ""
    first = next(iter(run.state.sent.values()), "")
    return one_line(known or first, titles.LONGEST) or "A session"


def title_of(blocks: Iterable[Block]) -> str:
    """The first prompt, shortened to a title; a command only if there is no prompt."""
    command = ""
    for block in blocks:
        match block:
            case PromptBlock(local=False, text=text) if text:
                return shorten(text)
            case PromptBlock(text=text):
                command = command or text
            case ShellBlock(command=text) if text:
                command = command or f"! {text}"
            case _:
                pass
    return shorten(command) or NEW


def shorten(text: str) -> str:
    """A text on one line, cut to TITLE_CHARACTERS."""
    return one_line(text, TITLE_CHARACTERS)


NOTHING_NOTED = "Claude has noted nothing of this session yet. Try again in a moment."


class NoHistory(Exception):
    """The session has no history file yet, which the operation needs."""
