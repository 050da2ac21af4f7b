"""The MCP servers in Claude's own files, without their secrets. Starts none of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from opcode_htmx.engines.claude.config.redaction import HIDDEN, in_arguments, in_url
from opcode_htmx.engines.claude.trust.record import project_key
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import confined

Scope = Literal["local", "project", "user"]
Choice = Literal["approved", "rejected", "open"]

_MOST_BYTES = 32 * 1024 * 1024
"""The most bytes of a file: Claude's state file grows to megabytes."""
_MOST_BYTES_OF_PROJECT = 1024 * 1024
_MOST_SERVERS = 500
"""Of a file, which may be anybody's."""


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
        here = _project(known, project)
        disabled = _names(here, "disabledMcpServers")
        found += _servers(here, "local", lambda name: name not in disabled)
        settings = _settings_of_consent(here, config_dir, project)
        found += _servers(_object(project / ".mcp.json", project), "project", _Consent(settings))
        found += _servers(known, "user", lambda name: name not in disabled)
    else:
        found += _servers(known, "user", lambda name: True)
    return found


@dataclass(frozen=True, slots=True)
class Definition:
    """What a file says about a server, with its secrets, and what a person has chosen."""

    name: str
    scope: Scope
    content: Mapping[str, Any]
    choice: Choice | None = None
    """For a server of `.mcp.json`: whether a person has approved or rejected it."""
    is_off: bool = False
    """Whether it is turned off in the project."""


def definitions(state: Path, config_dir: Path, project: Path | None) -> list[Definition]:
    """The definitions of the servers of the project, followed by those of the user."""
    known = _object(state)
    here = _project(known, project) if project else {}
    off = _names(here, "disabledMcpServers")
    holders: list[tuple[Scope, Mapping[str, Any]]] = [("user", known)]
    choices: dict[str, Choice] = {}
    if project:
        shared = _object(project / ".mcp.json", project)
        holders = [("local", here), ("project", shared), *holders]
        consent = _Consent(_settings_of_consent(here, config_dir, project))
        choices = {name: consent.choice(name) for name in _at(shared, "mcpServers")}
    return [
        Definition(name, scope, content, choices.get(name), name in off)
        if scope == "project"
        else Definition(name, scope, content, is_off=name in off)
        for scope, holder in holders
        for name, content in _servers_at(holder)
    ]


def _project(known: Mapping[str, Any], project: Path) -> Mapping[str, Any]:
    """What the state file says about a project: it has one entry for a whole repository."""
    projects = _at(known, "projects")
    key = project_key(project)
    return _at(projects, key if key in projects else str(project))


def _settings_of_consent(
    here: Mapping[str, Any], config_dir: Path, project: Path
) -> list[Mapping[str, Any]]:
    return [
        here,
        _object(config_dir / "settings.json"),
        _object(project / ".claude" / "settings.local.json", project),
    ]


class _Consent:
    """The servers of a project's `.mcp.json` that the user has approved."""

    def __init__(self, settings: list[Mapping[str, Any]]) -> None:
        self._all = any(each.get("enableAllProjectMcpServers") is True for each in settings)
        self._yes = {n for each in settings for n in _names(each, "enabledMcpjsonServers")}
        self._no = {n for each in settings for n in _names(each, "disabledMcpjsonServers")}
        self._rejected = frozenset(self._no)
        self._no |= {n for each in settings for n in _names(each, "disabledMcpServers")}

    def choice(self, name: str) -> Choice:
        if name in self._rejected:
            return "rejected"
        return "approved" if self._all or name in self._yes else "open"

    def __call__(self, name: str) -> bool:
        return (self._all or name in self._yes) and name not in self._no


def _servers(
    holder: Mapping[str, Any], scope: Scope, is_active: Callable[[str], bool]
) -> Iterator[McpServer]:
    for name, given in _servers_at(holder):
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


def _servers_at(holder: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, content in islice(_at(holder, "mcpServers").items(), _MOST_SERVERS):
        if isinstance(content, dict):
            yield name, content


def _object(path: Path, confines: Path | None = None) -> Mapping[str, Any]:
    """The object in a file; empty where there is none that can be read inside of `confines`."""
    try:
        with confined.open_file(path, confines or path.resolve().parent) as file:
            most = _MOST_BYTES_OF_PROJECT if confines else _MOST_BYTES
            text = file.read(most + 1)
        found = json.loads(text) if len(text) <= most else None
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
