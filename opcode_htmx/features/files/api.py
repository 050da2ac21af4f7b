"""/api/projects/{project_id}/files: the folders and files of a project."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import cast

from flask import Response

from opcode_htmx.features.files import serving
from opcode_htmx.features.files.browse import Row, folder_view
from opcode_htmx.features.files.changing import edits
from opcode_htmx.features.files.places import ProjectPlaces
from opcode_htmx.features.files.schema import (
    DownloadQuery,
    FileContent,
    FileQuery,
    ListedFile,
    NewContent,
    ProjectFolder,
    ProjectFolderQuery,
)
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.tree.listing import kind_of
from opcode_htmx.lib.tree.names import Names, names_of, text_of
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.rest import envelope
from opcode_htmx.web.rest.endpoint import Endpoint

TAG = "Files"
PATH = "/api/projects/{project_id}/files"
_REFUSALS = {
    403: "The files of this project are not shown: its folder is unknown, or out of the roots.",
    404: "There is no such project, file or folder.",
    409: "The id stands for several projects.",
    413: "It is too large.",
}


def endpoints(places: ProjectPlaces, environment: Mapping[str, str]) -> Iterable[Endpoint]:
    """GET files, GET and PUT files/content, GET files/download."""

    def files(project_id: str, query: ProjectFolderQuery) -> ProjectFolder:
        with places.opened(project_id) as tree:
            names = tree.real(names_of(query.path))
            view = folder_view(tree, names, environment, everything=query.all, page=query.page)
        return ProjectFolder(
            path=text_of(names),
            files=[_listed(each) for each in view.rows],
            found=view.found,
            left_out=view.left_out,
            page=view.page,
            pages=view.pages,
        )

    def content(project_id: str, query: FileQuery) -> FileContent:
        with places.opened(project_id) as tree:
            names = tree.real(names_of(query.path))
            return _content(names, edits.read(tree, names))

    def save(project_id: str, body: NewContent) -> FileContent | Response:
        names = names_of(body.path)
        with places.opened(project_id) as tree:
            try:
                saved = edits.save(tree, names, body.text, body.digest)
            except edits.FileChanged as error:
                current = error.current
                return envelope.conflict(
                    str(error),
                    body.text,
                    current.text if current else "",
                    current.digest if current else "",
                )
        log_act(current_identity(), "file.save", project=project_id, path=text_of(names))
        return _content(names, saved)

    def download(project_id: str, query: DownloadQuery) -> Response:
        with contextlib.ExitStack() as stack:
            tree = stack.enter_context(places.opened(project_id))
            names = tree.real(names_of(query.path))
            if kind_of(tree.status(names).st_mode) == "folder":
                zipped = serving.zipped(tree, names, environment, everything=query.all)
                return serving.keep_open(zipped, stack)
            file = stack.enter_context(tree.open(names))
            return serving.keep_open(serving.saved(file, names[-1]), stack)

    yield Endpoint(
        method="GET",
        path=PATH,
        tag=TAG,
        summary="The entries of a folder of a project",
        handler=files,
        query=ProjectFolderQuery,
        response=ProjectFolder,
        refusals=_REFUSALS,
    )
    yield Endpoint(
        method="GET",
        path=f"{PATH}/content",
        tag=TAG,
        summary="The text of a file",
        handler=content,
        query=FileQuery,
        response=FileContent,
        refusals=_REFUSALS,
    )
    yield Endpoint(
        method="PUT",
        path=f"{PATH}/content",
        tag=TAG,
        summary="Replace the text of a file, if nobody else has changed it",
        handler=save,
        body=NewContent,
        response=FileContent,
        refusals={**_REFUSALS, 409: "It has changed; both texts are in the answer."},
    )
    yield Endpoint(
        method="GET",
        path=f"{PATH}/download",
        tag=TAG,
        summary="A file as it is, or a folder as a zip file",
        handler=download,
        query=DownloadQuery,
        refusals=_REFUSALS,
        media=("application/octet-stream", "application/zip"),
    )


def _listed(row: Row) -> ListedFile:
    return ListedFile(
        name=row.name,
        path=row.path,
        kind=cast("ListedFile", row).kind,
        size=row.size,
        changed_at=row.changed_at,
        link_to=row.target,
        status=row.mark,
        ignored=row.is_ignored,
    )


def _content(names: Names, file: edits.EditedFile) -> FileContent:
    return FileContent(
        path=text_of(names),
        text=file.text,
        digest=file.digest,
        encoding=file.encoding,
        line_ends=file.line_ends,
    )
