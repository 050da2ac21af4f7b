"""A tiny MCP server over stdin and stdout, with one tool: the weather in the orchard."""

import json
import sys

TOOL = {
    "name": "forecast",
    "description": "The weather of the next days",
    "inputSchema": {"type": "object", "properties": {"days": {"type": "integer"}}},
}
FORECAST = {"monday": "sunny, 21 °C", "tuesday": "rain in the afternoon, 17 °C"}


def result(method: str, params: dict[str, object]) -> dict[str, object] | None:
    match method:
        case "initialize":
            return {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "weather", "version": "1"},
            }
        case "tools/list":
            return {"tools": [TOOL]}
        case "tools/call":
            text = json.dumps(FORECAST, ensure_ascii=False)
            return {"content": [{"type": "text", "text": text}]}
    return None


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        found = result(message["method"], message.get("params") or {})
        reply: dict[str, object] = {"jsonrpc": "2.0", "id": message["id"]}
        if found is None:
            reply["error"] = {"code": -32601, "message": "There is no such method."}
        else:
            reply["result"] = found
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
