"""The page of a session with its transcript, older blocks, and the whole text of a block."""

from __future__ import annotations

import time
import uuid

from flask import (
    Blueprint,
    Response,
    abort,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.features.session_page import found, selection
from opcode_htmx.features.session_page.selection import Selection
from opcode_htmx.features.session_page.snapshots import panel_digest
from opcode_htmx.lib.surrogates import encoded
from opcode_htmx.markup.addresses import loopback
from opcode_htmx.markup.visible_text import visible_text
from opcode_htmx.rendering.element_ids import dom_id
from opcode_htmx.rendering.tool_cards import full_text
from opcode_htmx.runs.capabilities.cache import CapabilityCache
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.policies.viewer_presence import ViewerPresence
from opcode_htmx.sessions.lookup import SessionLookup
from opcode_htmx.sessions.storage.drafts import MAX_FILE
from opcode_htmx.sessions.storage.read_positions import ReadPositions
from opcode_htmx.sessions.submit import NO_PROMPT
from opcode_htmx.sessions.views import SessionView
from opcode_htmx.sessions.workspace import Workspace
from opcode_htmx.transcript.blocks import (
    AskBlock,
    Block,
    NoticeBlock,
    PromptBlock,
    RawBlock,
    ShellBlock,
    ToolBlock,
)
from opcode_htmx.transcript.content.other_content import all_as_text
from opcode_htmx.transcript.conversation.cursor import Cursor
from opcode_htmx.transcript.conversation.folded_parts import WholeNeeded
from opcode_htmx.web.http.forms import previews_of
from opcode_htmx.web.http.way_back import WayBack, remember, way_back
from opcode_htmx.web.origin import hosts

HAS_FULL_TEXT = AskBlock | NoticeBlock | PromptBlock | RawBlock | ShellBlock | ToolBlock
"""The blocks whose texts a page may truncate."""


def blueprint(
    workspace: Workspace,
    lookup: SessionLookup,
    read_positions: ReadPositions,
    viewers: ViewerPresence,
    capabilities: CapabilityCache,
) -> Blueprint:
    pages = Blueprint("session_page", __name__)

    def host() -> str:
        return hosts.host_name(request.host) or ""

    @pages.get("/projects/<project_id>/sessions/<session_id>")
    def session(project_id: str, session_id: str) -> BaseResponse:
        if "file" in request.args:
            return _file_page(project_id, session_id)
        changed = lookup.view(project_id, session_id).conversation.changed
        viewers.seen(session_id)
        view = lookup.read(project_id, session_id)
        run = view.conversation.run
        if run is None:
            capabilities.want(changed.notify)
        from_id, element = request.args.get("from"), read_positions.of(session_id).block
        try:
            cursor, selected = _newest(view, from_id, element)
        except (WholeNeeded, OSError):
            view = lookup.read(project_id, session_id, whole=True)
            cursor, selected = _newest(view, from_id, element)
        view.learn()
        read_positions.look(session_id)
        shown, last_read = selected.window, selected.last_read
        view.fragments.render(shown.blocks)
        view.look_around()
        came_from, project_page = way_back(), _project_page(lookup, project_id, session_id)
        status_panel = view.status_panel()
        page = render_template(
            "session_page/session.html",
            title=lookup.title_or_prompt(project_id, session_id, view),
            attention_count=view.needs().shown,
            last_read=last_read,
            unread=selected.unread,
            shown_ids={block.id for block in shown.blocks},
            now=time.time(),
            project_id=project_id,
            session_id=session_id,
            folder=view.folder,
            way_back=came_from or project_page,
            window=shown,
            render=found.renderer(view.fragments, shown.blocks, request.args, _whole_text),
            dom_id=dom_id,
            status_panel=status_panel,
            is_stopping=run is not None and run.phase is Phase.STOPPING,
            is_at_work=run is not None
            and run.phase in (Phase.QUEUED, Phase.STARTING, Phase.WORKING),
            place=lookup.place(session_id),
            panel=panel_digest(status_panel),
            cursor=cursor,
            all_sessions=project_page[0],
            prompt_id=uuid.uuid4(),
            no_prompt=NO_PROMPT,
            draft=view.draft,
            most_per_file=MAX_FILE,
            suggestions=workspace.suggestions,
        )
        selection.prepare(view, shown, selection.PAGE_PREPARED_AFTER)
        response = make_response(loopback.for_host(page, host(), previews_of(view.address)))
        remember(response, came_from)
        return response

    @pages.get("/projects/<project_id>/sessions/<session_id>/earlier")
    def older_blocks(project_id: str, session_id: str) -> str:
        """The blocks before one, which the page inserts when a reader scrolls near them."""
        view, block_id = lookup.read(project_id, session_id), request.args.get("before", "")
        try:
            shown = selection.before(view.conversation, block_id)
        except (WholeNeeded, OSError):
            view = lookup.read(project_id, session_id, whole=True)
            shown = selection.before(view.conversation, block_id)
        if shown is None:
            abort(404)
        view.fragments.render(shown.blocks)
        selection.prepare(view, shown)
        address = url_for(".session", project_id=project_id, session_id=session_id)
        older = render_template(
            "session_page/older_blocks.html",
            window=shown,
            render=view.fragments.block,
            dom_id=dom_id,
            address=address,
            last_read=request.args.get("mark", ""),
        )
        return loopback.for_host(older, host(), previews_of(address))

    @pages.get("/projects/<project_id>/sessions/<session_id>/blocks/<block_id>", endpoint="block")
    def block_text(project_id: str, session_id: str, block_id: str) -> Response:
        """The full text of a block that the page truncates."""
        view = lookup.read_with(project_id, session_id, block_id)
        block = view.conversation.block(block_id)
        if not isinstance(block, HAS_FULL_TEXT):
            abort(404)
        text = _whole_text(block)
        if not isinstance(block, PromptBlock):
            text = visible_text(text, lines=True, blanks=isinstance(block, AskBlock))
        return Response(encoded(text), mimetype="text/plain")

    return pages


def _file_page(project_id: str, session_id: str) -> BaseResponse:
    """Lead on to a file that a text of the session names; see markup/addresses/places.py."""
    path = request.args["file"]
    return redirect(
        url_for("files.open_named", project_id=project_id, session=session_id, path=path), 303
    )


def _whole_text(block: Block) -> str:
    """The text of a block that a page may truncate; empty for others."""
    match block:
        case RawBlock():
            return block.text
        case NoticeBlock():
            return block.detail
        case PromptBlock():
            return "\n\n".join(filter(None, (block.text, all_as_text(block.attached))))
        case AskBlock() | ShellBlock() | ToolBlock():
            return full_text(block)
        case _:
            return ""


def _newest(view: SessionView, from_id: str | None, element: str) -> tuple[Cursor, Selection]:
    """What the page shows, and the cursor before it: later changes reach it over its socket."""
    cursor = view.conversation.cursor
    return cursor, selection.newest(view.conversation, from_id, element)


def _project_page(lookup: SessionLookup, project_id: str, session_id: str) -> WayBack:
    """The page that lists the session.

    Raises the errors of `at`.
    """
    listed = lookup.locations.project_id(lookup.at(project_id, session_id))
    if not listed:
        return WayBack(url_for("home.page"), "Home")
    return WayBack(url_for("projects.project", project_id=listed), "All sessions of this project")
