"""Settings of a made-up home folder."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.config.settings import Settings


def settings_of(home: Path, **variables: str) -> Settings:
    """The state folder is HOME/state, and Claude's is HOME/claude."""
    environ = {
        "HOME": str(home),
        "PATH": str(home / "bin"),
        "HOST": "127.0.0.1",
        "OPCODE_STATE_DIR": str(home / "state"),
        "CLAUDE_CONFIG_DIR": str(home / "claude"),
    }
    return Settings.from_env({**environ, **variables})
