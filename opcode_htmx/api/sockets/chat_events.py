"""Encode a session as the messages of a chat: streamed text, tools, permission requests, ends.

Claude sends each text twice, in pieces and whole; a client gets it once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from opcode_htmx.api.service.elicitations import elicitation_fields
from opcode_htmx.api.service.session_lines import Item, Kind
from opcode_htmx.api.sockets.json_socket import LAST_ERRORS, error_message
from opcode_htmx.engines.claude.protocol import parser, user_entries
from opcode_htmx.engines.contents import Content, TextContent, ThinkingContent, ToolResult, ToolUse
from opcode_htmx.engines.messages import (
    INTERRUPTED,
    Assistant,
    BlockDelta,
    BlockStart,
    BlockStop,
    ControlCancel,
    ControlResponse,
    ElicitationRequest,
    LongLine,
    MessageStart,
    PermissionRequest,
    SystemEvent,
    TurnResult,
    User,
)
from opcode_htmx.engines.messages import Message as EngineMessage
from opcode_htmx.engines.streamed_text import StreamedText, StreamedTexts, TextKind
from opcode_htmx.engines.user_parts import (
    CommandOutput,
    OtherMessage,
    Part,
    Prompt,
    ShellCommand,
    ShellOutput,
    SlashCommand,
)
from opcode_htmx.markup.ansi import plain
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.control.sent_prompts import Sent, SentPrompts
from opcode_htmx.runs.model.prompt_content import words_of
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.transcript.content import other_content

log = logging.getLogger(__name__)

Message = dict[str, Any]

TEXT, THINKING = "text_delta", "thinking_delta"
TYPES: dict[TextKind, str] = {TextContent: TEXT, ThinkingContent: THINKING}


class ChatEventEncoder:
    """The messages about one session, in its order."""

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self.live = False
        """Whether pieces of text are sent as they come; texts of the past are sent whole."""
        self._texts = StreamedTexts()
        self._sent: tuple[Run, SentPrompts] | None = None
        self.asks: dict[str, Message] = {}
        """The open permission requests, by id."""
        self._repeated: set[str] = set()
        """The prompts that Claude has repeated in this turn."""

    def messages(self, item: Item) -> Iterator[Message]:
        """The messages for a line, or for the end of a run."""
        match item.kind:
            case Kind.OUTPUT:
                yield from self.line(item.data, self._sent_to(item.run), item.message)
            case Kind.ERROR:
                text = item.data.decode("utf-8", "replace")
                yield self._error(text, stream="stderr")
            case Kind.END:
                yield from self._end(item)

    def _sent_to(self, run: Run) -> SentPrompts:
        if self._sent is None or self._sent[0] is not run:
            self._sent = run, SentPrompts(run)
        return self._sent[1]

    def go_live(self) -> Iterator[Message]:
        """Send pieces as they come from now on; first what is known of unfinished texts."""
        self.live = True
        for text in self._texts.unfinished():
            yield from self._new(text)

    def line(
        self, data: bytes, sent: Sent | None = None, parsed: EngineMessage | None = None
    ) -> Iterator[Message]:
        """The messages for a line of the stdout of a run, or of Claude's history file.

        `sent` are the prompts that were sent to the run; `parsed` is what the line holds, if it was
        parsed already. A line that cannot be encoded is sent as
        it is.
        """
        try:
            yield from self._line(parsed or parser.parse(data), sent)
        except Exception:
            log.exception("could not encode a line of session %s", self._session_id)
            yield self._about("raw", content=data.decode("utf-8", "replace"))

    def _line(self, message: EngineMessage, sent: Sent | None) -> Iterator[Message]:
        match message:
            case MessageStart():
                self._texts.begin_message(message)
            case BlockStart():
                yield from self._growing(self._texts.begin(message))
            case BlockDelta():
                yield from self._growing(self._texts.append(message))
            case BlockStop():
                text = self._texts.get(message)
                if text and text.complete:
                    self._texts.remove(text)
            case Assistant():
                for place, content in enumerate(message.content):
                    yield from self._whole(message, (message.index or 0) + place, content)
            case User():
                self._repeated.add(message.uuid)
                yield from self._user(message, sent)
            case PermissionRequest():
                yield self._ask(message)
            case ElicitationRequest():
                yield self._elicitation(message)
            case ControlResponse() | ControlCancel() if self._is_elicitation(message.request_id):
                del self.asks[message.request_id]
                action = getattr(message, "response", {}).get("action")
                about = {"requestId": message.request_id, "action": action}
                yield self._about("elicitation_resolved", **about)
            case ControlResponse() if self.asks.pop(message.request_id, None):
                allow = message.response.get("behavior") == "allow"
                yield self._about("permission_resolved", requestId=message.request_id, allow=allow)
            case ControlCancel() if self.asks.pop(message.request_id, None):
                yield self._about("permission_resolved", requestId=message.request_id, allow=None)
            case TurnResult():
                self._texts.clear()
                yield from self._unread(message, sent)
                yield self._turn(message)
            case LongLine():
                yield self._about("line_left_out", offset=message.offset, bytes=message.size)
            case SystemEvent():
                yield from self._parts(user_entries.parts_of_event(message), message.uuid)
            case _:
                pass

    # --- what Claude writes -----------------------------------------------------------------

    def _growing(self, text: StreamedText | None) -> Iterator[Message]:
        if text and self.live:
            yield from self._new(text)

    def _whole(self, message: Assistant, index: int, content: Content) -> Iterator[Message]:
        match content:
            case TextContent(text=text) if message.error is not None:
                yield self._error(text, messageId=message.message_id)
            case TextContent() | ThinkingContent():
                yield from self._complete(message, index, type(content), content.text)
            case ToolUse():
                yield self._about(
                    "tool_use",
                    **_parent(message.parent),
                    toolUseId=content.id,
                    name=content.name,
                    input=content.input,
                )
            case _:
                pass

    def _complete(
        self, message: Assistant, index: int, kind: TextKind, whole: str
    ) -> Iterator[Message]:
        """What was not sent of a whole text; its index is that of its pieces, if there were any."""
        text = self._texts.finish(kind, message.message_id, whole)
        if text is None:
            text = StreamedText(kind, message.message_id, index, message.parent)
            text.finish(whole)
        yield from self._new(text)

    def _new(self, text: StreamedText) -> Iterator[Message]:
        """What is known of a text and was not sent."""
        if update := text.take():
            yield self._about(
                TYPES[text.kind],
                **_parent(text.parent),
                **({"whole": True} if update.replaces else {}),
                content=update.text,
                messageId=text.message_id,
                index=text.index,
            )

    # --- prompts and results ----------------------------------------------------------------

    def _user(self, message: User, sent: Sent | None) -> Iterator[Message]:
        for content in message.content:
            if isinstance(content, ToolResult):
                yield self._about(
                    "tool_result",
                    **_parent(message.parent),
                    toolUseId=content.tool_use_id,
                    content="\n".join(
                        filter(None, (content.text, other_content.all_as_text(content.parts)))
                    ),
                    isError=content.is_error,
                )
        if not message.parent:
            parts = user_entries.parts_of(message, sent.text if sent else None)
            yield from self._parts(parts, message.uuid)

    def _parts(self, parts: Iterable[Part], uuid: str) -> Iterator[Message]:
        for part in parts:
            match part:
                case Prompt(text=text):
                    yield self._about("user_message", content=text, promptId=uuid)
                case SlashCommand():
                    yield self._about("user_message", content=part.text, promptId=uuid)
                case ShellCommand(command=command):
                    yield self._about("user_message", content=f"! {command}", promptId=uuid)
                case OtherMessage(sender=sender, text=text):
                    yield self._about("user_message", content=text, promptId=uuid, sender=sender)
                case CommandOutput(text=text) if text:
                    yield self._about(TEXT, content=text, messageId=uuid, index=0)
                case ShellOutput(stdout=stdout, stderr=stderr) if stdout or stderr:
                    printed = plain("\n".join(filter(None, (stdout, stderr))))
                    yield self._about(TEXT, content=printed, messageId=uuid, index=0)
                case _:
                    pass

    def _ask(self, request: PermissionRequest) -> Message:
        ask = self.asks[request.request_id] = self._about(
            "permission_request",
            requestId=request.request_id,
            toolName=request.tool_name,
            toolUseId=request.tool_use_id,
            input=request.input,
            description=request.description,
            suggestions=list(request.suggestions),
        )
        return ask

    def _elicitation(self, request: ElicitationRequest) -> Message:
        fields = elicitation_fields(request)
        ask = self.asks[request.request_id] = self._about(
            "elicitation_request", **{_camel(name): value for name, value in fields.items()}
        )
        return ask

    def _is_elicitation(self, request_id: str) -> bool:
        return self.asks.get(request_id, {}).get("type") == "elicitation_request"

    # --- ends -------------------------------------------------------------------------------

    def _unread(self, result: TurnResult, sent: Sent | None) -> Iterator[Message]:
        """The prompts of the turn that Claude did not repeat: it took them as commands, say."""
        repeated, self._repeated = self._repeated, set()
        if sent is None or result.reason in INTERRUPTED:
            return
        for prompt_id in result.prompt_ids:
            if prompt_id not in repeated and (prompt := sent.prompt(prompt_id)):
                words = words_of(prompt)
                yield self._about("user_message", content=words, promptId=prompt_id)

    def _turn(self, result: TurnResult) -> Message:
        return self._about(
            "turn_complete",
            isError=result.is_error,
            result=result.text,
            durationMs=result.duration_ms,
            costUsd=result.cost_usd,
            inputTokens=result.input_tokens,
            outputTokens=result.output_tokens,
        )

    def _end(self, item: Item) -> Iterator[Message]:
        self._texts.clear()
        self.asks.clear()
        end = item.run.record.end
        if end is None:
            return
        if end.outcome not in (Outcome.COMPLETED, Outcome.CANCELLED):
            last = item.run.folder.error_lines(LAST_ERRORS)
            yield self._error(end.cause, stderr=last)
        yield self._about("ended", outcome=end.outcome, content=end.cause)

    def _about(self, kind: str, **message: Any) -> Message:
        return {"type": kind, **message, "sessionId": self._session_id}

    def _error(self, sentence: str, **fields: Any) -> Message:
        return error_message(sentence, "content", **fields, sessionId=self._session_id)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _parent(tool_use_id: str | None) -> Message:
    """Only for what an agent writes, which works inside a tool call of Claude's."""
    return {"parentToolUseId": tool_use_id} if tool_use_id else {}
