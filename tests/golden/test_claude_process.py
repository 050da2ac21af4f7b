"""How Claude is started: arguments, folder and environment, OPCODE_RUN_ID and _FOLDER among it."""

from __future__ import annotations

from typing import Any

from tests.golden import golden


def test_the_way_claude_is_started_stays(real: dict[str, Any]) -> None:
    golden.check("claude_process", real["processes"])
