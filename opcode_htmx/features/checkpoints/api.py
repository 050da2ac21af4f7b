"""/api/sessions/…/checkpoints: list, take, compare, restore, fork, describe and remove."""

from __future__ import annotations

import os
from pathlib import Path

from opcode_htmx.features.checkpoints import forks, schema, views, words
from opcode_htmx.features.context import AppContext
from opcode_htmx.lib.git.snapshots import plan as plans
from opcode_htmx.lib.git.snapshots.plan import Kept
from opcode_htmx.sessions.checkpoints.model import Checkpoint, Record, Restored
from opcode_htmx.sessions.checkpoints.recorder import NoSuchCheckpoint
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import whole_number
from opcode_htmx.web.rest.endpoint import Endpoint, Method

TAG = "Checkpoints"
ALL = "/api/sessions/{session_id}/checkpoints"
ONE = f"{ALL}/{{checkpoint}}"
UNKNOWN = {404: "There is no such session or checkpoint."}
REFUSED = {**UNKNOWN, 409: "Claude is at work on these files, or they have changed since."}


class CheckpointsApi:
    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._checkpoints = context.sessions.checkpoints

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            _endpoint("GET", ALL, "The checkpoints of a session", self.all, schema.CheckpointList),
            Endpoint(
                method="POST",
                path=ALL,
                tag=TAG,
                summary="Take a checkpoint",
                handler=self.take,
                response=schema.CheckpointDetails,
                body=schema.NewCheckpoint,
                refusals=UNKNOWN,
                status=201,
            ),
            _endpoint("GET", ONE, "One checkpoint", self.one, schema.CheckpointDetails),
            Endpoint(
                method="PUT",
                path=ONE,
                tag=TAG,
                summary="Describe a checkpoint",
                handler=self.describe,
                response=schema.CheckpointDetails,
                body=schema.CheckpointDescription,
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="DELETE",
                path=ONE,
                tag=TAG,
                summary="Remove a checkpoint",
                handler=self.delete,
                response=str,
                refusals=UNKNOWN,
                description="The files stay as they are.",
            ),
            Endpoint(
                method="GET",
                path=f"{ONE}/diff",
                tag=TAG,
                summary="What differs from a checkpoint",
                handler=self.diff,
                response=schema.CheckpointDiff,
                query=schema.DiffQuery,
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="POST",
                path=f"{ONE}/restore",
                tag=TAG,
                summary="Put the files back to a checkpoint",
                handler=self.restore,
                response=schema.RestoredCheckpoint,
                body=schema.CheckpointRestore,
                refusals=REFUSED,
            ),
            Endpoint(
                method="POST",
                path=f"{ONE}/fork",
                tag=TAG,
                summary="Make a worktree with the files of a checkpoint",
                handler=self.fork,
                response=schema.ForkedCheckpoint,
                refusals=UNKNOWN,
                status=201,
                description="Then a new session can be started in it.",
            ),
            Endpoint(
                method="POST",
                path="/api/sessions/{session_id}/undo-restore",
                tag=TAG,
                summary="Undo the last restore",
                handler=self.undo,
                response=schema.RestoredCheckpoint,
                refusals=REFUSED,
            ),
            Endpoint(
                method="POST",
                path="/api/sessions/{session_id}/clean-checkpoints",
                tag=TAG,
                summary="Remove old checkpoints",
                handler=self.clean_up,
                response=schema.CleanedUp,
                body=schema.CheckpointCleanUp,
                refusals=UNKNOWN,
            ),
            Endpoint(
                method="PUT",
                path="/api/sessions/{session_id}/checkpoint-strategy",
                tag=TAG,
                summary="Choose when checkpoints are taken",
                handler=self.choose,
                response=schema.CheckpointList,
                body=schema.CheckpointStrategy,
                refusals=UNKNOWN,
            ),
        )

    def all(self, session_id: str) -> schema.CheckpointList:
        session_id, _ = self._located(session_id)
        return self._list(session_id)

    def one(self, session_id: str, checkpoint: str) -> schema.CheckpointDetails:
        session_id, _ = self._located(session_id)
        record = self._checkpoints.store.read(session_id)
        return _details(self._checkpoints.get(session_id, _number(checkpoint)), record)

    def take(self, session_id: str, body: schema.NewCheckpoint) -> schema.CheckpointDetails:
        session_id, folder = self._located(session_id)
        taken = self._checkpoints.take(
            session_id, folder, description=body.description, by=current_identity()
        )
        return _details(taken, self._checkpoints.store.read(session_id))

    def describe(
        self, session_id: str, checkpoint: str, body: schema.CheckpointDescription
    ) -> schema.CheckpointDetails:
        session_id, _ = self._located(session_id)
        self._checkpoints.describe(session_id, _number(checkpoint), body.description)
        return self.one(session_id, checkpoint)

    def delete(self, session_id: str, checkpoint: str) -> str:
        session_id, _ = self._located(session_id)
        number = self._checkpoints.get(session_id, _number(checkpoint)).number
        self._checkpoints.remove(session_id, {number})
        return "deleted"

    def diff(
        self, session_id: str, checkpoint: str, query: schema.DiffQuery
    ) -> schema.CheckpointDiff:
        session_id, _ = self._located(session_id)
        number = _number(checkpoint)
        if query.against == "parent":
            with self._checkpoints.pair(session_id, number) as (tree, parent, then):
                if parent is None:
                    raise NoSuchCheckpoint("This checkpoint has no parent.")
                changes = plans.compare(tree, parent, then)
                return _diff(views.files(tree, parent, then, changes), "")
        with self._checkpoints.preview(session_id, number) as found:
            return _diff(views.of_preview(found), found.digest)

    def restore(
        self, session_id: str, checkpoint: str, body: schema.CheckpointRestore
    ) -> schema.RestoredCheckpoint:
        session_id, _ = self._located(session_id)
        done = self._checkpoints.restore(
            session_id, _number(checkpoint), digest=body.digest, by=current_identity()
        )
        return _restored(done)

    def undo(self, session_id: str) -> schema.RestoredCheckpoint:
        session_id, _ = self._located(session_id)
        return _restored(self._checkpoints.undo(session_id, by=current_identity()))

    def fork(self, session_id: str, checkpoint: str) -> schema.ForkedCheckpoint:
        session_id, folder = self._located(session_id)
        made = forks.fork(
            self._checkpoints, session_id, _number(checkpoint), folder, current_identity()
        )
        return schema.ForkedCheckpoint(project_path=str(made))

    def clean_up(self, session_id: str, body: schema.CheckpointCleanUp) -> schema.CleanedUp:
        session_id, _ = self._located(session_id)
        removed = 0
        if body.keep is not None:
            removed += self._checkpoints.remove_all_but(session_id, newest=body.keep)
        if body.days is not None:
            seconds = body.days * 86400
            removed += self._checkpoints.remove_all_but(session_id, older_than=seconds)
        return schema.CleanedUp(removed=removed)

    def choose(self, session_id: str, body: schema.CheckpointStrategy) -> schema.CheckpointList:
        session_id, folder = self._located(session_id)
        self._context.sessions.automatic_checkpoints.choose(
            session_id, folder, body.strategy, for_project=body.for_project
        )
        return self._list(session_id)

    def _located(self, session_id: str) -> tuple[str, Path]:
        location = self._context.sessions.locations.of(session_id)
        return location.session_id, location.working_folder

    def _list(self, session_id: str) -> schema.CheckpointList:
        record = self._checkpoints.store.read(session_id)
        return schema.CheckpointList(
            checkpoints=[_details(each, record) for each in record.checkpoints],
            strategy=record.strategy,
            undo=record.restored.undo if record.restored else None,
        )


def _endpoint(
    method: Method, path: str, summary: str, handler: object, response: object
) -> Endpoint:
    if not callable(handler):
        raise TypeError(f"{summary} has no handler")
    return Endpoint(
        method=method,
        path=path,
        tag=TAG,
        summary=summary,
        handler=handler,
        response=response,
        refusals=UNKNOWN,
    )


def _number(text: str) -> int:
    """Raises NoSuchCheckpoint."""
    number = whole_number(text, 6)
    if number is None:
        raise NoSuchCheckpoint("There is no such checkpoint.")
    return number


def _details(each: Checkpoint, record: Record) -> schema.CheckpointDetails:
    return schema.CheckpointDetails(
        checkpoint=each.number,
        kind=each.kind,
        created_at=each.at,
        parent=each.parent or None,
        is_current=each.number == record.current,
        description=each.description,
        project_path=each.top,
        commit=each.commit,
        files=each.files,
        size=each.size,
        files_changed=each.changed,
        left_out=each.left_out,
        prompt_id=each.prompt_id,
        prompt=each.prompt,
        tool=each.tool,
        model=each.model,
        input_tokens=each.input_tokens,
        output_tokens=each.output_tokens,
        is_late=each.late,
    )


def _diff(files: views.Files, digest: str) -> schema.CheckpointDiff:
    return schema.CheckpointDiff(
        files=[
            schema.ChangedFile.model_validate(
                {
                    "path": row.path,
                    "change": row.act,
                    "added": row.added,
                    "removed": row.removed,
                    "changed_outside": row.is_outside,
                }
            )
            for row in files.rows
        ],
        count=files.count,
        kept=[schema.KeptFile(path=path, reason=why) for path, why in files.kept],
        digest=digest,
    )


def _restored(done: Restored) -> schema.RestoredCheckpoint:
    kept = [
        schema.KeptFile(path=views.text(os.fsencode(path)), reason=words.KEPT[Kept(why)])
        for path, why in done.kept.items()
    ]
    return schema.RestoredCheckpoint(undo=done.undo, changed=done.changed, kept=kept)
