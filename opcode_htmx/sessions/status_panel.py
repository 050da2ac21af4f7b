"""Render the elements around the transcript: status line, queued prompts, stderr, Stop button.

They are small, and sent whole whenever they differ from those of a viewer. Times are sent as points
in time; the page counts the seconds, so that passing time needs no message.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from functools import cached_property

from jinja2 import Environment
from jinja2.environment import TemplateModule
from markupsafe import Markup

from opcode_htmx.engines.messages import BackgroundTask
from opcode_htmx.rendering.activity_text import activity_of, request_text
from opcode_htmx.rendering.cards.parts import first_line
from opcode_htmx.runs.budgets.figures import is_pause
from opcode_htmx.runs.control.prompt_queue import queue
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.following.followed_run import error_lines
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.sessions.attention import AttentionCount
from opcode_htmx.sessions.elsewhere import NOT_ELSEWHERE, Elsewhere
from opcode_htmx.sessions.storage.drafts import Draft
from opcode_htmx.transcript import todos
from opcode_htmx.transcript.blocks import Block, ToolBlock
from opcode_htmx.transcript.context_usage import ContextUsage

_STATUS_TEXTS = {
    Phase.STARTING: "Starting Claude…",
    Phase.WORKING: "Working…",
    Phase.WAITING: "Waiting for your answer",
    Phase.IDLE: "Ready for the next prompt",
    Phase.STOPPING: "Stopping…",
}

REFUSED = "Nothing is sent: budget used up"

NOWHERE = (
    "Claude’s file does not say where this session worked. It can be read, but not continued here."
)


_TASK_KINDS = {
    "local_bash": "command",
    "local_agent": "agent",
    "remote_agent": "agent",
    "local_workflow": "workflow",
    "in_process_teammate": "teammate",
    "monitor_mcp": "monitor",
    "monitor_ws": "monitor",
    "cron": "schedule",
    "wakeup": "wake-up",
}
NONE_NEEDS = AttentionCount()
LISTED_PORTS = 2
"""Ports of dev servers that are listed; further ones are counted."""
CLOCK_ERROR = 5.0
"""Seconds that the time of an entry may be ahead of the clock."""
LISTED_TASKS = 20
"""Background tasks that are listed; further ones are counted."""


class StatusPanel:
    """Renders the elements of one session, and caches each until its contents change."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._since: tuple[object, float] = (None, 0.0)
        self._rendered: dict[str, tuple[tuple[object, ...], Markup]] = {}
        self._errors: tuple[object, list[str]] = (None, [])

    @cached_property
    def _macros(self) -> TemplateModule:
        return self._environment.get_template("session/status_panel.html").make_module(
            {"kind_of": kind_of, "first_line": first_line}
        )

    def parts(
        self,
        run: Run | None,
        current: Block | None = None,
        progress: ContextUsage | None = None,
        needs: AttentionCount = NONE_NEEDS,
        noted: Sequence[todos.Todo] = (),
        earlier: Sequence[Run] = (),
        room: str = "",
        folder: str = "/",
        elsewhere: Elsewhere = NOT_ELSEWHERE,
        address: str = "",
        *,
        stop: str = "",
    ) -> dict[str, Markup]:
        """The elements by id, for a session whose newest run is `run`.

        `current` is the block of the current activity, `needs` how many other sessions
        need attention, `noted` Claude's to-do list, `earlier` the runs that may have left prompts,
        `room` a message about the server's disk, `folder` the session's working folder (empty if
        unknown), `elsewhere` other uses of the session, `address` the path of its page, and
        `stop` why a budget keeps prompts from being sent, as a sentence. An
        element with nothing to show is empty, so that it can be replaced later.
        """
        live = run is not None and run.live
        queued = queue([*earlier, *([run] if run else [])])
        errors = self._error_lines(run) if run and run.live and not run.is_unused else []
        progress = progress or ContextUsage()
        since = self._begin(run, current, progress)
        status = status_text(run, current, stop) if run or folder else NOWHERE
        phase, subject, percent = phase_of(run), about(run), _percent(progress)
        # A process that waits for a prompt has nothing to stop, unless it has background tasks.
        background = run.state.still_running if run else ()
        resting = live and phase is Phase.IDLE and not background
        stoppable = run.id if run and live and not resting else ""
        return {
            "status": self._render("status", phase, status),
            "since": self._render("since", subject, since, _clock(since)),
            "usage": self._render("usage", progress, percent, _short(progress.tokens)),
            "status-details": self._render(
                "details", status, subject, _clock(since), progress, percent
            ),
            "warnings": self._render("warnings", warnings_of(run, room)),
            "queue": self._render("queue", queued, starts_with(run)),
            "errors": self._render("errors", errors),
            "background": self._render("background", *listed_tasks(run)),
            "todos": self._render("todos", noted, todos.done(noted), todos.headline(noted)),
            "stop": self._render("stop", stoppable, phase),
            "stop-line": self._render("stop_line", stoppable, phase),
            "end-claude": self._render(
                "end", run.id if run and live else "", bool(stoppable), phase
            ),
            "needs": self._render("needs", needs.shown, needs.words, not needs.needing),
            "elsewhere": self._render("elsewhere", elsewhere, address),
        }

    def changed(self, number: int, address: str) -> dict[str, Markup]:
        """The link to the files that the session has changed, with their number."""
        return {"changed": self._render("changed", number, address)}

    def dev_servers(self, ports: Sequence[int], address: str) -> dict[str, Markup]:
        """The link to what the session's processes listen on."""
        shown = ", ".join(f"localhost:{port}" for port in ports[:LISTED_PORTS])
        more = f" and {len(ports) - LISTED_PORTS} more" if len(ports) > LISTED_PORTS else ""
        place = f"#port-{ports[0]}" if len(ports) == 1 else ""
        html = self._render("dev_servers", shown + more, f"{address}/preview{place}")
        return {"dev-servers": html}

    def draft(self, draft: Draft, address: str) -> dict[str, Markup]:
        """The elements for the draft of the session whose page is at `address`."""
        return {
            "draft": self._render("draft", draft),
            "attached": self._render("attached", draft.files, address),
        }

    def _render(self, name: str, *arguments: object) -> Markup:
        """One element, by its macro; cached until an argument differs."""
        cached = self._rendered.get(name)
        if cached is None or cached[0] != arguments:
            cached = self._rendered[name] = arguments, getattr(self._macros, name)(*arguments)
        return cached[1]

    def _error_lines(self, run: Run) -> list[str]:
        """As `error_lines`, cached until stderr grows."""
        with contextlib.suppress(FileNotFoundError):
            written = run.errors_written
            size = run.folder.errors.stat().st_size if written is None else -1
            seen = run.id, written, size
            if self._errors[0] != seen:
                self._errors = seen, error_lines(run)
            return self._errors[1]
        return []

    def _begin(self, run: Run | None, current: Block | None, progress: ContextUsage) -> float:
        """When the current status began, as a Unix time; 0 without a run."""
        if run is None:
            return 0.0
        if run.record.end:
            return run.record.end.at
        working = run.phase is Phase.WORKING
        if working and isinstance(current, ToolBlock):
            called_at = progress.tool_starts.get(current.id, 0.0)
            if _has_been(called_at):
                return called_at
        if working and _has_been(progress.said_at):
            created_at = run.record.created_at
            return max(progress.said_at, created_at if _has_been(created_at) else 0.0)
        # the same words after another turn, which may have gone by unseen, begin anew
        key = run.id, run.state.turns, run.phase, status_text(run, current)
        if self._since[0] != key:
            # A line has changed the status, and the file's mtime is that of the newest line
            began = run.folder.last_output()
            if working:  # since a prompt of which Claude has written nothing yet
                began = max(began, run.folder.last_input())
            elif run.phase is Phase.STARTING:
                began = run.record.created_at
            self._since = key, began
        return self._since[1]


def _has_been(at: float) -> bool:
    """Whether a time that an entry gives can be true, as a Unix time; 0 is none.

    Entries have been written with a clock that was ahead, from which nothing could be counted.
    """
    return 0 < at <= time.time() + CLOCK_ERROR


def warnings_of(run: Run | None, room: str = "") -> list[str]:
    """The warnings about limits of the run and of the disk (`room`), as sentences."""
    run_warnings = run.warnings.values() if run and run.live else ()
    return [sentence for sentence in (room, *run_warnings) if sentence]


def listed_tasks(run: Run | None) -> tuple[tuple[BackgroundTask, ...], int]:
    """The background tasks to list, and the number of further ones."""
    running = run.state.still_running if run else ()
    return running[:LISTED_TASKS], len(running[LISTED_TASKS:])


def starts_with(run: Run | None) -> str:
    """The id of the first prompt of a process that has taken up none yet; empty at other times."""
    if run is None or not run.live or run.phase not in (Phase.STARTING, Phase.WORKING):
        return ""
    waiting = run.state.waiting
    return next(iter(waiting), "") if len(waiting) == len(run.state.sent) else ""


def kind_of(task: BackgroundTask) -> str:
    """The kind of a background task in a word or two."""
    return _TASK_KINDS.get(task.type) or task.type.replace("_", " ") or "task"


def phase_of(run: Run | None) -> Phase:
    if run is None:
        return Phase.ENDED
    # a start while a prompt is written is no work that somebody waits for
    return Phase.IDLE if run.is_unused else run.phase


def status_text(run: Run | None, current: Block | None = None, stop: str | None = None) -> str:
    """The state of a session in a few words; `current` is the block of the current activity.

    `stop`: why the next prompt is not going to be sent, as a sentence; empty where it is, None
    where that is not known.
    """
    to_do = REFUSED if stop else "Ask to continue."
    if run is None:
        return f"Not running. {to_do}"
    end = run.record.end
    if end is None:
        if run.phase is Phase.QUEUED:
            starting = _STATUS_TEXTS[Phase.STARTING]
            return starting if run.ahead is None else _queued(run.ahead)
        if stop and run.phase is Phase.IDLE:
            return REFUSED
        if run.is_unused and run.phase is Phase.IDLE:
            return "Claude is ready"
        if run.phase is Phase.IDLE and (running := len(run.state.still_running)):
            return f"Ready · {running} still running"
        return (run.phase is Phase.WORKING and activity_of(current)) or _STATUS_TEXTS.get(
            run.phase, ""
        )
    if end.outcome is Outcome.COMPLETED:
        return f"{end.cause} {to_do}"
    if stop is not None and is_pause(end.cause):  # another budget may stop it now, or none
        return stop or "Paused by a budget. Your next prompt continues."
    return end.cause


def _queued(ahead: int) -> str:
    """The status of a queued run, with the number of sessions before it."""
    first = {0: "it is next", 1: "one session is before it"}
    return f"Waits for room: {first.get(ahead, f'{ahead} sessions are before it')}"


def about(run: Run | None) -> str:
    """The subject of the oldest open request; empty if there is none."""
    if run is None or run.phase is not Phase.WAITING:
        return ""
    return next((request_text(request) for request in run.state.asks.values()), "")


def _clock(moment: float) -> str:
    return time.strftime("%H:%M", time.localtime(moment)) if moment else ""


def _percent(progress: ContextUsage) -> int:
    """The used share of the context window in percent; 0 if unknown."""
    if not progress.tokens or not progress.window:
        return 0
    return min(100, max(1, round(100 * progress.tokens / progress.window)))


def _short(tokens: int) -> str:
    return f"{tokens / 1000:.0f}k" if tokens >= 1000 else str(tokens)
