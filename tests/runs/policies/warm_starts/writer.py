"""Somebody who writes in a session whose run is over, and what a run has left."""

from __future__ import annotations

import json
from pathlib import Path

from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.supervisor import Supervisor
from tests.support.cli.supervision import BY, Supervision, new_id, steps, until

OVER = ["exit after turn", 0]


class Writer:
    """Somebody who has the page of a session open, whose run is over, and writes there."""

    def __init__(self, supervision: Supervision) -> None:
        self.supervision = supervision
        self.session = new_id()
        assert supervision.prompt(steps(["text", "before"], OVER), self.session).join(20)
        self.looks()

    @property
    def supervisor(self) -> Supervisor:
        return self.supervision.supervisor

    def looks(self) -> None:
        self._page = self.supervisor.viewers.viewing(self.session)
        self._page.__enter__()

    def leaves(self) -> None:
        self._page.__exit__(None, None, None)

    def writes(self, supervisor: Supervisor | None = None) -> Run | None:
        """The run that has no prompt yet, once it is started or refused."""
        supervisor = supervisor or self.supervisor
        supervisor.warm_starts.want(self.session, self.supervision.sandbox.project, by=BY)
        until(lambda: not supervisor.warm_starts.starting, "it is decided")
        return supervisor.unused_of(self.session)

    def warm(self) -> Run:
        run = self.writes()
        assert run is not None
        return run

    def sends(self, text: str = "Hello") -> Run:
        return self.supervision.prompt(text, self.session)


def has_left_nothing(supervision: Supervision, run: Run) -> bool:
    """Whether a run has gone without a trace: only the first run of the session is there."""
    kept = [path.name for path in supervision.runs_dir.iterdir()]
    return not run.live and not supervision.marked_processes() and len(kept) == 1


def hook(project: Path, command: str) -> None:
    """Files of the project that run something."""
    (project / ".claude").mkdir(exist_ok=True)
    hooks = {"SessionStart": [{"hooks": [{"type": "command", "command": command}]}]}
    (project / ".claude" / "settings.json").write_text(json.dumps({"hooks": hooks}))
