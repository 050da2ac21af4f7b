"""Commands of clients of /ws/claude, and what an MCP server asks of one."""

from __future__ import annotations

from typing import Any

from tests.support.clients.json_client import JsonClient
from tests.support.environment import Sandbox


def execute(client: JsonClient, sandbox: Sandbox, prompt: str, **more: Any) -> str:
    """Begin a session; its id."""
    client.send(command_type="execute", project_path=str(sandbox.project), prompt=prompt, **more)
    session_id: str = client.until("start")["session_id"]
    return session_id


ELICITATION = {
    "subtype": "elicitation",
    "mcp_server_name": "orchard",
    "message": "Which?",
    "requested_schema": {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
}


def elicits(request_id: str) -> list[object]:
    """A step of the stand-in in which an MCP server asks the person, until that has answered."""
    asked = {"type": "control_request", "request_id": request_id, "request": ELICITATION}
    return ["say", asked]
