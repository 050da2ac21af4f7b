"""/mgmt: disk, clean-up and processes, for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from opcode_htmx.features.resources import schema
from opcode_htmx.features.resources.clean_up import CleanUp
from opcode_htmx.features.resources.disk import Disk, DiskSurvey
from opcode_htmx.features.resources.processes import ProcessList
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.concurrency.background import StillCounting
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint

TAG = "Resources"
PATIENCE_SECONDS = 60.0


class ResourcesApi:
    """The endpoints for disk, clean-up and processes."""

    def __init__(self, disk: DiskSurvey, clean_up: CleanUp, processes: ProcessList) -> None:
        self._disk = disk
        self._clean_up = clean_up
        self._processes = processes

    def endpoints(self) -> Iterable[Endpoint]:
        declared = partial(Endpoint, tag=TAG)
        yield declared(
            method="GET",
            path="/mgmt/disk",
            summary="What takes space, by kind, and what is free",
            handler=lambda: schema.DiskModel.of(self._counted(self._disk.get)),
            response=schema.DiskModel,
            refusals={503: "Counting takes longer: ask again."},
        )
        yield declared(
            method="POST",
            path="/mgmt/gc",
            summary="Clean up: without a digest a plan, with that of a plan do it",
            description="Removes worktrees and clones that were not used for so many days and hold "
            "nothing that is nowhere else, and the rests of interrupted clones.",
            handler=self._gc,
            body=schema.GcRequest,
            response=schema.GcModel,
            refusals={409: "The plan has changed meanwhile."},
        )
        yield declared(
            method="GET",
            path="/mgmt/processes",
            summary="Processes of sessions, those they have left behind, and others without parent",
            handler=self._list,
            response=schema.ProcessesModel,
        )
        yield declared(
            method="POST",
            path="/mgmt/processes/{pid}/kill",
            numbered=True,
            summary="End a process that an ended session has left behind",
            handler=self._kill,
            body=schema.KillRequest,
            response=None,
            refusals={404: "The list of orphans has no such process, or not any more."},
        )

    def _counted(self, get: Callable[[float], Disk | None]) -> Disk:
        found = get(PATIENCE_SECONDS)
        if found is None:
            raise StillCounting("Counting what takes space takes long. Try again in a moment.")
        return found

    def _gc(self, body: schema.GcRequest) -> schema.GcModel:
        if not body.digest:
            sizes = self._disk.sizes(PATIENCE_SECONDS)
            return schema.GcModel.of_plan(self._clean_up.plan(body.days, sizes))
        done = self._clean_up.do(body.days, body.digest)
        for each in done.removed:
            log_act(current_identity(), "resources.clean_up", kind=each.kind, name=each.name)
        return schema.GcModel.of_done(body.days, done)

    def _list(self) -> schema.ProcessesModel:
        processes = self._processes
        return schema.ProcessesModel(
            running=list(map(schema.RunningModel.of, processes.running())),
            orphans=[
                schema.OrphanModel.of(group.run_id, each)
                for group in processes.orphans()
                for each in group.processes
            ],
            others=list(map(schema.StrayModel.of, processes.strays())),
        )

    def _kill(self, pid: str, body: schema.KillRequest) -> None:
        self._processes.end(int(pid), body.started)
        log_act(current_identity(), "process.end", pid=int(pid))
