"""The only place in these tests that names a module inside the package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Scene,
    Text,
    ToolUse,
)

__all__ = ["MessagesApi", "Scene", "Text", "ToolUse", "settings_of"]


def settings_of(environ: Mapping[str, str]) -> Any:
    """The settings that this environment gives, as one value that can be compared."""
    from opcode_htmx.config.settings import Settings

    return Settings.from_env(environ)
