"""Search the blocks of a session: messages, inputs of tools, and their results."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from opcode_htmx.engines.messages import ElicitationRequest, PermissionRequest
from opcode_htmx.lib.concurrency.cooperative import TimeSlicer, run_cpu_in_thread
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.markup import markdown_signs
from opcode_htmx.markup.ansi import plain
from opcode_htmx.rendering import tool_cards
from opcode_htmx.transcript.blocks import (
    AskBlock,
    Block,
    BranchBlock,
    ErrorBlock,
    NoticeBlock,
    PromptBlock,
    RawBlock,
    ShellBlock,
    TextBlock,
    ThinkingBlock,
    ToolBlock,
)
from opcode_htmx.transcript.content import other_content
from opcode_htmx.transcript.content.raw import log_failure, raw_text
from opcode_htmx.transcript.content.weight import is_heavy

BEFORE, AFTER = 60, 140
"""Characters of context around a match."""

LONGEST_QUERY = 200
"""Characters; the rest of a longer query is ignored."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A match with its context."""

    block: Block
    top: Block
    """The block of the top level that contains `block`."""
    where: str
    """The part of the block, for people: `You`, `Bash, its output`."""
    before: str
    match: str
    after: str


def find(blocks: Iterable[Block], query: str) -> Iterator[Hit]:
    """The first match in each part of each block, in the order of the blocks.

    Case and the amount of white space are ignored.
    """
    words = query[:LONGEST_QUERY].split()
    if not words:
        return
    pattern, slicer = pattern_of(words), TimeSlicer()
    for top in blocks:
        slicer.step()
        if isinstance(top, BranchBlock):
            for child in top.children:
                for hit in _in_block(child, child, pattern):
                    yield replace(hit, where=f"{hit.where} · {top.label}")
        else:
            yield from _in_block(top, top, pattern)


def pattern_of(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern for these words in this order, with only white space in between."""
    return re.compile(r"\s++".join(map(re.escape, words)), re.IGNORECASE)


def _in_block(block: Block, top: Block, pattern: re.Pattern[str]) -> Iterator[Hit]:
    for where, text in _safe_parts(block):
        if found := pattern.search(text):
            start, end = found.span()
            first, last = max(0, start - BEFORE), min(len(text), end + AFTER)
            # of all blocks, only the texts of Claude are Markdown
            signs = markdown_signs.signs(text, first, last) if isinstance(block, TextBlock) else []
            before = markdown_signs.left_out(text, signs, first, start)
            after = markdown_signs.left_out(text, signs, end, last)
            yield Hit(
                block=block,
                top=top,
                where=where,
                before=("…" if start > BEFORE else "") + before,
                match=markdown_signs.left_out(text, signs, start, end),
                after=after + ("…" if len(text) > end + AFTER else ""),
            )
    for child in block.children:
        yield from _in_block(child, top, pattern)


def _safe_parts(block: Block) -> list[tuple[str, str]]:
    """The parts of a block; its raw data if they cannot be found out."""
    try:
        return run_cpu_in_thread(_all_parts, block) if is_heavy(block) else _all_parts(block)
    except Exception:
        log_failure(block, "searched")
        return [("Message", raw_text(block))]


def _all_parts(block: Block) -> list[tuple[str, str]]:
    return list(_parts(block))


def _parts(block: Block) -> Iterator[tuple[str, str]]:
    match block:
        case PromptBlock():
            yield "You", block.text
            yield "You, attached", other_content.all_as_text(block.attached)
        case ThinkingBlock():
            yield "Claude's thoughts", "".join(block.source)
        case TextBlock():
            yield "Claude", "".join(block.source)
        case ToolBlock():
            yield block.name, "\n".join(_strings(block.input))
            yield f"{block.name}, its output", tool_cards.result_text(block)
        case AskBlock(request=ElicitationRequest() as request):
            asked = [request.message, request.url, *_strings(request.schema)]
            yield f"{request.server}, asked", "\n".join(filter(None, asked))
        case AskBlock(request=PermissionRequest() as request):
            yield f"{request.tool_name}, asked", "\n".join(_strings(request.input))
        case ShellBlock():
            yield "Terminal", block.command
            yield "Terminal, its output", plain("\n".join((block.stdout, block.stderr)))
        case NoticeBlock(detail=detail) if detail:
            yield "Notice", f"{block.text}\n{detail}"
        case NoticeBlock() | ErrorBlock():
            yield block.kind.capitalize(), block.text
        case RawBlock():
            yield "Message", block.text
        case _:
            pass


def _strings(value: object) -> Iterator[str]:
    """The texts in a JSON value, at any depth (the parser has limited that)."""
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _strings(each)
        case list():
            for each in value:
                yield from _strings(each)
        case _:
            pass
