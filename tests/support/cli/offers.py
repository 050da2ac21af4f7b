"""What the real CLI offers before its first run: asked once for all servers of a run of the tests.

Nearly every page of a session has its server ask for that, by a start of the CLI.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from opcode_htmx.engines.base import CapabilityCodec, Launcher
from opcode_htmx.engines.claude.engine import ClaudeCodec, ClaudeLauncher
from opcode_htmx.lib.coerce import Json
from opcode_htmx.runs.capabilities import probe
from tests.support.suite.shared import recorded

ADDING = ("agents", "commands", "skills", "settings.json", "plugins/installed_plugins.json")
"""What in Claude's folder adds to what it offers."""


def offers_of(claude: Path, environment: Mapping[str, str]) -> Json:
    """What it answers in this environment, but with a home of its own."""

    def ask() -> Json:
        with tempfile.TemporaryDirectory() as folder:
            own = {"HOME": folder, "CLAUDE_CONFIG_DIR": f"{folder}/config"}
            launcher = ClaudeLauncher(claude, {**environment, **own})
            return probe.ask(launcher, ClaudeCodec(), Path(folder))

    return recorded(("what the CLI offers", str(claude)), ask)


def answer_with(offers: Json) -> None:
    """Answer this process's apps with `offers`, unless Claude's folder adds something to them."""
    asked = probe.ask

    def ask(launcher: Launcher, codec: CapabilityCodec, folder: Path) -> Json:
        config_dir = Path(launcher.probe().environment["CLAUDE_CONFIG_DIR"])
        if any((config_dir / each).exists() for each in ADDING):
            return asked(launcher, codec, folder)
        return offers

    probe.ask = ask  # type: ignore[assignment]
