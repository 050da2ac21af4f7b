"""The pages of the folders and files of a project, and the files themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from flask import (
    Blueprint,
    Response,
    make_response,
    redirect,
    render_template,
    request,
    stream_template,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.identifiers import SESSION_ID
from opcode_htmx.features.files import serving
from opcode_htmx.features.files.browse import folder_view
from opcode_htmx.features.files.changing.edits import MOST_EDITED
from opcode_htmx.features.files.changing.trash import FileTrash
from opcode_htmx.features.files.documents.renderer import PART_PAGES
from opcode_htmx.features.files.look import look
from opcode_htmx.features.files.opening import NamedFiles, split
from opcode_htmx.features.files.places import (
    ProjectPlaces,
    folder_address,
    view_address,
)
from opcode_htmx.features.files.shown.lines import PART_LINES
from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.tree.listing import Entry, entries_of, kind_of
from opcode_htmx.lib.tree.names import Names, names_of, text_of
from opcode_htmx.lib.tree.search import ProjectFiles
from opcode_htmx.lib.tree.tree import Tree, explained
from opcode_htmx.web.http.forms import whole_number
from opcode_htmx.web.http.headers import content_security_policy

MOST_FOUND = 50
MOST_SIMILAR = 10
QUERY_CHARACTERS = 200


def blueprint(
    places: ProjectPlaces,
    search: ProjectFiles,
    named: NamedFiles,
    environment: Mapping[str, str],
    trash: FileTrash,
) -> Blueprint:
    pages = Blueprint("files", __name__)

    @pages.get("/projects/<project_id>/files")
    def folder(project_id: str) -> str | BaseResponse:
        """A folder of the project, or what is found by name in all of it."""
        query = request.args.get("q", "")[:QUERY_CHARACTERS]
        with places.opened(project_id) as tree:
            names = tree.real(_names())
            if query:
                found = search.matching(tree.path, query, MOST_FOUND)
                return render_template(
                    "files/found.html", **common(project_id, names), query=query, found=found
                )
            if kind_of(tree.status(names).st_mode) != "folder":
                return redirect(view_address(project_id, names), 303)
            everything = bool(request.args.get("all"))
            page = number("page") or 1
            view = folder_view(tree, names, environment, everything=everything, page=page)
        return rendered(
            "files/folder.html",
            **common(project_id, names),
            view=view,
            everything=everything,
            root=tree.path,
            deleted=trash.find(request.args.get("deleted", "")),
        )

    @pages.get("/projects/<project_id>/files/view")
    def view(project_id: str) -> str | BaseResponse:
        """A file: a part of its lines, or as what it is."""
        line, end = number("line") or 1, number("end")
        with places.opened(project_id) as tree:
            names = _names()
            if closed := _closed(tree, names):
                return render_template(
                    "files/closed.html", **common(project_id, names), entry=closed
                )
            names = tree.real(names)
            if kind_of(tree.status(names).st_mode) == "folder":
                return redirect(folder_address(project_id, names), 303)
            with tree.open(names) as file, explained(names):
                source = bool(request.args.get("source") or request.args.get("line"))
                at_page = number("page") or 1
                shown = look(project_id, names, file, source=source, line=line, page=at_page)
        marked = range(line, max(line, end or line) + 1) if request.args.get("line") else range(0)
        page = rendered(
            "files/view.html",
            **common(project_id, names),
            view=shown,
            is_source=source,
            marked=marked,
            part_lines=PART_LINES,
            part_pages=PART_PAGES,
            most_edited=MOST_EDITED,
            session_id=_session_id(),
            was_saved=bool(request.args.get("saved")),
        )
        response = Response(page)
        if shown.is_raw:
            policy = f"{content_security_policy()}; media-src 'self'"
            response.headers["Content-Security-Policy"] = policy
        return response

    @pages.get("/projects/<project_id>/files/raw")
    def raw(project_id: str) -> Response:
        """The file itself, for a page or a tab of its own. It can do nothing in our name."""
        with contextlib.ExitStack() as stack:
            tree = stack.enter_context(places.opened(project_id))
            names = tree.real(_names())
            file = stack.enter_context(tree.open(names))
            return serving.keep_open(serving.shown(file, names[-1]), stack)

    @pages.get("/projects/<project_id>/files/pdf-page")
    def pdf_page(project_id: str) -> Response:
        """A page of a PDF document as an image."""
        with places.opened(project_id) as tree, tree.open(tree.real(_names())) as file:
            page = whole_number(request.args.get("page", "1"))
            return serving.pdf_page(file, page, large=bool(request.args.get("large")))

    @pages.get("/projects/<project_id>/files/download")
    def download(project_id: str) -> Response:
        """A file, or a folder as a zip file, for saving."""
        with contextlib.ExitStack() as stack:
            tree = stack.enter_context(places.opened(project_id))
            names = tree.real(_names())
            if kind_of(tree.status(names).st_mode) == "folder":
                everything = bool(request.args.get("all"))
                response = serving.zipped(tree, names, environment, everything=everything)
                return serving.keep_open(response, stack)
            file = stack.enter_context(tree.open(names))
            return serving.keep_open(serving.saved(file, names[-1]), stack)

    @pages.get("/projects/<project_id>/files/open")
    def open_named(project_id: str) -> BaseResponse:
        """Lead on to a file that a text names; say so if there is none."""
        path = request.args.get("path", "")
        found = named.find(project_id, request.args.get("session", ""), path)
        if found is not None:
            query = {"session": session_id} if (session_id := _session_id()) else {}
            if found.end:
                query["end"] = str(found.end)
            return redirect(
                view_address(found.project_id, found.names, found.line or None, **query), 303
            )
        return make_response(_not_found(project_id, path), 404)

    def _not_found(project_id: str, path: str) -> str:
        """The page that says so, with files of the same name elsewhere in the project."""
        name = split(path)[0].rstrip("/").rpartition("/")[2][:QUERY_CHARACTERS]
        with places.opened(project_id) as tree:
            similar = search.matching(tree.path, name, MOST_SIMILAR) if name else []
        return render_template(
            "files/found.html",
            **common(project_id, ()),
            query=name,
            found=[each for each in similar if each.rpartition("/")[2].lower() == name.lower()],
            missing=path[:QUERY_CHARACTERS],
            session_id=_session_id(),
        )

    return pages


def _closed(tree: Tree, names: Names) -> Entry | None:
    """An entry that can be renamed or deleted, and not opened: a device, a link to the outside."""
    if not names:
        return None
    entries = entries_of(tree, tree.real(names[:-1]), names[-1:])
    return next((each for each in entries if each.kind in ("link", "special")), None)


def rendered(template: str, **context: object) -> str:
    """A page with hundreds of rows or lines; other greenlets run while it is made."""
    return "".join(yielding(stream_template(template, **context)))


def _names() -> Names:
    return names_of(request.args.get("path", ""))


def _session_id() -> str:
    """The session to which the pages lead back; empty for none."""
    given = request.args.get("session", "")
    return given if SESSION_ID.fullmatch(given) else ""


def number(name: str) -> int | None:
    """A whole number among the parameters; None if there is none."""
    return whole_number(request.args.get(name, ""))


def common(project_id: str, names: Names) -> dict[str, object]:
    """What the templates of all pages use."""
    return {
        "project_id": project_id,
        "names": names,
        "path": text_of(names),
        "crumbs": [
            (name, folder_address(project_id, names[: at + 1])) for at, name in enumerate(names)
        ],
        "folder_address": lambda path="", **query: url_for(
            "files.folder", project_id=project_id, path=path or None, **query
        ),
        "address": lambda endpoint, path, **query: url_for(
            f"files.{endpoint}", project_id=project_id, path=path, **query
        ),
        "around": text_of(names[:-1]),
    }
