"""Check for orphans: what runs of this server have started, and left behind when they ended."""

from __future__ import annotations

from opcode_htmx.config.settings import Settings
from opcode_htmx.lib.formatting import count, format_bytes
from opcode_htmx.runs.processes.orphans import Orphans
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from opcode_htmx.sessions.health.check import Finding, State

_NAMED = 40


def orphans(settings: Settings) -> Finding:
    """Processes of ended runs. A run without an end goes on, with or without a server."""
    found = Orphans(ProcessMonitor(), settings.state_dir / "runs", tuple).found()
    pids = [each.pid for group in found for each in group.processes]
    if not pids:
        return Finding(State.OK, "Ended runs have left no process behind.")
    memory = format_bytes(sum(group.usage.memory_bytes for group in found))
    number, runs = len(pids), len(found)
    return Finding(
        State.WARNING,
        f"{count(number, 'process', 'processes')} of {count(runs, 'ended run')} still "
        f"take{'s' if number == 1 else ''} {memory} of memory.",
        "Look at them in More → Resources, and end there what nobody needs; or end them all.",
        " ".join(["kill", *map(str, pids[:_NAMED])]),
    )
