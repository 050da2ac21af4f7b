"""Blocks to HTML: a whole transcript, or the difference that one viewer lacks.

A difference is made of `<hx-upsert>` elements: an element whose id the page has replaces it, any
other is put where its `data-order` says. So a fragment that arrives twice changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from opcode_htmx.engines.messages import ImageContent
from opcode_htmx.lib.cooperative import TimeSlicer, run_cpu_in_thread
from opcode_htmx.markup import ansi, diff
from opcode_htmx.markup.incremental_markdown import render_complete
from opcode_htmx.markup.markdown import preview, with_source
from opcode_htmx.markup.omissions import omits_words
from opcode_htmx.markup.visible_text import ALIGNED_BLANKS, placeholder, visible_text
from opcode_htmx.rendering import (
    clock,
    permission_details,
    permissions,
    tool_cards,
)
from opcode_htmx.rendering.cards.parts import first_line
from opcode_htmx.rendering.questions import questions_of
from opcode_htmx.transcript.blocks import Block, BranchBlock, TextBlock
from opcode_htmx.transcript.content import images, other_content
from opcode_htmx.transcript.content.downloads import File
from opcode_htmx.transcript.content.raw import is_whole, log_failure, raw_text
from opcode_htmx.transcript.content.weight import FEW, is_heavy
from opcode_htmx.transcript.conversation.conversation import Change

_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


def dom_id(block_id: str) -> str:
    """The id of a block's element; ids come from Claude and are not to be trusted."""
    if _SAFE_ID.fullmatch(block_id):
        return f"b-{block_id}"
    return f"b-{sha256(block_id.encode('utf-8', 'replace')).hexdigest()[:24]}"


class Here(NamedTuple):
    """Where a block is rendered."""

    project: str
    """The folder of its session."""
    address: str
    """The URL path of the session's page; empty where there is none."""
    cut: Callable[[str], tool_cards.Cut]
    allow_bypass: bool
    """Whether bypass mode may be offered."""


_here: ContextVar[Here] = ContextVar("here")
"""Of whoever renders just now. The macros are made once for all sessions: there are many of them,
and each knows all others, so that those of a session that nobody needs any more would be found by
the garbage collector only."""


def _image_address(block: Block, number: int, image: ImageContent, media_type: str) -> str:
    """The URL of an image; where there is no server, one that holds it."""
    if page := _here.get().address:
        return f"{page}/blocks/{quote(block.id, safe='')}/images/{number}"
    return f"data:{media_type};base64,{image.data}"


def _file_address(block: Block, number: int, file: File) -> str:
    """The URL of data that can be downloaded; where there is no server, one that holds it."""
    if page := _here.get().address:
        return f"{page}/blocks/{quote(block.id, safe='')}/files/{number}"
    return f"data:application/octet-stream;base64,{file.data}"


@lru_cache(maxsize=4)
def _macros_of(environment: Environment) -> Any:
    return environment.get_template("transcript/blocks.html").make_module(
        {
            "here": _here.get,
            "dom_id": dom_id,
            "markdown": render_complete,
            "preview": preview,
            "asked_markdown": _asked_markdown,
            "asked_preview": _asked_preview,
            "cut": lambda text: _here.get().cut(text),
            "present": lambda name, given, told: tool_cards.present(
                name, given, told, _here.get().project
            ),
            "present_block": lambda block: tool_cards.present_block(block, _here.get().project),
            "terminal": ansi.spans,
            "number_width": diff.number_width,
            "shown_lines": diff.SHOWN_LINES,
            "without_empty_runs": diff.without_empty_runs,
            "gap": placeholder,
            "first_line": first_line,
            "picture": images.shown_image,
            "image_address": _image_address,
            "file_address": _file_address,
            "parts_of": other_content.others,
            "all_parts_of": other_content.parts,
            "moment": clock.moment,
            "machine_time": clock.machine,
            "questions_of": questions_of,
            "suggestions_of": lambda request: permissions.offered(
                request, allow_bypass=_here.get().allow_bypass
            ),
            "is_plan": permissions.is_plan,
            "outside": lambda request: permissions.outside(request, _here.get().project),
            "verdict_of": permissions.verdict,
            "introduction": permission_details.introduction,
            "other_fields": permission_details.other_fields,
            "extent_of": permission_details.extent_of,
            "is_whole": is_whole,
            "dollars": _dollars,
            "duration": _duration,
        }
    )


class Fragments:
    """Renders the blocks of one session."""

    def __init__(
        self,
        environment: Environment,
        project: str,
        address: str,
        cut: Callable[[str], tool_cards.Cut] = tool_cards.cut,
        *,
        allow_bypass: bool = False,
    ) -> None:
        """`project` is the session's folder, `address` the URL path of its page.

        `cut` says how much of a long text is shown, `allow_bypass` whether bypass mode may be
        offered.
        """
        self._macros = _macros_of(environment)
        self._here = Here(project, address, cut, allow_bypass)

    def block(self, block: Block) -> Markup:
        """One block, whole; rendered once for all viewers."""
        state = block.state_number
        if block.html is None or block.html[0] != state:
            html = self._guarded(block)
            # what has changed while a long text was rendered is rendered again when it is asked for
            block.html = (state, html)
        return block.html[1]

    def render(self, blocks: Iterable[Block]) -> None:
        """Render blocks that will be asked for, giving way to others in between."""
        pace = TimeSlicer()
        for _ in self.prepare(Change(block, -1) for block in blocks):
            pace.step()

    def prepare(self, changes: Iterable[Change]) -> Iterator[None]:
        """Render what `changes` will need, a piece at each step, for who must not work for long."""
        for change in changes:
            yield from render_parts(change.block, change.since)
            if not _sent_in_parts(change):
                self.block(change.block)
                yield

    def changes(self, changes: Iterable[Change]) -> Markup:
        """Out-of-band fragments that bring a page up to date; empty if it is."""
        upserts: list[tuple[str, list[tuple[str, str, Markup] | Markup]]] = []
        sent: set[str] = set()
        moved: dict[str, None] = {}
        for change in changes:
            block = change.block
            moved |= dict.fromkeys(map(dom_id, change.moves))
            if block.id in sent:
                continue
            if block.parent in sent:
                sent.add(block.id)  # came with its parent
                continue
            if isinstance(block, TextBlock) and _sent_in_parts(change):
                parts = [
                    (f"{dom_id(block.id)}-{number}", str(number), part.html)
                    for number, part in enumerate(block.markdown.parts)
                    if part.revision > change.since
                ]
                upserts.append((f"{dom_id(block.id)}-parts", list(parts)))
                continue
            sent |= {block.id, *(_ids_inside(block) if isinstance(block, BranchBlock) else ())}
            container = f"{dom_id(block.parent)}-children" if block.parent else "transcript"
            upserts.append((container, [self.block(block)]))
        if sum(len(elements) for _, elements in upserts) > FEW:
            return run_cpu_in_thread(self._call, "upserts", moved, upserts)
        return self._call("upserts", moved, upserts)

    def _guarded(self, block: Block) -> Markup:
        """The HTML of a block; of one that cannot be rendered, its data as they are.

        One block never takes the page, the socket or the export that it stands in.
        """
        try:
            return self._rendered(block)
        except Exception:
            log_failure(block, "rendered")
            return self._call("unrenderable", block, raw_text(block), self.block)

    def _rendered(self, block: Block) -> Markup:
        """A block as it is now. Others have their turn while there is much in it."""
        if is_heavy(block):
            return run_cpu_in_thread(self._call, "block", block, self.block)
        return self._call("block", block, self.block)

    def _call(self, macro: str, *arguments: object) -> Markup:
        token = _here.set(self._here)
        try:
            html: Markup = getattr(self._macros, macro)(*arguments)
            return html
        finally:
            _here.reset(token)


def _ids_inside(block: Block) -> Iterator[str]:
    for child in block.children:
        yield child.id
        yield from _ids_inside(child)


def _sent_in_parts(change: Change) -> bool:
    return isinstance(change.block, TextBlock) and change.block.born <= change.since


def render_parts(block: Block, since: int) -> Iterator[None]:
    """Render the texts of a block, and of those in it, a part at each step."""
    for child in block.children:
        yield from render_parts(child, since)
    for part in block.markdown.parts if isinstance(block, TextBlock) else ():
        if part.revision > since:
            part.html  # noqa: B018 - it is kept
            yield


def _asked_markdown(text: str) -> Markup:
    """Markdown that a person decides about: no character of it is hidden."""
    shown = visible_text(text, lines=True)
    html = render_complete(shown, literal=True)
    return with_source(html, shown) if omits_words(shown, html) else html


def _asked_preview(text: str) -> Markup:
    """The preview of an answer. The columns of a drawing stay aligned where a phone shows them."""
    return preview(visible_text(text, lines=True, most_blanks=ALIGNED_BLANKS))


def _dollars(amount: float) -> str:
    return f"${amount:.2f}" if amount >= 0.1 else f"${amount:.4f}"


def _duration(milliseconds: int) -> str:
    tenths = round(milliseconds / 100)
    if tenths < 600:
        return f"{tenths / 10:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds} s"
