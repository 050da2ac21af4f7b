"""Hooks as they are written, typed into their form, and listed by the CLI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opcode_htmx.engines.claude.config import queries
from tests.support.apps.local_server import Answer, LocalServer, said_by_claude
from tests.support.pages import dom

HOOKS: dict[str, Any] = {
    "PreToolUse": [
        {
            "matcher": "Bash",
            "note": "kept",
            "hooks": [
                {"type": "command", "command": "true", "unheard": {"of": 1}},
                {
                    "type": "http",
                    "url": "https://a.example/in?key=k3y",
                    "headers": {"X-Key": "s3cret"},
                },
            ],
        }
    ]
}
USER = {"model": "sonnet", "hooks": HOOKS, "unknownToAll": [1]}


def content(path: Path) -> Any:
    return json.loads(path.read_text())


def rows(server: LocalServer, **query: str) -> dict[str, str]:
    """The hooks in the list by the words of their rows, with their addresses."""
    answer = server.get("/claude/hooks", params=query)
    assert answer.status_code == 200
    return {
        " ".join(each.text.split()): each.attributes["href"] or ""
        for each in dom.parse(answer.text).walk()
        if each.tag == "a" and "/claude/hooks/hook?" in (each.attributes.get("href") or "")
    }


def address_of(server: LocalServer, words: str, **query: str) -> str:
    return next(address for row, address in rows(server, **query).items() if words in row)


def fields(html: str) -> dict[str, str]:
    """What a browser would send of the page's form, but for the button and the CSRF token."""
    found: dict[str, str] = {}
    form = [each for each in dom.parse(html).walk() if each.tag == "form"][-1]
    for each in form.walk():
        name, kind = each.attributes.get("name"), each.attributes.get("type")
        if not name or name == "csrf_token":
            continue
        if each.tag == "textarea":
            found[name] = each.text.removeprefix("\n")
        elif each.tag == "select":
            chosen = [o for o in each.walk() if o.tag == "option" and "selected" in o.attributes]
            found[name] = (chosen[0].attributes["value"] or "") if chosen else ""
        elif each.tag == "input" and (
            kind not in ("radio", "checkbox") or "checked" in each.attributes
        ):
            found[name] = each.attributes.get("value") or ""
    return found


def opened(server: LocalServer, address: str) -> dict[str, str]:
    answer = server.get(address)
    assert answer.status_code == 200
    return fields(answer.text)


def add(server: LocalServer, kind: str, project: str = "", **typed: str) -> Answer:
    query = f"kind={kind}" + (f"&folder={project}" if project else "")
    form = opened(server, f"/claude/hooks/new?{query}")
    return server.post("/claude/hooks/new", {**form, **typed})


def listed_by_the_cli(server: LocalServer, folder: Path | None = None) -> list[dict[str, Any]]:
    """The hooks in the words of the real CLI; those of the user alone without a folder."""
    answer: Any = said_by_claude(server.app, folder).answer(queries.HOOKS)
    found: list[dict[str, Any]] = answer["hooks"]
    return found
