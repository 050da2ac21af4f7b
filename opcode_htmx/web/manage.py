"""What a person does with a whole session: name it, take it along, search it, delete it.

Forms and links that work without JavaScript; nothing here needs a running process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from flask import (
    Blueprint,
    Response,
    abort,
    redirect,
    render_template,
    request,
    send_file,
    stream_template,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from ..claude import titles
from ..runs.trash import Trash
from ..view import places, search, source
from ..view.blocks import Block, PromptBlock
from ..view.export import WholeBlocks, style_address
from ..view.fragments import dom_id
from ..view.marks import Marks
from ..view.screens import Screen, Screens
from .forms import BadForm, session_url
from .pages import SessionLookup, title_of

HITS = 200
STYLES = ("style.css", "session.css")
NOTHING_NOTED = "Claude has noted nothing of this session yet. Try again in a moment."

_ELEMENT = re.compile(r"b-[A-Za-z0-9_-]{1,80}")


class NoHistory(Exception):
    """There is no history file yet, and without it this cannot be done."""


def blueprint(
    lookup: SessionLookup, screens: Screens, marks: Marks, trash: Trash, static: Path
) -> Blueprint:
    manage = Blueprint(
        "manage", __name__, url_prefix="/projects/<project_id>/sessions/<session_id>"
    )

    def opened(project_id: str, session_id: str) -> tuple[Screen, list[Block]]:
        screen = lookup.screen(project_id, session_id)
        screen.conversation.refresh()
        return screen, list(screen.conversation.blocks())

    def title(project_id: str, session_id: str, blocks: list[Block]) -> str:
        return lookup.title(project_id, session_id) or title_of(blocks)

    def history_file(project_id: str, session_id: str) -> Path:
        path = lookup.history_file(project_id, session_id)
        if path is None:
            raise NoHistory(NOTHING_NOTED)
        return path

    # --- names ------------------------------------------------------------------------------

    @manage.post("/rename")
    def rename(project_id: str, session_id: str) -> BaseResponse:
        name = " ".join(request.form.get("title", "").split())
        if not name:
            raise BadForm("Write a name first.")
        if len(name) > titles.LONGEST:
            raise BadForm(f"The name is longer than {titles.LONGEST} characters.")
        titles.give(history_file(project_id, session_id), session_id, name)
        return redirect(session_url(Path(lookup.folder(project_id, session_id)), session_id), 303)

    # --- taking along -----------------------------------------------------------------------

    @manage.get("/export.md")
    def export_markdown(project_id: str, session_id: str) -> Response:
        screen, blocks = opened(project_id, session_id)
        name = title(project_id, session_id, blocks)
        return _download(source.document(name, screen.folder, blocks), "text/markdown", name, "md")

    @manage.get("/export.html")
    def export_html(project_id: str, session_id: str) -> Response:
        screen, blocks = opened(project_id, session_id)
        name = title(project_id, session_id, blocks)
        pieces = stream_template(
            "export.html",
            title=name,
            folder=screen.folder,
            blocks=blocks,
            render=WholeBlocks(screens.environment, screen.folder).block,
            style=style_address(static / each for each in STYLES),
        )
        return _download(pieces, "text/html", name, "html")

    @manage.get("/export.jsonl")
    def export_jsonl(project_id: str, session_id: str) -> Response:
        path = history_file(project_id, session_id)
        name = lookup.title(project_id, session_id) or session_id
        return send_file(
            path,
            mimetype="application/x-ndjson",
            as_attachment=True,
            download_name=_file_name(name, "jsonl"),
            max_age=0,
        )

    @manage.get("/blocks/<block_id>/share")
    def share(project_id: str, session_id: str, block_id: str) -> str:
        """A block's link and its text, in fields to copy from."""
        screen, blocks = opened(project_id, session_id)
        block = screen.conversation.block(block_id) or abort(404)
        top = top_of(blocks, block)
        own, whole = source.source(block).strip(), source.answer(blocks, top.id)
        address = url_for("pages.session", project_id=project_id, session_id=session_id)
        return render_template(
            "share.html",
            title=title(project_id, session_id, blocks),
            address=address,
            link=f"{request.host_url.rstrip('/')}{place_of(address, block, top)}",
            place=place_of(address, block, top),
            block=block,
            own=own,
            answer=whole if whole != own else "",
            fork=top.id if places.can_fork(top) else "",
            fork_in_front=isinstance(top, PromptBlock),
        )

    @manage.get("/blocks/<block_id>/source")
    def block_source(project_id: str, session_id: str, block_id: str) -> Response:
        screen, _ = opened(project_id, session_id)
        block = screen.conversation.block(block_id) or abort(404)
        return Response(source.source(block), mimetype="text/plain")

    # --- finding ----------------------------------------------------------------------------

    @manage.get("/search")
    def find(project_id: str, session_id: str) -> str:
        query = request.args.get("q", "").strip()
        _, blocks = opened(project_id, session_id)
        hits = list(islice(search.find(reversed(blocks), query), HITS + 1))
        address = url_for("pages.session", project_id=project_id, session_id=session_id)
        return render_template(
            "search.html",
            title=title(project_id, session_id, blocks),
            address=address,
            query=query,
            hits=[(hit, place_of(address, hit.block, hit.top)) for hit in hits[:HITS]],
            more=len(hits) > HITS,
        )

    @manage.post("/seen")
    def seen(project_id: str, session_id: str) -> BaseResponse:
        """The person looks at the session; `block` is the newest element that they have read."""
        folder = Path(lookup.folder(project_id, session_id))
        block = request.form.get("block", "")
        marks.look(session_id, block if _ELEMENT.fullmatch(block) else "")
        if "quiet" in request.form:
            return Response(status=204)
        return redirect(session_url(folder, session_id), 303)

    # --- deleting ---------------------------------------------------------------------------

    @manage.post("/delete")
    def delete(project_id: str, session_id: str) -> BaseResponse:
        path = lookup.history_file(project_id, session_id)
        _, blocks = opened(project_id, session_id)
        deleted = trash.put(session_id, project_id, title(project_id, session_id, blocks), path)
        screens.forget(session_id)
        if path is None or not path.parent.is_dir():
            return redirect(url_for("browse.projects", deleted=deleted.id), 303)
        return redirect(url_for("browse.project", project_id=project_id, deleted=deleted.id), 303)

    return manage


def trash_blueprint(screens: Screens, trash: Trash) -> Blueprint:
    pages = Blueprint("trash", __name__)

    @pages.post("/trash/<trash_id>/restore")
    def restore(trash_id: str) -> BaseResponse:
        deleted = trash.restore(trash_id)
        screens.forget(deleted.session_id)
        address = url_for(
            "pages.session", project_id=deleted.project_id, session_id=deleted.session_id
        )
        return redirect(f"{address}#end", 303)

    return pages


def place_of(address: str, block: Block, top: Block) -> str:
    """The address of a block on the page of its session."""
    return f"{address}?from={quote(top.id, safe='')}#{dom_id(block.id)}"


def top_of(blocks: list[Block], block: Block) -> Block:
    """The block of the top level that `block` stands in."""

    def holds(each: Block) -> bool:
        return each is block or any(map(holds, each.children))

    return next((each for each in blocks if holds(each)), block)


def _download(pieces: Iterator[str], mimetype: str, name: str, ending: str) -> Response:
    response = Response(pieces, mimetype=mimetype)
    response.headers.set("Content-Disposition", "attachment", filename=_file_name(name, ending))
    return response


def _file_name(title: str, ending: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-")[:60] or "session"
    return f"{plain}.{ending}"
