"""Report at the end of a server which runs of Claude, and which terminals, go on without it.

gunicorn's arbiter, which has loaded none of the app, does it: the modules that read them are
imported only where there are any.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from opcode_htmx.lib import resources
from opcode_htmx.web.server.gunicorn_log import state_folder


def report(environ: Mapping[str, str]) -> None:
    """Print how many go on and how to end them; nothing if there are none."""
    with contextlib.suppress(OSError):  # nobody reads it any more
        for line in lines(environ):
            print(line, flush=True)


def lines(environ: Mapping[str, str]) -> Iterator[str]:
    """The lines for the server with this environment."""
    state = state_folder(environ)
    count = sum(map(_is_alive, (state / "runs").glob("*/run.json")))
    if count:
        yield from _about_runs(count, environ, state)
    terminals = sum(map(_is_live_terminal, (state / "terminals").glob("*/terminal.json")))
    if terminals == 1:
        yield "One terminal goes on; after the next start, the page Terminal ends it."
    elif terminals:
        yield f"{terminals} terminals go on; after the next start, the page Terminal ends them."


def _about_runs(count: int, environ: Mapping[str, str], state: Path) -> Iterator[str]:
    own = environ.get("OPCODE_STATE_DIR", "").strip()
    command = f"OPCODE_STATE_DIR={shlex.quote(str(state))} " if own else ""
    if count == 1:
        yield "One run of Claude goes on; the next start takes it over."
    else:
        yield f"{count} runs of Claude go on; the next start takes them over."
    yield f"To end {'it' if count == 1 else 'them'}, run `{command}{resources.END_RUNS}`."


def _is_alive(record: Path) -> bool:
    """Whether the process of a run that has this record is alive."""
    from opcode_htmx.lib.process_identity import ProcessIdentity
    from opcode_htmx.runs.model.run_folder import RunFolder

    if not record.is_file():  # a pipe would keep its reader waiting
        return False
    try:
        run = RunFolder(record.parent).load()
        if run.end is not None or run.pid is None or run.process_started_at is None:
            return False
        return ProcessIdentity(run.pid, run.process_started_at).find() is not None
    except (OSError, ValueError, KeyError, TypeError):
        return False  # as the registry of runs ignores it


def _is_live_terminal(record: Path) -> bool:
    from opcode_htmx.sessions.terminals import pipes

    return pipes.is_live(record.parent)
