"""The options of each session and the choices there are, for its live process and the next one.

Knows all runs, and starts none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path

from opcode_htmx.engines.base import CapabilityCodec
from opcode_htmx.engines.capabilities import Model
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.runs.capabilities.from_run import models_offered_to
from opcode_htmx.runs.control import control_requests
from opcode_htmx.runs.control.control_requests import ControlRefused
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model import permission_updates
from opcode_htmx.runs.model.permission_updates import BYPASS
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.options.profiles import SessionProfiles
from opcode_htmx.runs.options.store import Options, OptionStore

MODELS_LOOKED_FOR = 5
"""Past runs that are searched for the models that Claude offered them."""


class SessionOptionsService:
    def __init__(
        self,
        folder: Path,
        runs: Callable[[], Iterable[Run]],
        changes: Callable[[str], Broadcast],
        codec: CapabilityCodec,
        *,
        permission_mode: str | None,
        allow_bypass: bool,
        keep_running: bool,
        offered: Callable[[], tuple[Model, ...]] = tuple,
    ) -> None:
        """`runs` are all runs, the newest first; `changes` is notified when options change.

        `offered` are the models that Claude named in answer to a probe. The rest are the defaults.
        """
        self.allow_bypass = allow_bypass
        self.profiles = SessionProfiles(folder.with_name("profiles"))
        self._store = OptionStore(folder)
        self._runs = runs
        self._changes = changes
        self._codec = codec
        self._permission_mode = permission_mode
        self._keep_running = keep_running
        self._offered = offered
        self._models: tuple[Model, ...] = ()
        self._past: tuple[Model, ...] | None = None

    def options(self, session_id: str) -> Options:
        """The options chosen for a session."""
        return self._store.get(session_id)

    @property
    def version(self) -> object:
        """Changes whenever options may have been chosen; None where that is unknown."""
        return self._store.version

    def permission_mode(self, session_id: str, options: Options | None = None) -> str | None:
        """The mode in which the session's next process starts; None: that of Claude's settings.

        `options` are the session's, if the caller has read them.
        """
        mode = (options or self.options(session_id)).permission_mode or self._permission_mode
        return None if mode == BYPASS and not self.allow_bypass else mode

    def check(self, permission_mode: object) -> None:
        """Raises BypassNotAllowed where a mode may not be chosen on this server."""
        if permission_mode == BYPASS and not self.allow_bypass:
            permission_updates.refuse()

    def keeps_running(self, session_id: str, options: Options | None = None) -> bool:
        """Whether the session's run goes on without a viewer. `options` as above."""
        chosen = (options or self.options(session_id)).keep_running
        return self._keep_running if chosen is None else chosen

    def uses_project_settings(self, session_id: str) -> bool:
        """Whether the session's next process reads the settings of the project's files."""
        return self.options(session_id).project_settings is not False

    def models(self, run: Run | None = None) -> tuple[Model, ...]:
        """The models that Claude offers: to `run`, or else as it last listed them."""
        if run and run.state.models:
            self._models = run.state.models
        if not self._models:
            self._models = next(filter(None, (run.state.models for run in self._runs())), ())
        return self._models or self._offered() or self._of_past()

    def _of_past(self) -> tuple[Model, ...]:
        """The models that were offered to runs of earlier servers."""
        if self._past is None:
            runs = list(self._runs())[:MODELS_LOOKED_FOR]
            models = (models_offered_to(run.folder, self._codec) for run in runs)
            self._past = next(filter(None, models), ())
        return self._past

    def choose(self, session_id: str, **changes: str | bool | None) -> None:
        """Change the options of a session, at once where it runs, and for its next process.

        None resets a choice. Raises ControlRefused, with Claude's reason.
        """
        of_session = (run for run in self._runs() if run.record.session_id == session_id)
        # an unused run with other options than these is replaced
        run = next((run for run in of_session if run.live and not run.is_unused), None)
        for name, value in changes.items():
            with contextlib.suppress(RunNotLive):
                if run:
                    control_requests.change(run, name, value)
            self._store.change(session_id, **{name: value})
        self._changes(session_id).notify()

    def limit_cost(self, session_id: str, budget_usd: float | None) -> None:
        """Set what each process of a session may cost. Raises OSError, DiskFull."""
        self._store.change(session_id, budget_usd=None if budget_usd is None else float(budget_usd))

    def approved_plan(self, session_id: str, mode: str) -> None:
        """The plan is carried out in `mode`; the next process must not start in plan mode again."""
        if self.options(session_id).permission_mode == "plan":
            self._store.change(session_id, permission_mode=mode)

    def end_bypass(self, run: Run) -> None:
        """End bypass mode in a run of an earlier server that allowed it, if this one does not."""
        if self.allow_bypass or run.state.permission_mode != BYPASS:
            return
        try:
            control_requests.change(run, "permission_mode", "default")
        except (ControlRefused, RunNotLive):
            with contextlib.suppress(RunNotLive):
                run.stop(
                    Outcome.COMPLETED,
                    "Ended, because bypass mode is not allowed any more.",
                    by=SYSTEM,
                )
