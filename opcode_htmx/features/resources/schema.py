"""The requests and responses of /mgmt for disk, clean-up and processes."""

from __future__ import annotations

from pydantic import Field

from opcode_htmx.features.resources.clean_up import Done, Kept, Plan
from opcode_htmx.features.resources.disk import Disk
from opcode_htmx.features.resources.processes import RunningSession, Stray
from opcode_htmx.runs.processes.orphans import Orphan
from opcode_htmx.web.rest.models import RequestModel, ResponseModel

STARTED = "Its start by the kernel's own count: with the pid it means this process only."


class SizeModel(ResponseModel):
    """What something takes."""

    name: str
    bytes: int


class DiskModel(ResponseModel):
    """What takes space. Sizes are in bytes."""

    at: float = Field(description="When it was counted, as a Unix time.")
    complete: bool = Field(description="False if there was no time to count all.")
    free: int = Field(description="On the disk of the repositories.")
    total: int
    kinds: list[SizeModel]
    repositories: list[SizeModel]
    worktrees: list[SizeModel]

    @classmethod
    def of(cls, disk: Disk) -> DiskModel:
        return cls(
            at=disk.at,
            complete=disk.complete,
            free=disk.free,
            total=disk.total,
            kinds=[SizeModel(name=name, bytes=size) for name, _, size in disk.kinds],
            repositories=[
                SizeModel(name=name, bytes=size) for name, size in disk.sizes.repositories.items()
            ],
            worktrees=[
                SizeModel(name=name, bytes=size) for name, size in disk.sizes.worktrees.items()
            ],
        )


class GcRequest(RequestModel):
    """Without `digest` nothing is removed."""

    days: int = Field(30, ge=1, le=3650, description="For so many days unused.")
    digest: str = Field(
        "", max_length=64, description="That of the plan, as the dry run gave it: it is done then."
    )


class GcItem(ResponseModel):
    """Something that would go, or went."""

    kind: str = Field(description="rest, entry, objects, worktree or clone.")
    name: str
    why: str
    bytes: int


class GcKept(ResponseModel):
    """Something that stays, and why."""

    title: str
    why: str

    @classmethod
    def of(cls, kept: Kept) -> GcKept:
        return cls(title=kept.title, why=kept.why)


class GcModel(ResponseModel):
    """A plan, or what was done."""

    dry_run: bool
    days: int
    digest: str = Field(description="To be sent to do it; empty when it was done.")
    items: list[GcItem] = Field(description="What would go, or went.")
    kept: list[GcKept] = Field(description="What is old and stays, or could not be removed.")

    @classmethod
    def of_plan(cls, plan: Plan) -> GcModel:
        return cls(
            dry_run=True,
            days=plan.days,
            digest=plan.digest,
            items=[
                GcItem(kind=each.kind, name=each.name, why=each.why, bytes=each.size)
                for each in plan.items
            ],
            kept=list(map(GcKept.of, plan.kept)),
        )

    @classmethod
    def of_done(cls, days: int, done: Done) -> GcModel:
        return cls(
            dry_run=False,
            days=days,
            digest="",
            items=[
                GcItem(kind=each.kind, name=each.name, why=each.why, bytes=each.size)
                for each in done.removed
            ],
            kept=list(map(GcKept.of, done.failed)),
        )


class RunningModel(ResponseModel):
    """A session in which processes run. Stop it by `POST /api/sessions/{id}/cancel`."""

    run_id: str
    session_id: str
    title: str
    processes: int
    memory_bytes: int
    cpu_percent: float = Field(description="Of one processor.")

    @classmethod
    def of(cls, found: RunningSession) -> RunningModel:
        return cls(
            run_id=found.run_id,
            session_id=found.session_id,
            title=found.title,
            processes=found.usage.processes,
            memory_bytes=found.usage.memory_bytes,
            cpu_percent=found.usage.cpu_percent,
        )


class OrphanModel(ResponseModel):
    """A process that an ended session has left behind: it can be ended."""

    pid: int
    started: float = Field(description=STARTED)
    at: float = Field(description="The same as a Unix time.")
    command: str
    run_id: str

    @classmethod
    def of(cls, run_id: str, orphan: Orphan) -> OrphanModel:
        return cls(
            pid=orphan.pid,
            started=orphan.started,
            at=orphan.at,
            command=orphan.command,
            run_id=run_id,
        )


class StrayModel(ResponseModel):
    """Another process of this user without a parent, which is no known service. It is not ended."""

    pid: int
    at: float = Field(description="A Unix time.")
    command: str
    memory_bytes: int

    @classmethod
    def of(cls, stray: Stray) -> StrayModel:
        return cls(
            pid=stray.pid, at=stray.at, command=stray.command, memory_bytes=stray.memory_bytes
        )


class ProcessesModel(ResponseModel):
    """What runs on the machine because of this app, and what may."""

    running: list[RunningModel]
    orphans: list[OrphanModel]
    others: list[StrayModel]


class KillRequest(RequestModel):
    """Which process is meant."""

    started: float = Field(description=STARTED)
