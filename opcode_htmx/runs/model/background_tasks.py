"""Background tasks and schedules: what still runs when Claude's turn is over.

Claude lists its tasks whenever they change. It does not list schedules: they are known from the
results of the tools that create, list and delete them.
"""

from __future__ import annotations

from opcode_htmx.engines.contents import ToolResult, ToolUse
from opcode_htmx.engines.messages import (
    LONGEST_DESCRIPTION,
    Assistant,
    BackgroundTask,
    BackgroundTasks,
    Message,
    User,
)
from opcode_htmx.lib.coerce import (
    Json,
    amount,
    as_dict,
    as_list,
    as_str,
)
from opcode_htmx.lib.dataclass import dataclass

CRON, WAKEUP = "cron", "wakeup"
"""The types of schedules; those of tasks are Claude's own."""
AGENTS = frozenset({"local_agent", "remote_agent", "local_workflow", "in_process_teammate"})
"""The types of tasks that do a part of Claude's work, which is not done until they are."""

_TOOLS = frozenset({"CronCreate", "CronDelete", "CronList", "ScheduleWakeup"})
_LATE_SECONDS = 30.0
"""How much later than its time a one-time schedule may start."""


@dataclass(frozen=True, slots=True)
class _Schedule:
    task: BackgroundTask
    until: float | None
    """The Unix time after which it is over; None: never."""


class Background:
    """The background work of one Claude: a fold over the lines that it has written."""

    __slots__ = ("_calls", "_schedules", "tasks")

    def __init__(self) -> None:
        self.tasks: tuple[BackgroundTask, ...] = ()
        """The tasks of the newest list."""
        self._schedules: dict[str, _Schedule] = {}
        self._calls: dict[str, ToolUse] = {}
        """Calls of the scheduling tools without a result, by id."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Background) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def agents(self) -> tuple[BackgroundTask, ...]:
        """The tasks after which Claude goes on with its own work by itself."""
        return tuple(task for task in self.tasks if task.type in AGENTS)

    def running(self, now: float) -> tuple[BackgroundTask, ...]:
        """The tasks and schedules at this Unix time."""
        if not self._schedules:
            return self.tasks
        scheduled = self._schedules.values()
        pending = (each.task for each in scheduled if each.until is None or each.until > now)
        return (*self.tasks, *pending)

    def apply(self, message: Message) -> None:
        """Fold a line of Claude's."""
        match message:
            case BackgroundTasks():
                self.tasks = message.tasks
            case Assistant():
                for content in message.content:
                    if isinstance(content, ToolUse) and content.name in _TOOLS:
                        self._calls[content.id] = content
            case User() if self._calls:
                for content in message.content:
                    if isinstance(content, ToolResult):
                        call = self._calls.pop(content.tool_use_id, None)
                        if call and not content.is_error:
                            self._apply_result(call, as_dict(message.tool_result))
            case _:
                pass

    def _apply_result(self, call: ToolUse, result: Json) -> None:
        match call.name:
            case "CronCreate":
                self._add({"prompt": call.input.get("prompt"), **result})
            case "CronDelete":
                self._schedules.pop(as_str(result.get("id")), None)
            case "CronList" if isinstance(result.get("jobs"), list):
                self._schedules.clear()
                for job in as_list(result["jobs"]):
                    self._add(as_dict(job))
            case "ScheduleWakeup" if result.get("stopped") is True:
                kept = {k: each for k, each in self._schedules.items() if each.task.type != WAKEUP}
                self._schedules = kept
            case "ScheduleWakeup" if at := amount(result.get("scheduledFor")):
                words = as_str(call.input.get("reason")) or as_str(call.input.get("prompt"))
                task = BackgroundTask(call.id, WAKEUP, words[:LONGEST_DESCRIPTION])
                self._schedules[call.id] = _Schedule(task, at / 1000 + _LATE_SECONDS)
            case _:
                pass

    def _add(self, job: Json) -> None:
        """Add a job as the scheduling tools describe it, with times in milliseconds."""
        job_id = as_str(job.get("id"))
        next_at = amount(job.get("nextFireAt"))
        once = not job.get("recurring")
        if not job_id or (once and not next_at):
            return  # its end would be unknown
        until = next_at / 1000 + _LATE_SECONDS if once and next_at else None
        parts = (as_str(job.get("humanSchedule")), as_str(job.get("prompt")))
        description = ": ".join(filter(None, parts))[:LONGEST_DESCRIPTION]
        task = BackgroundTask(job_id, WAKEUP if once else CRON, description)
        self._schedules[job_id] = _Schedule(task, until)
