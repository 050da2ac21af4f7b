"""The MCP servers in Claude's own files, without their secrets. Starts none of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from opcode_htmx.engines.claude.config.redaction import HIDDEN, in_arguments, in_url
from opcode_htmx.lib.files import confined

Scope = Literal["local", "project", "user"]

_MOST_BYTES = 32 * 1024 * 1024
"""The most bytes of a file: Claude's state file grows to megabytes."""


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server as it is configured. `env` and `headers` have names, and no values."""

    name: str
    scope: Scope
    transport: str
    command: str | None
    args: tuple[str, ...]
    env: dict[str, str]
    url: str | None
    headers: dict[str, str]
    is_active: bool
    """Whether Claude would start it: a project's own need the user's consent first."""


def state_file(config_dir: Path, home: Path, moved: bool) -> Path:
    """Claude's state file with its projects; `moved` if CLAUDE_CONFIG_DIR is set."""
    older = config_dir / ".config.json"
    if older.is_file():
        return older
    return (config_dir if moved else home) / ".claude.json"


def servers(state: Path, config_dir: Path, project: Path | None) -> list[McpServer]:
    """The servers of the project, followed by those of the user."""
    known = _object(state)
    found: list[McpServer] = []
    if project is not None:
        here = _at(_at(known, "projects"), str(project))
        disabled = _names(here, "disabledMcpServers")
        found += _servers(here, "local", lambda name: name not in disabled)
        settings = [
            here,
            _object(config_dir / "settings.json"),
            _object(project / ".claude" / "settings.local.json", project),
        ]
        found += _servers(_object(project / ".mcp.json", project), "project", _Consent(settings))
        found += _servers(known, "user", lambda name: name not in disabled)
    else:
        found += _servers(known, "user", lambda name: True)
    return found


class _Consent:
    """The servers of a project's `.mcp.json` that the user has approved."""

    def __init__(self, settings: list[Mapping[str, Any]]) -> None:
        self._all = any(each.get("enableAllProjectMcpServers") is True for each in settings)
        self._yes = {n for each in settings for n in _names(each, "enabledMcpjsonServers")}
        self._no = {n for each in settings for n in _names(each, "disabledMcpjsonServers")}
        self._no |= {n for each in settings for n in _names(each, "disabledMcpServers")}

    def __call__(self, name: str) -> bool:
        return (self._all or name in self._yes) and name not in self._no


def _servers(
    holder: Mapping[str, Any], scope: Scope, is_active: Callable[[str], bool]
) -> Iterator[McpServer]:
    for name, given in _at(holder, "mcpServers").items():
        if isinstance(given, dict):
            args = given.get("args")
            url = _text(given.get("url"))
            yield McpServer(
                name=name,
                scope=scope,
                transport=_text(given.get("type")) or ("stdio" if url is None else "http"),
                command=_text(given.get("command")),
                args=tuple(in_arguments(map(str, args if isinstance(args, list) else []))),
                env=dict.fromkeys(_at(given, "env"), HIDDEN),
                url=in_url(url) if url else None,
                headers=dict.fromkeys(_at(given, "headers"), HIDDEN),
                is_active=is_active(name),
            )


def _object(path: Path, confines: Path | None = None) -> Mapping[str, Any]:
    """The object in a file; empty where there is none that can be read inside of `confines`."""
    try:
        with confined.open_file(path, confines or path.resolve().parent) as file:
            text = file.read(_MOST_BYTES + 1)
        found = json.loads(text) if len(text) <= _MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _at(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = holder.get(name)
    return found if isinstance(found, dict) else {}


def _names(holder: Mapping[str, Any], name: str) -> set[str]:
    found = holder.get(name)
    return {each for each in found if isinstance(each, str)} if isinstance(found, list) else set()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
