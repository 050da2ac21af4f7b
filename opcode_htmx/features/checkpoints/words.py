"""Words for the kinds of checkpoints, the strategies, and why a path stays as it is."""

from __future__ import annotations

from collections.abc import Mapping

from opcode_htmx.lib.git.snapshots.plan import Kept
from opcode_htmx.sessions.checkpoints.model import CheckpointKind, Strategy

KINDS: Mapping[CheckpointKind, str] = {
    CheckpointKind.MANUAL: "By hand",
    CheckpointKind.PROMPT: "Before a prompt",
    CheckpointKind.TURN: "After Claude’s turn",
    CheckpointKind.TOOL: "After a tool",
    CheckpointKind.UNDO: "Before going back",
}
STRATEGIES: Mapping[Strategy, str] = {
    Strategy.MANUAL: "By hand only",
    Strategy.PROMPT: "At each prompt",
    Strategy.WRITES: "At each prompt, and after each tool that may write",
    Strategy.TOOL: "At each prompt, and after each tool",
}
KEPT: Mapping[Kept, str] = {
    Kept.IGNORED: "was ignored by git then, so the checkpoint does not have it",
    Kept.LEFT_OUT: "too large, no plain file, or another repository",
    Kept.CHANGED: "was changed at that very moment",
    Kept.FAILED: "could not be written",
}
