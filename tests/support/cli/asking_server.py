"""An MCP server over stdin and stdout whose tools ask the person: a form, or a page to open.

The result of a tool is the answer that it got, as JSON. What the tool `fleeting` asks is withdrawn
once there is a file `withdraw` in the folder in which this was started.
"""

import json
import sys
import threading
import time
from pathlib import Path

FORM: dict[str, object] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Your name", "minLength": 2},
        "email": {"type": "string", "format": "email"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "weight": {"type": "number"},
        "ripe": {"type": "boolean", "title": "Only ripe ones"},
        "fruit": {"type": "string", "enum": ["a", "p"], "enumNames": ["Apples", "Pears"]},
        "tools": {
            "type": "array",
            "items": {"anyOf": [{"const": "s", "title": "Saw"}, {"const": "l", "title": "Ladder"}]},
        },
        "day": {"type": "string", "format": "date"},
    },
    "required": ["name", "fruit", "count"],
}
ASKED: dict[str, dict[str, object]] = {
    "form": {"message": "How shall the harvest be?", "requestedSchema": FORM},
    "fleeting": {"message": "Which fruit, just now?", "requestedSchema": FORM},
    "page": {
        "mode": "url",
        "message": "Sign in to the orchard",
        "url": "https://orchard.example/sign-in?x=1",
        "elicitationId": "sign-in-1",
    },
}


def say(**message: object) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def withdraw(asked: str, number: object) -> None:
    """Take back a question when the time has come, and end its tool."""
    while not Path("withdraw").exists():
        time.sleep(0.02)
    say(method="notifications/cancelled", params={"requestId": asked, "reason": "too late"})
    say(id=number, result={"content": [{"type": "text", "text": '{"action": "withdrawn"}'}]})


def main() -> None:
    calls: dict[str, object] = {}
    for line in sys.stdin:
        message = json.loads(line)
        match message:
            case {"method": "initialize", "id": number, "params": params}:
                say(
                    id=number,
                    result={
                        "protocolVersion": params["protocolVersion"],
                        "capabilities": {"tools": {}},
                        "serverInfo": {"name": "orchard", "version": "1"},
                    },
                )
            case {"method": "tools/list", "id": number}:
                schema = {"type": "object", "properties": {}}
                tools = [
                    {"name": name, "description": name, "inputSchema": schema} for name in ASKED
                ]
                say(id=number, result={"tools": tools})
            case {"method": "tools/call", "id": number, "params": {"name": name}}:
                calls[f"ask-{number}"] = number
                say(id=f"ask-{number}", method="elicitation/create", params=ASKED[name])
                if name == "fleeting":
                    threading.Thread(
                        target=withdraw, args=(f"ask-{number}", number), daemon=True
                    ).start()
            case {"id": str(asked)} if asked in calls:
                text = json.dumps(message.get("result", message.get("error")), sort_keys=True)
                say(id=calls.pop(asked), result={"content": [{"type": "text", "text": text}]})
            case {"method": _, "id": number}:
                say(id=number, error={"code": -32601, "message": "There is no such method."})
            case _:
                pass


if __name__ == "__main__":
    main()
