"""The form of an MCP server: its text fields, and the definition that they make. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from opcode_htmx.engines.claude.config import mcp_definitions
from opcode_htmx.engines.claude.config.mcp_definitions import InvalidServer
from opcode_htmx.lib.dataclass import dataclass

KINDS = {"stdio": "Command", "http": "HTTP", "sse": "SSE", "json": "JSON"}
"""What a form can be for: a transport, or a text with the whole definition."""


@dataclass(frozen=True, slots=True)
class ServerForm:
    """The fields as they were typed."""

    kind: str
    name: str = ""
    scope: str = "user"
    command: str = ""
    args: str = ""
    env: str = ""
    url: str = ""
    headers: str = ""
    json: str = ""
    others: Mapping[str, Any] = field(default_factory=dict)
    """What a definition holds beside the fields; it is kept."""

    @classmethod
    def of(cls, kind: str, name: str, scope: str, content: Mapping[str, Any]) -> ServerForm:
        """The form of a server; `content` has no secrets."""
        return cls(
            kind=kind,
            name=name,
            scope=scope,
            command=str(content.get("command", "")),
            args="\n".join(map(str, content.get("args") or ())),
            env=_lines(content.get("env"), "="),
            url=str(content.get("url", "")),
            headers=_lines(content.get("headers"), ": "),
            others=content,
        )

    def content(self) -> dict[str, Any]:
        """The definition. Raises InvalidServer."""
        old = dict(self.others)
        if self.kind == "stdio":
            _without(old, "url", "headers", "type")
            found: dict[str, Any] = {
                "type": "stdio",
                "command": self.command.strip(),
                # an argument may begin or end with a space
                "args": [line for line in self.args.splitlines() if line],
                "env": _pairs(self.env, "=", "NAME=value"),
            }
        else:
            _without(old, "command", "args", "env")
            found = {
                "type": self.kind,
                "url": self.url.strip(),
                "headers": _pairs(self.headers, ":", "Name: value"),
            }
        whole = {**old, **found}
        for name in ("env", "headers", "args"):
            if not whole.get(name):
                whole.pop(name, None)
        mcp_definitions.check(whole)
        return whole


def form_kind(content: Mapping[str, Any]) -> str:
    """The kind of form that a definition fits into."""
    kind = mcp_definitions.transport(content)
    args = content.get("args")
    is_plain = not any("\n" in str(each) or not each for each in args or ())
    return kind if kind in KINDS and is_plain else "json"


def _without(holder: dict[str, Any], *names: str) -> None:
    for name in names:
        holder.pop(name, None)


def _lines(values: object, between: str) -> str:
    if not isinstance(values, dict):
        return ""
    return "\n".join(f"{name}{between}{value}" for name, value in values.items())


def _pairs(text: str, between: str, form: str) -> dict[str, str]:
    found = {}
    for line in filter(str.strip, text.splitlines()):
        name, separator, value = line.partition(between)
        if not separator or not name.strip():
            raise InvalidServer(f"Write {form}, one on each line.")
        found[name.strip()] = value.strip() if between == ":" else value
    return found
