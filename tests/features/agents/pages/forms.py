"""The form of an agent, as it is typed and as a page holds it."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from tests.support.pages.claude_pages import form_of

FORM = {
    "name": "Pruner",
    "icon": "shield",
    "system_prompt": "Prune the trees.\n",
    "default_task": "Prune",
    "may_read_files": "on",
    "denied_tools": "Bash(rm:*)\n\nBash(rm:*)",
    "hooks": "",
}


def fields(page: str) -> dict[str, str]:
    """The form of an agent's page, with only the switches that are on."""
    found = form_of(page)
    for name in ("may_read_files", "may_write_files", "may_use_network", "replaces_prompt"):
        if f'name="{name}" value="on" checked' not in page:
            found.pop(name, None)
    return found


def api(client: FlaskClient, path: str = "") -> Any:
    return client.get(f"/api/agents{path}").get_json()["data"]
