"""A session as one HTML file: the blocks as the page shows them, whole, with the styles inside."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from opcode_htmx.lib.concurrency.cooperative import TimeSlicer
from opcode_htmx.markup.markdown import without_file_links
from opcode_htmx.rendering.fragments import Fragments, render_parts
from opcode_htmx.rendering.tool_cards import CutText
from opcode_htmx.transcript.blocks import Block

POLICY = "default-src 'none'; style-src data:; img-src data:; base-uri 'none'; form-action 'none'"
"""What the file may load: what it holds itself. It is opened from a disk, where no server adds a
policy, and where an address without a protocol would be one of another computer's files."""


class WholeBlocks(Fragments):
    """Renders blocks uncut, without links to the server, and keeps nothing of it."""

    def __init__(self, environment: Environment, project: str) -> None:
        super().__init__(environment, project, "", cut=lambda text: CutText(text, 0))

    def block(self, block: Block) -> Markup:
        return without_file_links(self._render_safely(block))


def with_parts(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same blocks, the parts of their texts rendered; other greenlets run in between."""
    pace = TimeSlicer()
    for block in blocks:
        for _ in render_parts(block, -1):
            pace.step()
        yield block


def style_address(files: Iterable[Path]) -> str:
    """Stylesheets as an address that holds them, for a file that stands alone."""
    css = b"\n".join(file.read_bytes() for file in files)
    return f"data:text/css;base64,{b64encode(css).decode()}"
