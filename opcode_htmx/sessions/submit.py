"""The one door for prompts, from forms, REST and sockets: each is checked here, and sent once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from pathlib import Path

from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.prompt_content import MAX_PROMPT_CHARACTERS
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.locations import SessionLocations

NO_PROMPT = "Write a prompt first."
"""Said of a prompt without words and files, by a page with a script before it is sent."""


class InvalidPrompt(Exception):
    """A prompt that says nothing, or too much; the text is a sentence for the person."""


class SessionExists(Exception):
    """A new session under an id that is taken."""


class TrustDecision(Enum):
    """What a person has decided about files of the project that would run something."""

    TRUST = auto()
    """Trust all that they hold now."""
    LEAVE_OUT = auto()
    """Start without the settings of the project, from now on in this session."""


@dataclass(frozen=True, slots=True)
class Attachments:
    """The files that go with a prompt: images are in it, of the others it has the paths."""

    paths: Sequence[Path] = ()
    images: Sequence[ImageContent] = ()


Attach = Callable[[Path], Attachments]
"""Copies the files of a prompt into the given folder, which Claude may read. Idempotent."""


BeforeSending = Callable[[str, Path, str, str], None]
"""Called with the session, its folder, and the prompt's id and text, right before it is sent. It
does not wait, and raises nothing."""


class PromptSubmitter:
    """Sends prompts to sessions, each once."""

    def __init__(
        self,
        supervisor: Supervisor,
        locations: SessionLocations,
        before_sending: BeforeSending = lambda *prompt: None,
    ) -> None:
        self._supervisor = supervisor
        self._locations = locations
        self._before_sending = before_sending

    def submit(
        self,
        session_id: str,
        folder: Path,
        prompt_id: str,
        text: str,
        *,
        by: Identity,
        attach: Attach | None = None,
        options: Mapping[str, str | bool | None] | None = None,
        trust: TrustDecision | None = None,
        new: bool = False,
        again: bool = False,
    ) -> Run:
        """Send a prompt to a session that works in `folder`; the run that it went to.

        A prompt that was sent already under its id is not sent again, and changes nothing. Only
        after all checks are the `options` of the session changed, the decision about `trust`
        carried out and the files attached, in this order. `new`: there must be no such session
        yet. `again`: the text was checked when it was sent for the first time.

        Raises InvalidPrompt, SessionExists, FolderNotAllowed, BypassNotAllowed, ControlRefused,
        TrustNotRecorded, what `attach` raises, and what Supervisor.prompt does.
        """
        if not again:
            check_prompt(text, has_files=attach is not None)
        if run := self._run_with(session_id, prompt_id):
            return run
        if new and self._locations.exists(session_id):
            raise SessionExists("There is a session with this id already. Use resume.")
        changes = options or {}
        self._supervisor.options.check(changes.get("permission_mode"))
        self._supervisor.starts.check_folder(folder)
        if changes:
            self._supervisor.options.choose(session_id, **changes)
        self._decide(trust, session_id, folder, by)
        attached = attach(self._folder_for(session_id, prompt_id)) if attach else Attachments()
        self._before_sending(session_id, folder, prompt_id, text)
        return self._supervisor.starts.prompt(
            session_id,
            folder,
            prompt_id,
            with_paths(text, attached.paths),
            attached.images,
            by=by,
        )

    def _run_with(self, session_id: str, prompt_id: str) -> Run | None:
        """The run that has the prompt. One that is being sent is waited for."""
        run = self._supervisor.starts.run_with(session_id, prompt_id)
        if run:
            self._supervisor.viewers.seen(session_id)
        return run

    def _decide(
        self, trust: TrustDecision | None, session_id: str, folder: Path, by: Identity
    ) -> None:
        match trust:
            case TrustDecision.TRUST:
                self._supervisor.trust(session_id, folder, by=by)
            case TrustDecision.LEAVE_OUT:
                self._supervisor.work_without_project_settings(session_id, by=by)

    def _folder_for(self, session_id: str, prompt_id: str) -> Path:
        return self._supervisor.attached(session_id) / prompt_id


def check_prompt(text: str, *, has_files: bool = False) -> None:
    """Raises InvalidPrompt."""
    if not text and not has_files:
        raise InvalidPrompt(NO_PROMPT)
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise InvalidPrompt(f"The prompt is longer than {MAX_PROMPT_CHARACTERS:,} characters.")


def with_paths(text: str, paths: Sequence[Path]) -> str:
    """What a person wrote, and the paths of the files that go with it."""
    if not paths:
        return text
    lines = "\n".join(f"- {path}" for path in paths)
    return f"{text}\n\nAttached files:\n{lines}".lstrip()
