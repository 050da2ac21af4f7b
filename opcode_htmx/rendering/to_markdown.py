"""Convert blocks to Markdown, for copying and for export. No HTML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from opcode_htmx.engines.messages import ElicitationRequest, PermissionRequest
from opcode_htmx.lib.concurrency.cooperative import run_cpu_in_thread
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.markup.ansi import plain
from opcode_htmx.rendering import tool_cards
from opcode_htmx.rendering.asks.elicitations import verdict
from opcode_htmx.transcript.blocks import (
    AskBlock,
    Block,
    BranchBlock,
    ErrorBlock,
    NoticeBlock,
    PromptBlock,
    RawBlock,
    ShellBlock,
    SummaryBlock,
    TextBlock,
    ThinkingBlock,
    ToolBlock,
)
from opcode_htmx.transcript.cli_text import as_json
from opcode_htmx.transcript.content import other_content
from opcode_htmx.transcript.content.raw import log_failure, raw_text
from opcode_htmx.transcript.content.weight import is_heavy

_TICKS = late_pattern(r"`{3,}")


def source(block: Block) -> str:
    """A block as Markdown: its source, or an equivalent; its raw data if that fails.

    A heavy block is converted in a thread.
    """
    try:
        return run_cpu_in_thread(_source, block) if is_heavy(block) else _source(block)
    except Exception:
        log_failure(block, "written as Markdown")
        return fenced(raw_text(block))


def _source(block: Block) -> str:
    match block:
        case ShellBlock():
            return "\n\n".join(_shell(block))
        case NoticeBlock(detail=detail) if detail:
            return f"{block.text}\n\n{fenced(detail)}"
        case PromptBlock() if block.attached:
            attached = fenced(other_content.all_as_text(block.attached))
            return "\n\n".join(filter(None, (block.text, attached)))
        case PromptBlock() | NoticeBlock() | ErrorBlock():
            return block.text
        case TextBlock():
            return "".join(block.source)
        case ToolBlock():
            return "\n\n".join([*_tool(block), *(_quoted(source(b)) for b in block.children)])
        case AskBlock(request=ElicitationRequest() as request):
            return f"*{request.server} asked: {verdict(block, timed=False).lower()}*"
        case AskBlock(request=PermissionRequest() as request):
            return f"*{request.tool_name}: {block.state}*"
        case SummaryBlock():
            cost = "" if block.cost_usd is None else f", ${block.cost_usd:.4f}"
            tokens = f"{block.input_tokens:,} tokens in, {block.output_tokens:,} out"
            return f"*{block.duration_ms / 1000:.1f} s, {tokens}{cost}*"
        case RawBlock():
            return fenced(block.text, "json")
        case _:
            return ""


def answer(blocks: Sequence[Block], block_id: str) -> str:
    """All text of Claude in the turn that contains the block; empty if there is no such block."""
    texts: list[str] = []
    found = False
    for block in blocks:
        if isinstance(block, PromptBlock):
            if found:
                break
            texts = []
        elif isinstance(block, TextBlock) and not isinstance(block, ThinkingBlock):
            texts.append(source(block).strip())
        found = found or block.id == block_id
    return "\n\n".join(texts) if found else ""


def document(title: str, folder: str, blocks: Iterable[Block]) -> Iterator[str]:
    """A whole session as Markdown, in pieces."""
    yield f"# {_line(title)}\n\nWith Claude Code in `{folder}`.\n"
    yield from _dialogue(blocks)


def _dialogue(blocks: Iterable[Block]) -> Iterator[str]:
    """The blocks with a heading for each change of speaker; abandoned branches are quoted."""
    speaker = ""
    for block in blocks:
        if isinstance(block, BranchBlock):
            speaker = ""
            yield f"\n## {block.label}\n"
            yield f"\n{_quoted(''.join(_dialogue(block.children)).strip())}\n"
            continue
        text = source(block).strip()
        if isinstance(block, NoticeBlock) and not block.detail:
            text = f"*{text}*"  # from Claude Code, not from Claude
        if not text:
            continue
        author = "You" if isinstance(block, PromptBlock | ShellBlock) else "Claude"
        if author != speaker:
            yield f"\n## {author}\n"
            speaker = author
        yield f"\n{_quoted(text) if isinstance(block, ThinkingBlock) else text}\n"


def fenced(text: str, language: str = "") -> str:
    """A code block; its fence is longer than any in the text."""
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip(chr(10))}\n{fence}"


def _tool(block: ToolBlock) -> Iterator[str]:
    command = block.input.get("command")
    yield f"**{block.name}** ({block.state})"
    if isinstance(command, str):
        yield fenced(command, "sh")
    elif block.input:
        yield fenced(as_json(block.input), "json")
    if result := tool_cards.result_text(block):
        yield fenced(result)


def _shell(block: ShellBlock) -> Iterator[str]:
    """The user's command with its output; stderr is in a code block of its own."""
    command = f"$ {block.command}\n" if block.command else ""
    if command or block.stdout:
        yield fenced(command + plain(block.stdout))
    if block.stderr:
        yield fenced(plain(block.stderr))


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _line(text: str) -> str:
    return " ".join(text.split())
