"""/api/worktrees: begin sessions in copies, list these, merge, rebase, remove and restore them."""

from __future__ import annotations

import uuid
from pathlib import Path

from opcode_htmx.features.worktrees import schema
from opcode_htmx.features.worktrees.views import MOST, CopyPages, CopyRow
from opcode_htmx.sessions.submit import check_prompt
from opcode_htmx.sessions.worktrees.copies import copy_id
from opcode_htmx.sessions.worktrees.endings import Merge
from opcode_htmx.sessions.worktrees.kept_copies import KeptCopy
from opcode_htmx.sessions.worktrees.making import unattended
from opcode_htmx.sessions.worktrees.service import Wish
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.refusals import NO_BYPASS, UNTRUSTED_OR_SPENT

TAG = "Worktrees"
ALL, ONE = "/api/worktrees", "/api/worktrees/{worktree_id}"
UNKNOWN = {404: "There is no such worktree."}
REFUSED = {
    **UNKNOWN,
    409: "Claude is at work there, there are conflicts, or uncommitted changes are in the way. "
    "Nothing was changed.",
}
START_REFUSED = {
    403: NO_BYPASS,
    409: UNTRUSTED_OR_SPENT,
    429: "The queue is full.",
    503: "Claude cannot be started.",
}


class WorktreesApi:
    def __init__(self, parts: CopyPages) -> None:
        self._parts = parts

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path=ALL,
                tag=TAG,
                summary="The linked worktrees of all known repositories",
                handler=self.all,
                query=schema.WorktreesQuery,
                response=list[schema.WorktreeDetails],
            ),
            Endpoint(
                method="POST",
                path=ALL,
                tag=TAG,
                summary="Begin a session in a new worktree of its project",
                handler=self.begin,
                body=schema.NewCopySession,
                response=schema.CopySession,
                refusals=START_REFUSED,
                status=202,
            ),
            Endpoint(
                method="GET",
                path="/api/kept-worktrees",
                tag=TAG,
                summary="The removed worktrees that can be brought back",
                handler=self.kept,
                response=list[schema.KeptWorktree],
            ),
            Endpoint(
                method="POST",
                path="/api/kept-worktrees/{kept_copy}/restore",
                tag=TAG,
                summary="Bring a removed worktree back, with its branch and uncommitted work",
                handler=self.restore,
                response=schema.WorktreeDetails,
                refusals=REFUSED,
            ),
            Endpoint(
                method="GET",
                path=ONE,
                tag=TAG,
                summary="One worktree",
                handler=self.one,
                response=schema.WorktreeDetails,
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="DELETE",
                path=ONE,
                tag=TAG,
                summary="Remove a worktree and its branch; both are kept for 7 days",
                handler=self.discard,
                response=schema.KeptWorktree,
                refusals=REFUSED,
                description="Ignored files, and repositories within it, are not kept.",
            ),
            Endpoint(
                method="POST",
                path=f"{ONE}/merge",
                tag=TAG,
                summary="Bring the work of a worktree into its base",
                handler=self.merge,
                body=schema.WorktreeMerge,
                response=schema.MergedWorktree,
                refusals=REFUSED,
                description="No hook, filter or merge driver of the repository runs.",
            ),
            Endpoint(
                method="POST",
                path=f"{ONE}/rebase",
                tag=TAG,
                summary="Put the work of a worktree on top of its base",
                handler=self.rebase,
                response=schema.WorktreeDetails,
                refusals=REFUSED,
            ),
        )

    def all(self, query: schema.WorktreesQuery) -> list[schema.WorktreeDetails]:
        workspace = self._parts.context.workspace
        below = workspace.working_folder(query.project_path) if query.project_path else None
        rows = self._parts.rows(self._parts.copies.all(below)[: 5 * MOST])
        return [_details(each) for each in rows]

    def one(self, worktree_id: str) -> schema.WorktreeDetails:
        return _details(self._parts.row(self._parts.copies.get(worktree_id)))

    def begin(self, body: schema.NewCopySession) -> schema.CopySession:
        service, by = self._parts.service, current_identity()
        check_prompt(body.prompt)
        session_id = body.session_id or str(uuid.uuid4())
        self._parts.context.runs.options.check(body.permission_mode or None)
        wish = Wish(
            folder=self._parts.context.workspace.working_folder(body.project_path),
            words=body.prompt,
            prompt_id=body.prompt_id or str(uuid.uuid4()),
            prompt=body.prompt,
            options=unattended(body.model, body.permission_mode),
            base=body.base,
            branch=body.branch,
        )
        record = service.prepare(session_id, wish, by=by)
        service.begin_new(record, service.send_noted(session_id, by=by), by=by)
        record = service.of_session(session_id) or record
        return schema.CopySession(
            session_id=session_id,
            worktree_id=copy_id(Path(record.path)),
            path=record.path,
            branch=record.branch,
            base=record.base,
            state=record.state,
            problem=record.problem,
        )

    def merge(self, worktree_id: str, body: schema.WorktreeMerge) -> schema.MergedWorktree:
        copy = self._parts.copies.get(worktree_id)
        wanted = Merge(body.way, body.message, body.commit, body.remove)
        kept = self._parts.endings.merge(copy, wanted, by=current_identity())
        return schema.MergedWorktree(base=copy.base, kept=_kept(kept) if kept else None)

    def rebase(self, worktree_id: str) -> schema.WorktreeDetails:
        self._parts.endings.rebase(self._parts.copies.get(worktree_id), by=current_identity())
        return self.one(worktree_id)

    def discard(self, worktree_id: str) -> schema.KeptWorktree:
        copy = self._parts.copies.get(worktree_id)
        return _kept(self._parts.endings.discard(copy, by=current_identity()))

    def kept(self) -> list[schema.KeptWorktree]:
        return [_kept(each) for each in self._parts.service.kept.all()]

    def restore(self, kept_copy: str) -> schema.WorktreeDetails:
        kept = self._parts.service.kept.get(kept_copy)
        path = self._parts.endings.restore(kept, by=current_identity())
        return self.one(copy_id(path))


def _details(row: CopyRow) -> schema.WorktreeDetails:
    copy, now = row.copy, row.standing
    return schema.WorktreeDetails(
        id=copy.id,
        repository=copy.repository,
        path=str(copy.path),
        branch=copy.worktree.branch,
        base=copy.base,
        commit=copy.worktree.commit,
        origin=copy.origin,
        session_ids=[each for _, each in copy.sessions],
        at_work=copy.is_at_work,
        locked=copy.worktree.locked,
        prunable=copy.worktree.prunable,
        survives=row.survives,
        uncommitted=now.uncommitted.count if now.uncommitted else None,
        ahead=now.commits.ahead if now.commits else None,
        behind=now.commits.behind if now.commits else None,
        disk_bytes=now.disk,
        made_at=now.made_at or None,
    )


def _kept(kept: KeptCopy) -> schema.KeptWorktree:
    return schema.KeptWorktree(
        id=kept.id,
        repository=kept.repository,
        path=kept.path,
        branch=kept.branch,
        session_id=kept.session_id,
        merged=kept.merged,
        removed_at=kept.at,
        kept_until=kept.until,
    )
