"""Take checkpoints without a person: before prompts, after turns, and after tools.

A prompt never waits for its checkpoint. It is sent meanwhile, and the checkpoint says whether
Claude had begun to use a tool before it was complete.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent

from opcode_htmx.engines.base import Parser
from opcode_htmx.engines.contents import ToolResult, ToolUse
from opcode_htmx.engines.messages import Assistant, BlockStart, User
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.events.types import TurnEnded
from opcode_htmx.runs.model.lifecycle import OPEN_TURN
from opcode_htmx.runs.model.line_reader import LineReader
from opcode_htmx.runs.supervisor import Supervisor
from opcode_htmx.sessions.checkpoints.model import (
    PROMPT_CHARACTERS,
    Checkpoint,
    CheckpointKind,
    Record,
    Strategy,
)
from opcode_htmx.sessions.checkpoints.service import Checkpoints
from opcode_htmx.sessions.checkpoints.trees import CheckpointRefused

log = logging.getLogger(__name__)

ONLY_READ = frozenset(
    {"Read", "Grep", "Glob", "LS", "WebFetch", "WebSearch", "TodoWrite", "ToolSearch", "Skill"}
)
"""Tools that write no files; any other one may."""
FOLLOW_SECONDS = 30.0
"""How often to look whether a run is still at work, without a notification."""


class AutomaticCheckpoints:
    """Decides when a checkpoint is due, and takes it beside everything else."""

    def __init__(
        self, checkpoints: Checkpoints, supervisor: Supervisor, parser: Parser, *, enabled: bool
    ) -> None:
        """Without `enabled` none is taken unless a person has chosen so."""
        self._checkpoints = checkpoints
        self._supervisor = supervisor
        self._parser = parser
        self._enabled = enabled
        self._followed: set[str] = set()

    def strategy(self, session_id: str, folder: Path) -> Strategy:
        """When checkpoints are taken in a session. Raises CheckpointRefused."""
        if chosen := self._checkpoints.store.read(session_id).strategy:
            return chosen
        return self.of_project(folder)

    def of_project(self, folder: Path) -> Strategy:
        """The same for the sessions of a folder in which nothing was chosen."""
        trees, store = self._checkpoints.trees, self._checkpoints.store
        if not trees.has_repository(folder):
            return store.strategy(str(folder.resolve())) or Strategy.MANUAL
        tree = trees.of(folder)
        if chosen := store.strategy(str(tree.top)):
            return chosen
        is_due = self._enabled and tree.has_repository and trees.is_quick(tree)
        return Strategy.PROMPT if is_due else Strategy.MANUAL

    def expected(self, session_id: str, folder: Path) -> tuple[Strategy, Strategy | None]:
        """What is in force in a session, and what was chosen for its project. Writes nothing."""
        store, trees = self._checkpoints.store, self._checkpoints.trees
        top = trees.likely_top(folder)
        chosen = store.strategy(str(top))
        quick = trees.is_quick_at(top)
        is_due = self._enabled and trees.has_repository(folder) and quick
        default = Strategy.PROMPT if is_due else Strategy.MANUAL
        return store.read(session_id).strategy or chosen or default, chosen

    def choose(
        self, session_id: str, folder: Path, strategy: Strategy | None, *, for_project: bool
    ) -> None:
        """Set when checkpoints are taken in a session, or in all of its project.

        Raises CheckpointRefused, OSError.
        """
        store = self._checkpoints.store
        if for_project:
            store.choose(str(self._checkpoints.trees.of(folder).top), strategy)
        store.change(
            session_id, lambda record: replace(record, strategy=None if for_project else strategy)
        )

    # --- prompts ----------------------------------------------------------------------------

    def before_prompt(self, session_id: str, folder: Path, prompt_id: str, text: str) -> None:
        """A prompt is about to be sent. Does not wait."""
        runs = self._supervisor.of_session(session_id)
        outputs = {run.id: _size(run.folder.output) for run in runs if run.live}
        is_working = any(run.live and run.phase in OPEN_TURN for run in runs)
        gevent.spawn(self._before_prompt, session_id, folder, prompt_id, text, outputs, is_working)

    def _before_prompt(
        self,
        session_id: str,
        folder: Path,
        prompt_id: str,
        text: str,
        outputs: Mapping[str, int],
        is_working: bool,
    ) -> None:
        due = self._due(session_id, folder)
        if due is Strategy.MANUAL:
            return
        if due in (Strategy.TOOL, Strategy.WRITES):
            every = due is Strategy.TOOL
            gevent.spawn(self._begin_to_follow, session_id, prompt_id, folder, outputs, every)
        taken = self._take(
            session_id,
            folder,
            CheckpointKind.PROMPT,
            prompt_id=prompt_id,
            prompt=" ".join(text[: 4 * PROMPT_CHARACTERS].split())[:PROMPT_CHARACTERS],
        )
        if taken is None:
            return
        runs = self._supervisor.of_session(session_id)
        is_late = is_working or any(
            self._has_used_tool(run, outputs.get(run.id, 0)) for run in runs[-2:]
        )
        if is_late:
            self._change(session_id, taken.number, late=True)

    def _has_used_tool(self, run: Run, since: int) -> bool:
        """Whether Claude has begun to use a tool, after this place in its output."""
        if not run.live and run.record.end is not None and not since:
            return False
        with contextlib.suppress(OSError):  # its folder was removed
            return any(
                b"tool_use" in line.data and any(_uses(self._parser.parse(line.data)))
                for line in yielding(LineReader(run.folder.output, since).read())
            )
        return False

    # --- turns ------------------------------------------------------------------------------

    def turn_ended(self, event: TurnEnded) -> None:
        """A turn has ended: note its usage, and what it has left if that is something new."""
        session_id, folder = event.session_id, Path(event.project_path)
        record = self._checkpoints.store.read(session_id)
        if not record.checkpoints and not record.strategy:
            return
        for prompt_id in event.prompt_ids:
            if before := record.before_prompt(prompt_id):
                self._change(
                    session_id,
                    before.number,
                    model=event.usage.model,
                    input_tokens=event.usage.input_tokens,
                    output_tokens=event.usage.output_tokens,
                    cost_usd=event.usage.cost_usd,
                )
        if self._due(session_id, folder) is Strategy.MANUAL:
            return
        self._take(session_id, folder, CheckpointKind.TURN, only_changed=True)
        # whether or not one was taken: the current one is what Claude has left
        with contextlib.suppress(OSError):
            self._checkpoints.store.change(
                session_id, lambda known: known.changed(known.current, settled=True)
            )

    # --- tools ------------------------------------------------------------------------------

    def _begin_to_follow(
        self, session_id: str, prompt_id: str, folder: Path, outputs: Mapping[str, int], every: bool
    ) -> None:
        """Follow what Claude does about a prompt, where each tool has a checkpoint."""
        changes, until = self._supervisor.changes(session_id), time.monotonic() + FOLLOW_SECONDS
        while time.monotonic() < until:
            seen = changes.version
            for run in self._supervisor.of_session(session_id):
                if run.live and prompt_id in run.state.sent:
                    if run.id not in self._followed:
                        self._followed.add(run.id)
                        self._follow(run, outputs.get(run.id, 0), folder, every)
                    return
            changes.wait(seen, 1.0)

    def _follow(self, run: Run, since: int, folder: Path, every_tool: bool) -> None:
        """Take a checkpoint after each tool, as long as the run is at work.

        `since` is the place in its output from which on tools count.
        """
        session_id = run.record.session_id
        changes = self._supervisor.written(session_id)
        reader, names = LineReader(run.folder.output, since), dict[str, str]()
        try:
            while True:
                seen = changes.version
                used = self._last_used(reader, names, every_tool)
                if used:  # the last one: what several have written is there by now
                    self._take(
                        session_id, folder, CheckpointKind.TOOL, only_changed=True, tool=used
                    )
                    continue
                run.fold_new_lines()
                if not run.live or (run.phase not in OPEN_TURN and not run.state.waiting):
                    return
                changes.wait(seen, FOLLOW_SECONDS)
        except OSError as error:  # its folder was removed
            log.info("run %s is not followed any more: %s", run.id, error)
        finally:
            self._followed.discard(run.id)

    def _last_used(self, reader: LineReader, names: dict[str, str], every_tool: bool) -> str:
        """The last tool with a result in new lines that has a checkpoint; empty if there is none.

        `names` are those of the calls without a result so far, by their ids.
        """
        used = ""
        for line in yielding(reader.read()):
            message = self._parser.parse(line.data)
            names.update((use.id, use.name) for use in _uses(message))
            for result in _results(message):
                name = names.pop(result.tool_use_id, "")
                if every_tool or name not in ONLY_READ:
                    used = name or "a tool"
        return used

    # --- common -----------------------------------------------------------------------------

    def _due(self, session_id: str, folder: Path) -> Strategy:
        """The strategy of a session; MANUAL also where none can be followed."""
        try:
            return self.strategy(session_id, folder)
        except (CheckpointRefused, OSError) as error:
            log.debug("no checkpoints in session %s: %s", session_id, error)
            return Strategy.MANUAL

    def _take(
        self, session_id: str, folder: Path, kind: CheckpointKind, **facts: Any
    ) -> Checkpoint | None:
        try:
            return self._checkpoints.add(session_id, folder, kind, **facts)
        except (CheckpointRefused, DiskFull, OSError) as error:
            log.info("no checkpoint in session %s: %s", session_id, error)
            problem = str(error)

            def noted(record: Record) -> Record:
                return replace(record, problem=problem)

            with contextlib.suppress(OSError):
                self._checkpoints.store.change(session_id, noted)
            return None

    def _change(self, session_id: str, number: int, **changes: Any) -> None:
        with contextlib.suppress(OSError):
            self._checkpoints.store.change(
                session_id, lambda record: record.changed(number, **changes)
            )


def _uses(message: object) -> Iterable[ToolUse]:
    match message:
        case BlockStart(content=ToolUse() as use):
            return (use,)
        case Assistant(content=content):
            return tuple(each for each in content if isinstance(each, ToolUse))
        case _:
            return ()


def _results(message: object) -> Iterable[ToolResult]:
    if not isinstance(message, User):
        return ()
    return tuple(each for each in message.content if isinstance(each, ToolResult))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
