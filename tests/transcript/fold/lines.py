"""Lines of Claude's made by hand, their folding, and what is seen of blocks in short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opcode_htmx.transcript.blocks import AskBlock, Block, TextBlock, ToolBlock
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import fold, line

RUN_ID = "r" * 32


def text_of(block: Block) -> str:
    return "".join(block.source) if isinstance(block, TextBlock) else getattr(block, "text", "")


def nested(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        yield from nested(block.children)


def look(block: Block) -> tuple[object, ...]:
    """The visible fields of a block, without those that depend on its place in the file."""
    fields = ("state", "name", "input", "output", "details", "answer", "images", "type")
    values = tuple(repr(getattr(block, field, None)) for field in fields)
    return block.id, block.kind, text_of(block), values, tuple(map(look, block.children))


def state(transcript: Transcript) -> list[object]:
    return [
        (look(block), block.order, block.created, block.revision)
        for block in nested(transcript.blocks)
    ]


def feed(*lines: bytes, run_id: str | None = RUN_ID) -> Transcript:
    return fold(lines, run_id=run_id)


def assistant(*content: object, message_id: str = "msg_1", **fields: object) -> bytes:
    message = {"id": message_id, "role": "assistant", "content": content}
    return line(type="assistant", uuid="u", message=message, **fields)


def user(content: object, uuid: str = "p", **fields: object) -> bytes:
    return line(type="user", uuid=uuid, message={"role": "user", "content": content}, **fields)


def event(message_id: str = "msg_1", **event: object) -> bytes:
    return line(type="stream_event", event=event, api_message_id=message_id)


def begin(index: int, type_: str = "text", message_id: str = "msg_1") -> bytes:
    block = {"type": type_, "text": "", "thinking": ""}
    return event(message_id, type="content_block_start", index=index, content_block=block)


def piece(index: int, text: str, message_id: str = "msg_1") -> bytes:
    return event(message_id, type="content_block_delta", index=index, delta={"text": text})


def end(index: int, message_id: str = "msg_1") -> bytes:
    return event(message_id, type="content_block_stop", index=index)


def call(
    tool_id: str = "t", name: str = "Bash", message_id: str = "msg_1", **fields: object
) -> bytes:
    use = {"type": "tool_use", "id": tool_id, "name": name, "input": {"command": "ls"}}
    return assistant(use, message_id=message_id, **fields)


def outcome(tool_id: str = "t", *, is_error: bool = False, **fields: object) -> bytes:
    result = {
        "type": "tool_result",
        "tool_use_id": tool_id,
        "content": "listed",
        "is_error": is_error,
    }
    return user([result], uuid=f"u-{tool_id}", **fields)


def ask(request_id: str = "r", tool_id: str = "t") -> bytes:
    request = {
        "subtype": "can_use_tool",
        "tool_name": "Bash",
        "input": {"command": "ls"},
        "tool_use_id": tool_id,
    }
    return line(type="control_request", request_id=request_id, request=request)


RESULT = line(type="result", subtype="success", uuid="result")


def only(transcript: Transcript, type_: type[Block] = Block) -> Block:
    (block,) = transcript.blocks
    assert isinstance(block, type_)
    return block


def states(transcript: Transcript) -> list[str]:
    blocks = nested(transcript.blocks)
    return [str(b.state) for b in blocks if isinstance(b, AskBlock | ToolBlock)]
