"""The MCP servers of the Claude Desktop app on this computer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.config import json_text, mcp_definitions
from opcode_htmx.engines.claude.config.json_text import InvalidJson
from opcode_htmx.engines.claude.config.mcp_definitions import InvalidServer

_NAME = "claude_desktop_config.json"
_FOLDERS = ("Library/Application Support/Claude", ".config/Claude", "AppData/Roaming/Claude")
_MOST_BYTES = 1024 * 1024


def config_file(home: Path, environment: Mapping[str, str]) -> Path | None:
    """Its configuration at one of the usual places; None if there is none.

    Under WSL it lies in the home folder of the only person on the Windows side who has one.
    """
    places = [home / folder / _NAME for folder in _FOLDERS]
    if moved := environment.get("XDG_CONFIG_HOME"):
        places.insert(0, Path(moved) / "Claude" / _NAME)
    if environment.get("WSL_DISTRO_NAME"):
        found = sorted(Path("/mnt/c/Users").glob(f"*/AppData/Roaming/Claude/{_NAME}"))
        places += found if len(found) == 1 else []
    return next((each for each in places if each.is_file()), None)


def servers(path: Path) -> dict[str, dict[str, Any]]:
    """Its servers by names that Claude Code accepts. Raises InvalidServer."""
    try:
        with path.open("rb") as file:
            content = json_text.parse(file.read(_MOST_BYTES).decode())
    except (OSError, ValueError) as error:
        reason = error if isinstance(error, InvalidJson) else "It cannot be read."
        raise InvalidServer(f"{path}: {reason}") from None
    given = content.get("mcpServers")
    found = {}
    for name, definition in given.items() if isinstance(given, dict) else ():
        if isinstance(definition, dict):
            try:
                mcp_definitions.check(definition)
            except InvalidServer:
                continue
            found[_plain(name)] = definition
    return found


def _plain(name: str) -> str:
    """A name with other characters than Claude Code allows replaced."""
    return "".join(c if mcp_definitions.NAME.fullmatch(c) else "-" for c in name)[:64] or "server"
