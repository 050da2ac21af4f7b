"""The services that features are built from.

Here and not in app/, because a feature imports only packages to its left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar

from flask import g

from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.base import Engine
from opcode_htmx.lib.concurrency.jobs import Jobs
from opcode_htmx.lib.concurrency.loop_monitor import LoopMonitor
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files.state_folders import StateDir
from opcode_htmx.lib.metrics.store import MetricStore
from opcode_htmx.runs.capabilities.cache import CapabilityCache
from opcode_htmx.runs.events.bus import EventBus
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.services import Sessions
from opcode_htmx.sessions.workspace import Workspace

Made = TypeVar("Made")


def once_a_request(make: Callable[[], Made]) -> Made:
    """What `make` gives, a method of a service: called once for all parts of a page."""
    made: dict[object, Any] = g.setdefault("made_once", {})
    if make not in made:
        made[make] = make()
    found: Made = made[make]
    return found


@dataclass(frozen=True, slots=True)
class AppContext:
    """The services of one worker."""

    settings: Settings
    engine: Engine
    claude_path: Path
    """The Claude CLI that new runs are started with."""
    workspace: Workspace
    runs: Supervisor
    events: EventBus
    capabilities: CapabilityCache
    sessions: Sessions
    state: StateDir
    jobs: Jobs
    monitor: LoopMonitor
    metrics: MetricStore
    refusals: tuple[type[Exception], ...]
    """Exceptions whose text is a sentence for the person or program that caused them."""
    _made: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, make: Callable[[AppContext], Made]) -> Made:
        """What `make` gives for this context: made at the first call, and kept."""
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]
        return made
