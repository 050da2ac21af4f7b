"""How far a session has come: what Claude has in mind, what it has cost, when its tools began.

Pure: told by the lines alone, with no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from opcode_htmx.engines.messages import (
    Assistant,
    CostState,
    Message,
    SystemEvent,
    ToolUse,
    TurnResult,
)


@dataclass(slots=True)
class Progress:
    """What the lines of one file tell; 0 and None where they do not."""

    tokens: int = 0
    """What the newest answer was made from."""
    window: int = 0
    """How much the model can have in mind."""
    cost_usd: float | None = None
    began: dict[str, float] = field(default_factory=dict)
    """When tools were called, in seconds since the epoch, by the ids of their calls."""

    def take(self, message: Message) -> None:
        match message:
            case Assistant():
                for content in message.content:
                    if isinstance(content, ToolUse) and message.said_at:
                        self.began[content.id] = message.said_at
                if message.parent is None and message.context_tokens:
                    self.tokens = message.context_tokens
            case TurnResult() | CostState():
                self.window = message.context_window or self.window
                self.cost_usd = self.cost_usd if message.cost_usd is None else message.cost_usd
            case SystemEvent(subtype="compact_boundary"):
                self.tokens = 0  # nobody knows until the next answer
            case _:
                pass

    def over(self, earlier: Progress) -> Progress:
        """This, and where it tells nothing, what `earlier` told."""
        return Progress(
            self.tokens or earlier.tokens,
            self.window or earlier.window,
            earlier.cost_usd if self.cost_usd is None else self.cost_usd,
            self.began,
        )
