"""Track a session's context size, its cost, and since when Claude does what it does.

Pure: derived from the messages alone, without a clock.
"""

from __future__ import annotations

from dataclasses import field

from opcode_htmx.engines.contents import ToolUse
from opcode_htmx.engines.messages import (
    Assistant,
    CostState,
    Message,
    PromptState,
    SystemEvent,
    TurnResult,
    User,
)
from opcode_htmx.lib.dataclass import dataclass


@dataclass(slots=True)
class ContextUsage:
    """The values found in the messages of one file; 0 and None if they have none."""

    tokens: int = 0
    """Tokens in the context of the newest answer."""
    window: int = 0
    """The size of the model's context window in tokens."""
    cost_usd: float | None = None
    """The cost of the whole session in US dollars."""
    is_compacted: bool = field(default=False, compare=False)
    """Whether the context was compacted, and there was no answer since."""
    tool_starts: dict[str, float] = field(default_factory=dict)
    """When tools were called, as Unix times, by the ids of their calls."""
    said_at: float = field(default=0.0, compare=False)
    """The time of the newest entry of the turn, as a Unix time; 0 if it has none, or is over."""
    _newest: float = field(default=0.0, compare=False)
    """The same of any turn: a prompt that has waited for its turn is older than that."""

    def add(self, message: Message) -> None:
        """Update the values from one message."""
        match message:
            case Assistant():
                self._note(message)
                for content in message.content:
                    if isinstance(content, ToolUse) and message.said_at:
                        self.tool_starts[content.id] = message.said_at
                if message.parent is None and message.context_tokens:
                    self.tokens, self.is_compacted = message.context_tokens, False
            case TurnResult() | CostState():
                self.window = message.context_window or self.window
                self.cost_usd = self.cost_usd if message.cost_usd is None else message.cost_usd
                self.said_at = 0.0
            case PromptState(state="started"):
                self.said_at = 0.0
            case User():
                self._note(message)
            case SystemEvent(subtype="compact_boundary"):
                self.tokens, self.is_compacted = 0, True  # unknown until the next answer
            case _:
                pass

    def _note(self, message: Assistant | User) -> None:
        if not message.said_at or message.parent is not None:
            return
        if isinstance(message, User):
            self._newest = max(self._newest, message.said_at)
        else:  # an answer never waits: it also ends a wrong time, such as one of the future
            self._newest = message.said_at
        self.said_at = self._newest

    def or_else(self, earlier: ContextUsage) -> ContextUsage:
        """These values; missing ones are taken from `earlier`."""
        return ContextUsage(
            self.tokens or earlier.tokens,
            self.window or earlier.window,
            earlier.cost_usd if self.cost_usd is None else self.cost_usd,
            self.is_compacted,
            self.tool_starts,
            self.said_at,
        )
