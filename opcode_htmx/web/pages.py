"""The pages of sessions: one with its transcript, and the running ones.

Thin: looks up, renders, decides nothing.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Response, abort, render_template, request, url_for

from ..claude import history, sessions
from ..claude.working_folder import WorkingFolders
from ..demo.scenes import Suggestion
from ..runs.leaving import Leaving
from ..runs.offers import Offers
from ..runs.run import Run
from ..runs.session_places import SessionPlace, SessionPlaces
from ..surrogates import encoded
from ..view import window
from ..view.blocks import (
    AskBlock,
    Block,
    NoticeBlock,
    PromptBlock,
    RawBlock,
    ShellBlock,
    ToolBlock,
)
from ..view.contents import all_in_text
from ..view.fragments import dom_id
from ..view.marks import Marks
from ..view.screens import Screen, Screens
from ..view.tools import whole
from ..view.visible_text import visible_text
from .attachments import MAX_FILE

TITLE_CHARACTERS = 80
WITH_WHOLE_TEXT = AskBlock | NoticeBlock | PromptBlock | RawBlock | ShellBlock | ToolBlock
"""The blocks whose texts a page may cut."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where this server works, and the prompts to tap if it is a demo."""

    config_dir: Path
    project_roots: Sequence[Path]
    sample_project: Path | None = None
    suggestions: Sequence[Suggestion] = ()
    named_task_folder: Path | None = None

    @property
    def task_folder(self) -> Path:
        """Where tasks of programs work that name no folder."""
        return self.named_task_folder or self.sample_project or self.project_roots[0]

    @property
    def folders(self) -> WorkingFolders:
        """In which Claude may work."""
        sample = [self.sample_project] if self.sample_project else []
        return WorkingFolders((*self.project_roots, *sample))

    def working_folder(self, text: str) -> Path:
        """The folder that `text` names, if Claude may work in it. Raises InvalidFolder."""
        return self.folders.choose(text)


class SessionLookup:
    """Finds the screen of a session by what its address says."""

    def __init__(self, config_dir: Path, places: SessionPlaces, screens: Screens) -> None:
        self._config_dir = config_dir
        self.places = places
        self._screens = screens

    def screen(self, project_id: str, session_id: str) -> Screen:
        """Raises ProjectNotFound or SessionNotFound."""
        place = self.places.at(project_id, session_id)
        address = url_for(
            "pages.session", project_id=place.claude_folder, session_id=place.session_id
        )
        return self._screens.get(place.session_id, place.folder or "", address, place.claude_folder)

    def at(self, project_id: str, session_id: str) -> SessionPlace:
        """The session at an address. Raises ProjectNotFound or SessionNotFound."""
        return self.places.at(project_id, session_id)

    def history_file(self, project_id: str, session_id: str) -> Path | None:
        """Claude's history file; None as long as it has written none. Raises as `at` does."""
        return self.at(project_id, session_id).file

    def noted(self, project_id: str, session_id: str) -> Path | None:
        """The history file of a session, whether or not there is such a session."""
        try:
            return self.at(project_id, session_id).file
        except (sessions.ProjectNotFound, sessions.SessionNotFound):
            return None

    def title(self, project_id: str, session_id: str) -> str:
        """What the person or Claude calls the session; empty if it has no name."""
        path = self.noted(project_id, session_id)
        return shorten(sessions.name_of(path)) if path else ""

    def title_of_run(self, run: Run) -> str:
        """The title of a run's session in a list."""
        first = next(iter(run.state.sent.values()), "")
        path = history.find(self._config_dir, run.record.session_id)
        known = sessions.title_of(path) if path else ""
        return shorten(known or first) or "A session"

    def folder(self, project_id: str, session_id: str) -> Path:
        """The folder that the session works in. Raises as `at` does, and FolderUnknown."""
        return self.at(project_id, session_id).working_folder

    def project_page(self, project_id: str, session_id: str) -> tuple[str, str]:
        """The address of the page that lists the session, and what it shows.

        Raises as `at` does.
        """
        listed = self.places.project_id(self.at(project_id, session_id))
        if not listed:
            return url_for("browse.projects"), "All projects"
        return url_for("browse.project", project_id=listed), "All sessions of this project"


def blueprint(
    place: Place,
    lookup: SessionLookup,
    marks: Marks,
    leaving: Leaving,
    offers: Offers,
) -> Blueprint:
    pages = Blueprint("pages", __name__)

    @pages.get("/projects/<project_id>/sessions/<session_id>")
    def session(project_id: str, session_id: str) -> str:
        screen = lookup.screen(project_id, session_id)
        leaving.seen(session_id)
        conversation = screen.conversation
        if conversation.run is None:
            offers.want(conversation.changed.notify)
        conversation.refresh()
        # before others have their turn: what comes meanwhile is sent to the page, and not missed
        cursor, blocks = conversation.cursor, list(conversation.blocks())
        read = marks.of(session_id).block
        marked = next((block.id for block in blocks if dom_id(block.id) == read), "")
        marks.look(session_id)
        shown = window.newest(blocks, request.args.get("from"), marked)
        screen.fragments.render(shown.blocks)
        return render_template(
            "session.html",
            title=lookup.title(project_id, session_id) or title_of(blocks),
            needs=screen.needs(),
            mark=marked,
            unread=window.behind(blocks, marked),
            shown_ids={block.id for block in shown.blocks},
            now=time.time(),
            project_id=project_id,
            session_id=session_id,
            folder=screen.folder,
            project_page=lookup.project_page(project_id, session_id),
            window=shown,
            render=screen.fragments.block,
            dom_id=dom_id,
            aside=screen.aside(),
            cursor=cursor,
            prompt_id=uuid.uuid4(),
            draft=screen.draft.text,
            most_per_file=MAX_FILE,
            suggestions=place.suggestions,
        )

    @pages.get("/projects/<project_id>/sessions/<session_id>/earlier")
    def earlier(project_id: str, session_id: str) -> str:
        """The blocks in front of one, as the page puts them there when a reader comes near."""
        screen = lookup.screen(project_id, session_id)
        screen.conversation.refresh()
        blocks = list(screen.conversation.blocks())
        shown = window.before(blocks, request.args.get("before", ""))
        if shown is None:
            abort(404)
        screen.fragments.render(shown.blocks)
        address = url_for(".session", project_id=project_id, session_id=session_id)
        return render_template(
            "earlier.html",
            window=shown,
            render=screen.fragments.block,
            dom_id=dom_id,
            address=address,
            mark=request.args.get("mark", ""),
        )

    @pages.get("/projects/<project_id>/sessions/<session_id>/blocks/<block_id>")
    def block(project_id: str, session_id: str, block_id: str) -> Response:
        """The whole text of a block that the page cuts."""
        conversation = lookup.screen(project_id, session_id).conversation
        conversation.refresh()
        found = conversation.block(block_id)
        if not isinstance(found, WITH_WHOLE_TEXT):
            abort(404)
        match found:
            case RawBlock():
                text = found.text
            case NoticeBlock():
                text = found.detail
            case PromptBlock():
                text = "\n\n".join(filter(None, (found.text, all_in_text(found.attached))))
            case _:
                text = whole(found)
        if not isinstance(found, PromptBlock):
            text = visible_text(text, lines=True, blanks=isinstance(found, AskBlock))
        return Response(encoded(text), mimetype="text/plain")

    @pages.get("/runs/badge")
    def badge() -> str:
        """How many sessions need the person, as other pages keep it current."""
        return render_template("badge.html")

    @pages.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    return pages


def title_of(blocks: Iterable[Block]) -> str:
    """The first prompt, shortened to a title; a command only where there is no prompt."""
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
    return shorten(command) or "New session"


def shorten(text: str) -> str:
    """A text as one line that fits a title."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARACTERS else f"{line[: TITLE_CHARACTERS - 1]}…"
