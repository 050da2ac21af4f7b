"""What both test servers answer to the JSON-RPC messages of MCP."""

from __future__ import annotations

from typing import Any

TOOLS = [
    {
        "name": "count_apples",
        "description": "Count the apples <on> one tree.",
        "inputSchema": {"type": "object", "properties": {"tree": {"type": "string"}}},
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "fell",
        "description": "Fell a tree.",
        "inputSchema": {"type": "object"},
        "annotations": {"destructiveHint": True},
    },
]


def answer(message: dict[str, Any]) -> dict[str, Any] | None:
    """The answer to a request; None for a notification."""
    if "id" not in message:
        return None
    result: dict[str, Any]
    match message.get("method"):
        case "initialize":
            result = {
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "orchard", "version": "1.2.3"},
            }
        case "tools/list":
            result = {"tools": TOOLS}
        case "ping":
            result = {}
        case "tools/call":
            result = {"content": [{"type": "text", "text": "7 apples"}]}
        case _:
            error = {"code": -32601, "message": "Method not found"}
            return {"jsonrpc": "2.0", "id": message["id"], "error": error}
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}
