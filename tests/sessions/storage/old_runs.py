"""Runs that ended long ago, and what Claude has noted of them."""

from __future__ import annotations

import json
import time
from pathlib import Path

from opcode_htmx.engines.claude.files import history
from opcode_htmx.runs.control.run import Run
from opcode_htmx.sessions.storage.retention import Retention
from tests.support.cli.supervision import BY, Supervision, idle
from tests.support.environment import state_dir

DAY = 86400.0


def ended(supervision: Supervision, prompt: str, session: str = "", *, days: float = 40) -> Run:
    """A run that was over so many days ago, as the next server finds it."""
    run = idle(supervision.prompt(prompt, session))
    run.stop(by=BY)
    assert run.join(20)
    return aged(supervision, run, days)


def aged(supervision: Supervision, run: Run, days: float) -> Run:
    record = json.loads(run.folder.record_path.read_bytes())
    record["end"]["at"] = time.time() - days * DAY
    run.folder.record_path.write_text(json.dumps(record))
    supervision.restart()
    return supervision.supervisor.get(run.id)


def note(supervision: Supervision, run: Run) -> Path:
    """Write the prompts of the run to the history, as the real Claude does."""
    sandbox, session = supervision.sandbox, run.record.session_id
    folder = sandbox.config_dir / "projects" / history.project_id(sandbox.project)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{session}.jsonl"
    run.fold_new_lines(last=True)
    with path.open("a") as file:
        for prompt_id, text in run.state.sent.items():
            message = {"role": "user", "content": text}
            file.write(json.dumps({"type": "user", "uuid": prompt_id, "message": message}) + "\n")
    record = json.loads(run.folder.record_path.read_bytes())
    record["end"]["history_end"] = path.stat().st_size
    run.folder.record_path.write_text(json.dumps(record))
    supervision.restart()
    return path


def collector(supervision: Supervision, keep: float = 30 * DAY) -> Retention:
    return Retention(
        state_dir(supervision.sandbox.state),
        supervision.supervisor,
        lambda session: history.find(supervision.sandbox.config_dir, session),
        keep,
        changed=lambda session: None,
    )
