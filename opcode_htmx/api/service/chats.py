"""The sessions of /api/claude/sessions: create them before their first prompt, find and end them.

A session without a prompt has no process and is not in Claude's files, so it is kept here, in a
small file of its own; from its first prompt on it is a session like all others.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import asdict, replace
from pathlib import Path

from opcode_htmx.api.schema.chat_messages import NewChat
from opcode_htmx.api.schema.requests import TrustChoice
from opcode_htmx.api.service.deferred_rename import DeferredRename
from opcode_htmx.api.service.run_service import RunService
from opcode_htmx.api.service.trust import decision
from opcode_htmx.engines.claude.files import history, sessions
from opcode_htmx.engines.claude.files.folder_names import claude_folder
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.files.disk_space import raise_disk_full
from opcode_htmx.lib.files.json_files import JsonFileSchema
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.locations import SessionLocation
from opcode_htmx.sessions.lookup import SessionLookup, shorten
from opcode_htmx.sessions.submit import PromptSubmitter
from opcode_htmx.sessions.workspace import Workspace

CREATED, ENDED = "created", "ended"
"""The status of a session without a run: before its first prompt, and after it."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A session as it was requested. `created_at` is in seconds since the epoch."""

    id: str
    folder: str
    title: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A session in a list. Times are seconds since the epoch.

    `folder` is the working folder or, where that is unknown, the name of Claude's folder.
    """

    id: str
    title: str
    folder: str
    project_id: str
    status: str
    created_at: float
    last_activity: float


_SCHEMA = JsonFileSchema(1, lambda found: Chat(**found))


class ChatStore:
    """The sessions that were created here, a file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, chat: Chat) -> None:
        """Raises OSError."""
        with raise_disk_full():
            atomic_files.make_folder(self._folder)
        _SCHEMA.write(self._path(chat.id), asdict(chat))

    def get(self, session_id: str) -> Chat | None:
        return (
            _SCHEMA.read(self._path(session_id))
            if history.SESSION_ID.fullmatch(session_id)
            else None
        )

    def all(self) -> list[Chat]:
        found = (self.get(path.stem) for path in self._folder.glob("*.json"))
        return [chat for chat in found if chat]

    def forget(self, session_id: str) -> None:
        self._path(session_id).unlink(missing_ok=True)

    def _path(self, session_id: str) -> Path:
        return self._folder / f"{session_id}.json"


class Chats:
    def __init__(
        self,
        store: ChatStore,
        supervisor: Supervisor,
        runs: RunService,
        submitter: PromptSubmitter,
        lookup: SessionLookup,
        workspace: Workspace,
        rename: DeferredRename,
    ) -> None:
        self._store = store
        self._locations = runs.locations
        self.supervisor = supervisor
        self.runs = runs
        self._submitter = submitter
        self._lookup = lookup
        self._workspace = workspace
        self._rename = rename

    # --- finding ----------------------------------------------------------------------------

    def session_id(self, either_id: str) -> str:
        """The session of an id that may also be a run's. Raises SessionNotFound."""
        try:
            return self.runs.session_id(either_id)
        except sessions.SessionNotFound:
            if self._store.get(either_id.lower()):  # it has no prompt yet
                return either_id.lower()
            raise

    def is_gone(self, session_id: str) -> bool:
        """Whether it was ended before its first prompt, or deleted."""
        if self.supervisor.of_session(session_id):  # this is called for every line
            return False
        return not (self._store.get(session_id) or self._locations.exists(session_id))

    def has_begun(self, session_id: str) -> bool:
        """Whether it has a run, or a file of Claude's."""
        return self._locations.exists(session_id)

    def history_file(self, session_id: str) -> Path | None:
        return history.find(self._workspace.config_dir, session_id)

    def place(self, session_id: str) -> SessionLocation:
        """Where a session is; where it will be, if it has no prompt yet.

        Raises SessionNotFound.
        """
        chat = self._store.get(session_id)
        try:
            place = self._locations.of(session_id)
        except sessions.SessionNotFound:
            if chat is None:
                raise
            return SessionLocation(session_id, claude_folder(chat.folder), None, chat.folder)
        return replace(place, folder=place.folder or (chat.folder if chat else None))

    def summary(self, session_id: str) -> Summary:
        """Raises SessionNotFound."""
        chat, runs = self._store.get(session_id), self.supervisor.of_session(session_id)
        place = self.place(session_id)
        path = place.file
        begun = [run.record.created_at for run in runs]
        begun += [chat.created_at] if chat else []
        active = [*begun, *(run.folder.last_output() for run in runs[-1:])]
        if path and (found := sessions.summary_of(path)):
            begun.append(found.started_at)
            active.append(found.last_activity)
        status = runs[-1].phase.value if runs else ENDED if path else CREATED
        return Summary(
            session_id,
            self._title(path, chat, runs),
            place.folder or place.claude_folder,
            place.claude_folder,
            status,
            min(begun, default=0.0),
            max(active, default=0.0),
        )

    def all(self) -> list[Summary]:
        """The sessions that were created here, and all that have a run; the newest first."""
        ids = {chat.id for chat in self._store.all()}
        ids |= {run.record.session_id for run in self.supervisor.newest()}
        found = []
        for session_id in ids:
            with contextlib.suppress(sessions.SessionNotFound, sessions.ProjectNotFound):
                found.append(self.summary(session_id))
        return sorted(found, key=lambda each: each.last_activity, reverse=True)

    def _title(self, path: Path | None, chat: Chat | None, runs: list[Run]) -> str:
        name = (shorten(sessions.name_of(path)) if path else "") or (chat.title if chat else "")
        if name or not runs:
            return name or (sessions.title_of(path) if path else "")
        return self._lookup.title_of_run(runs[-1])

    # --- creating, prompting, ending --------------------------------------------------------

    def create(self, wanted: NewChat) -> str:
        """A session, without a process until it is prompted; its id.

        Raises InvalidFolder, BypassNotAllowed.
        """
        options = self.supervisor.options
        options.check(wanted.permission_mode)
        folder = (
            self._workspace.working_folder(wanted.working_dir)
            if wanted.working_dir
            else self._workspace.task_folder
        )
        title = " ".join((wanted.title or "").split())
        chat = Chat(str(uuid.uuid4()), str(folder), title, time.time())
        self._store.keep(chat)
        chosen = {"model": wanted.model, "permission_mode": wanted.permission_mode}
        options.choose(chat.id, **{name: value for name, value in chosen.items() if value})
        return chat.id

    def prompt(
        self, session_id: str, text: str, prompt_id: str, choice: TrustChoice, by: Identity
    ) -> Run:
        """Send a prompt.

        Raises SessionNotFound, FolderUnknown, and what `submit` does.
        """
        chat, place = self._store.get(session_id), self.place(session_id)
        named = self._lookup.title(place.claude_folder, session_id)
        run = self._submitter.submit(
            session_id, place.working_folder, prompt_id, text, trust=decision(choice), by=by
        )
        if chat and chat.title and not named:
            self._rename.schedule(run, chat.title)
        return run

    def end(self, session_id: str, by: Identity) -> None:
        """End the session's run and wait until it is gone; forget a session without a prompt.

        Raises NotStopped.
        """
        self.runs.cancel(session_id, by)
        if not self.has_begun(session_id):
            self._store.forget(session_id)
            self.supervisor.written(session_id).notify()
