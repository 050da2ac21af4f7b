"""/api/projects/{project_id}/changes: the changed files, and the diff of one of them."""

from __future__ import annotations

from collections.abc import Iterable

from opcode_htmx.features.changes import rows, schema
from opcode_htmx.features.changes.listings import Listings, Seen
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.git.changes.model import Change
from opcode_htmx.lib.git.diffs import FileDiff
from opcode_htmx.lib.surrogates import replaced
from opcode_htmx.web.rest.endpoint import Endpoint
from opcode_htmx.web.rest.invalid_request import InvalidRequest

TAG = "Changes"
MOST_LINES = 5000
REFUSALS = {
    404: "There is no such project, session or change.",
    409: "There is nothing to compare with, as outside of a repository, or git cannot read it.",
    422: "The folder may not be worked in.",
}


def endpoints(listings: Listings) -> Iterable[Endpoint]:
    def listed(project_id: str, query: schema.ChangesQuery) -> schema.ChangedFiles:
        seen = _seen(project_id, query)
        shown = rows.part(seen.place.top, seen.ordered, query.first)
        return schema.ChangedFiles(
            base=seen.choice.base,
            commit=seen.choice.commit or seen.listing.head,
            branch=seen.listing.branch,
            note=seen.choice.note,
            total=len(seen.ordered),
            is_cut=seen.listing.is_cut,
            files=[_file(seen, row.change) for row in shown],
        )

    def diff(project_id: str, query: schema.DiffQuery) -> schema.ChangedFileDiff:
        seen = _seen(project_id, query)
        change = _named(seen, query)
        found = seen.diff(change, ignores_space=query.ignore_space)
        hunks, is_cut = run_cpu_in_thread(_hunks, found)
        return schema.ChangedFileDiff(file=_file(seen, change), hunks=hunks, is_cut=is_cut)

    def _seen(project_id: str, query: schema.ChangesQuery) -> Seen:
        return listings.now(project_id, query.session_id, query.base)

    yield Endpoint(
        method="GET",
        path="/api/projects/{project_id}/changes",
        tag=TAG,
        summary="The changed files of a project",
        handler=listed,
        query=schema.ChangesQuery,
        response=schema.ChangedFiles,
        refusals=REFUSALS,
    )
    yield Endpoint(
        method="GET",
        path="/api/projects/{project_id}/changes/diff",
        tag=TAG,
        summary="The diff of one changed file",
        handler=diff,
        query=schema.DiffQuery,
        response=schema.ChangedFileDiff,
        refusals=REFUSALS,
    )


def _named(seen: Seen, query: schema.DiffQuery) -> Change:
    """Raises InvalidRequest."""
    if query.id:
        for each in seen.ordered:
            if rows.id_of(each) == query.id:
                return each
    elif query.path and (found := seen.change(query.path.encode(), query.side)):
        return found
    raise InvalidRequest("Name a change by the id or the path that the list has for it.")


def _file(seen: Seen, change: Change) -> schema.ChangedFile:
    row = rows.row_of(seen.place.top, change)
    return schema.ChangedFile(
        id=row.id,
        path=replaced(row.path),
        old_path=replaced(row.old_path),
        status=change.status,
        side=change.side,
        added=change.added,
        removed=change.removed,
        is_binary=change.is_binary,
        is_submodule=change.is_submodule,
    )


def _hunks(diff: FileDiff) -> tuple[list[schema.DiffHunk], bool]:
    found, left = list[schema.DiffHunk](), MOST_LINES
    for hunk in diff.hunks:
        lines = [
            schema.DiffLine(
                kind=line.kind,
                text=line.raw[1:].decode("utf-8", "replace"),
                old=line.old,
                new=line.new,
            )
            for line in hunk.part(0, left)
        ]
        found.append(
            schema.DiffHunk(
                id=hunk.id,
                old_start=hunk.old_start,
                old_count=hunk.old_count,
                new_start=hunk.new_start,
                new_count=hunk.new_count,
                lines=lines,
            )
        )
        left -= hunk.length
        if left < 0:
            return found, True
    return found, diff.is_cut
