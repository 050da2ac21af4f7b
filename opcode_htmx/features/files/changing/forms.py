"""The forms that change the files of a project."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from opcode_htmx.features.files.changing import edits
from opcode_htmx.features.files.changing.trash import FileTrash
from opcode_htmx.features.files.changing.uploads import KEEP_BOTH, REPLACE, SKIP, Uploads
from opcode_htmx.features.files.pages import common
from opcode_htmx.features.files.places import ProjectPlaces, folder_address, view_address
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.files.disk_space import DiskFull
from opcode_htmx.lib.tree import writing
from opcode_htmx.lib.tree.names import Names, names_of, new_name, text_of
from opcode_htmx.sessions.storage.uploads import MAX_REQUEST
from opcode_htmx.web.auth.gate import current_identity
from opcode_htmx.web.http.forms import typed
from opcode_htmx.web.http.request_body import accepts_up_to

_STATUS: dict[type[Exception], int] = {**edits.REFUSALS, DiskFull: 507}
"""What an edit may be refused with: its page keeps the text."""


def blueprint(places: ProjectPlaces, trash: FileTrash, uploads: Uploads) -> Blueprint:
    pages = Blueprint("file_changes", __name__)

    @pages.get("/projects/<project_id>/files/edit")
    def edit(project_id: str) -> str:
        names = names_of(request.args.get("path", ""))
        with places.opened(project_id) as tree:
            return _edit_page(project_id, names, edits.read(tree, names))

    @pages.post("/projects/<project_id>/files/edit")
    def save(project_id: str) -> Response:
        """Save a text; where that is refused the page has it, and the file as it is now."""
        names = _path("path")
        edited, digest = typed(request.form.get("text", "")), request.form.get("digest", "")
        with places.opened(project_id) as tree:
            try:
                saved = edits.save(tree, names, edited, digest)
            except tuple(_STATUS) as error:
                return _refused(project_id, names, edited, digest, error)
        _log("file.save", project_id, names)
        address = view_address(project_id, names, source="1", saved=saved.digest[:8])
        return redirect(address, 303)

    @pages.post("/projects/<project_id>/files/new")
    def new(project_id: str) -> Response:
        """Make an empty file, which is then edited, or a folder."""
        names = (*_path("in"), new_name(request.form.get("name", "")))
        is_folder = request.form.get("kind") == "folder"
        with places.opened(project_id) as tree:
            if is_folder:
                writing.make_folder(tree, names)
            else:
                writing.create(tree, names, b"")
        _log("folder.make" if is_folder else "file.make", project_id, names)
        if is_folder:
            return redirect(folder_address(project_id, names), 303)
        return redirect(url_for(".edit", project_id=project_id, path=text_of(names)), 303)

    @pages.post("/projects/<project_id>/files/upload")
    @accepts_up_to(MAX_REQUEST)
    def upload(project_id: str) -> Response:
        """Put files into a folder; a page asks about those whose names are taken."""
        into, given = _path("in"), request.files.getlist("files")
        with places.opened(project_id) as tree:
            added, undecided = uploads.add(tree, into, given)
        for name in added:
            _log("file.upload", project_id, (*into, name))
        if undecided:
            address = url_for(".undecided", project_id=project_id, upload_id=undecided.id)
            return redirect(address, 303)
        return redirect(folder_address(project_id, into), 303)

    @pages.get("/projects/<project_id>/files/uploads/<upload_id>")
    def undecided(project_id: str, upload_id: str) -> str:
        """The uploaded files whose names are taken."""
        with places.opened(project_id) as tree:
            found = uploads.find(tree.path, upload_id)
        return render_template(
            "files/undecided.html", **common(project_id, names_of(found.path)), found=found
        )

    @pages.post("/projects/<project_id>/files/uploads/<upload_id>")
    def decide(project_id: str, upload_id: str) -> Response:
        every = request.form.get("every", "")
        with places.opened(project_id) as tree:
            found = uploads.find(tree.path, upload_id)
            choices = {
                number: _choice(every or request.form.get(f"choice-{number}", ""))
                for number in range(len(found.files))
            }
            names = uploads.decide(tree, upload_id, choices)
        into = names_of(found.path)
        for name in names:
            _log("file.upload", project_id, (*into, name))
        return redirect(folder_address(project_id, into), 303)

    @pages.post("/projects/<project_id>/files/move")
    def move(project_id: str) -> Response:
        """Rename something, or move it to another folder of the project."""
        names, target = _path("path"), _path("to")
        new_name(target[-1] if target else "")
        with places.opened(project_id) as tree:
            writing.move(tree, names, target)
        _log("file.move", project_id, names, to=text_of(target))
        return redirect(view_address(project_id, target), 303)

    @pages.post("/projects/<project_id>/files/delete")
    def delete(project_id: str) -> Response:
        """Delete something; for some days it can be put back."""
        names = _path("path")
        with places.opened(project_id) as tree:
            deleted = trash.put(tree, names)
        _log("file.delete", project_id, names)
        return redirect(folder_address(project_id, names[:-1], deleted=deleted.id), 303)

    @pages.get("/projects/<project_id>/files/deleted")
    def deleted(project_id: str) -> str:
        """What has been deleted or replaced in the project, and is still kept."""
        with places.opened(project_id) as tree:
            found = trash.of(tree.path)
        return render_template("files/deleted.html", **common(project_id, ()), found=found)

    @pages.post("/projects/<project_id>/files/deleted/<deleted_id>")
    def restore(project_id: str, deleted_id: str) -> Response:
        with places.opened(project_id) as tree:
            names = trash.restore(tree, deleted_id)
        _log("file.restore", project_id, names)
        return redirect(folder_address(project_id, names[:-1]), 303)

    return pages


def _refused(project_id: str, names: Names, edited: str, digest: str, error: Exception) -> Response:
    current = error.current if isinstance(error, edits.FileChanged) else None
    is_gone = isinstance(error, edits.FileChanged) and current is None
    based_on = current.digest if current else edits.NO_FILE if is_gone else digest
    given = edits.EditedFile(edited, based_on, "", "")
    page = _edit_page(project_id, names, given, error=error, current=current, is_gone=is_gone)
    return make_response(page, _STATUS[type(error)])


def _edit_page(
    project_id: str,
    names: Names,
    file: edits.EditedFile,
    *,
    error: Exception | None = None,
    current: edits.EditedFile | None = None,
    is_gone: bool = False,
) -> str:
    return render_template(
        "files/edit.html",
        **common(project_id, names),
        file=file,
        error=str(error or ""),
        current=current,
        is_gone=is_gone,
    )


def _path(field: str) -> Names:
    return names_of(request.form.get(field, ""))


def _choice(text: str) -> str:
    return text if text in (REPLACE, KEEP_BOTH) else SKIP


def _log(action: str, project_id: str, names: Names, **more: str) -> None:
    log_act(current_identity(), action, project=project_id, path=text_of(names), **more)
