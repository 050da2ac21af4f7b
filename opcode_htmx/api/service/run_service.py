"""Start runs for programs, find them by either id, and end them; shared by REST and sockets."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping
from pathlib import Path

from opcode_htmx.api.schema.requests import Execution, TrustChoice
from opcode_htmx.api.service.refusals import NotStopped
from opcode_htmx.api.service.session_lines import Cursor
from opcode_htmx.api.service.trust import decision
from opcode_htmx.engines.claude.files import folder_names, sessions
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.starts import END_GRACE_SECONDS
from opcode_htmx.runs.supervisor import RunNotFound, Supervisor
from opcode_htmx.sessions.locations import SessionLocation, SessionLocations
from opcode_htmx.sessions.submit import PromptSubmitter, TrustDecision
from opcode_htmx.sessions.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Started:
    """A prompt that was sent; `cursor` is the place from which its output is read."""

    run: Run
    prompt_id: str
    cursor: Cursor

    @property
    def session_id(self) -> str:
        return self.run.record.session_id


class RunService:
    def __init__(
        self,
        supervisor: Supervisor,
        locations: SessionLocations,
        submitter: PromptSubmitter,
        workspace: Workspace,
        stop_deadline: float,
    ) -> None:
        """`stop_deadline`: seconds in which a run and all it has started are ended."""
        self.supervisor = supervisor
        self.locations = locations
        self._submitter = submitter
        self._workspace = workspace
        self._stop_deadline = stop_deadline

    # --- starting ---------------------------------------------------------------------------

    def execute(self, request: Execution, *, detach: bool, by: Identity) -> Started:
        """Begin a new session. Raises SessionExists, InvalidFolder, and what `submit` does."""
        folder = self._workspace.working_folder(request.project_path)
        session_id = (request.session_id or str(uuid.uuid4())).lower()
        return self._start(session_id, folder, request, detach=detach, new=True, by=by)

    def continue_newest(self, request: Execution, *, detach: bool, by: Identity) -> Started:
        """Go on with the most recent session of a project.

        Raises SessionNotFound where there is none.
        """
        folder = self._workspace.working_folder(request.project_path)
        session_id = self._newest_of(folder)
        if session_id is None:
            raise sessions.SessionNotFound("This project has no session to continue. Use execute.")
        return self._start(session_id, folder, request, detach=detach, by=by)

    def resume(self, request: Execution, *, detach: bool, by: Identity) -> Started:
        """Go on with the session that the request names. Raises SessionNotFound."""
        folder = self._workspace.working_folder(request.project_path)
        if request.session_id is None:
            raise sessions.SessionNotFound("To resume, name the session in “session_id”.")
        session = self.locations.of(self.session_id(request.session_id))
        if not _is_in(session, folder):
            raise sessions.SessionNotFound(f"This session does not belong to {folder}.")
        return self._start(session.session_id, folder, request, detach=detach, by=by)

    def prompt(
        self, session_id: str, text: str, prompt_id: str | None, choice: TrustChoice, by: Identity
    ) -> Started:
        """Send a further prompt to a session that has a run.

        Raises RunNotLive, FolderUnknown, and what `submit` does.
        """
        folder = self.locations.of_run(self.newest_run(session_id)).working_folder
        return self._submit(session_id, folder, text, prompt_id, trust=decision(choice), by=by)

    def _start(
        self,
        session_id: str,
        folder: Path,
        request: Execution,
        *,
        detach: bool,
        by: Identity,
        new: bool = False,
    ) -> Started:
        wanted = {
            "model": request.model,
            "permission_mode": request.permission_mode,
            "effort": request.effort,
        }
        chosen = self.supervisor.options.options(session_id)
        options: dict[str, str | bool | None] = {
            name: value
            for name, value in wanted.items()
            if value is not None and value != getattr(chosen, name)
        }
        if not any(run.live for run in self.supervisor.of_session(session_id)):
            options["keep_running"] = detach if request.detach is None else request.detach
        elif request.detach is not None:
            options["keep_running"] = request.detach
        return self._submit(
            session_id,
            folder,
            request.prompt,
            request.prompt_id,
            options=options,
            trust=decision(request),
            new=new,
            by=by,
        )

    def _submit(
        self,
        session_id: str,
        folder: Path,
        text: str,
        prompt_id: str | None,
        *,
        by: Identity,
        options: Mapping[str, str | bool | None] | None = None,
        trust: TrustDecision | None = None,
        new: bool = False,
    ) -> Started:
        newest = self.supervisor.of_session(session_id)[-1:]
        prompt_id = prompt_id or str(uuid.uuid4())
        # A prompt that began its run and is sent again: its output is read from the first line
        old = [run for run in newest if run.live and next(iter(run.state.sent), "") != prompt_id]
        ends = {run.id: end_of(run) for run in old}
        run = self._submitter.submit(
            session_id, folder, prompt_id, text, options=options, trust=trust, new=new, by=by
        )
        return Started(run, prompt_id, ends.get(run.id, Cursor(run.id)))

    # --- finding ----------------------------------------------------------------------------

    def session_id(self, either_id: str) -> str:
        """The session of an id that may also be a run's. Raises SessionNotFound."""
        with contextlib.suppress(RunNotFound):
            return self.supervisor.get(either_id).record.session_id
        try:
            return self.locations.of(either_id).session_id
        except sessions.SessionNotFound:  # that of a run without a file, in another case
            return self.locations.of(either_id.lower()).session_id

    def newest_run(self, session_id: str) -> Run:
        """Raises RunNotLive when the session has none."""
        runs = self.supervisor.of_session(session_id)
        if not runs:
            raise RunNotLive("Nothing runs in this session; resume it.")
        return runs[-1]

    def _newest_of(self, folder: Path) -> str | None:
        live = [
            (run.record.created_at, run.record.session_id)
            for run in self.supervisor.newest()
            if run.record.project_path == str(folder)
            and self.locations.of_run(run).folder == str(folder)
        ]
        on_disk = [
            (project.last_activity, project.session_ids[0])
            for project in sessions.projects(self._workspace.config_dir)
            if project.path == str(folder)
        ]
        return max([*live, *on_disk], default=(0.0, None))[1]

    # --- ending -----------------------------------------------------------------------------

    def cancel(self, session_id: str, by: Identity) -> Run | None:
        """End the session's run and wait until all its processes are gone.

        The run; None when none was alive. Raises NotStopped.
        """
        run = next((run for run in self.supervisor.of_session(session_id) if run.live), None)
        if run is None:
            return None
        try:
            run.stop(by=by)
        except RunNotLive:
            return None
        if not run.join(self._stop_deadline + END_GRACE_SECONDS):
            raise NotStopped("Claude is still being stopped. Ask again in a moment.")
        return run


def end_of(run: Run) -> Cursor:
    """The place after what a live run has written by now."""
    run.fold_new_lines()
    return Cursor(run.id, run.read_to, run.folder.errors.stat().st_size)


def _is_in(session: SessionLocation, folder: Path) -> bool:
    """Whether a session may go on in `folder`, a resolved path: the one that it has worked in.

    If that is unknown, it is the one for which Claude would look for the session's file.
    """
    if session.folder is None:
        return session.claude_folder == folder_names.claude_folder(folder)
    return folder in (Path(session.folder), Path(session.folder).resolve())
