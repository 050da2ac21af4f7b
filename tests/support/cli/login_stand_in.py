"""A stand-in for the Claude CLI that can be logged in to and out of, and updated.

The real one exchanges a code with its maker only. The code `good-code` is accepted; the file
`account` in CLAUDE_CONFIG_DIR says who is logged in.
"""

import json
import os
import sys
from pathlib import Path

ACCOUNT = Path(os.environ.get("CLAUDE_CONFIG_DIR", "/nonexistent")) / "account"
VERSION = Path(sys.argv[0]).with_suffix(".version")


def answered(request: dict[str, str]) -> dict[str, object]:
    match request["subtype"]:
        case "claude_authenticate":
            return {"manualUrl": "https://login.example/authorize?code=true&state=the-state"}
        case "claude_oauth_callback" if request["authorizationCode"] != "good-code":
            raise ValueError("Request failed with status code 400")
        case "claude_oauth_callback":
            ACCOUNT.write_text("ann@example.org")
    return {}


def main(arguments: list[str]) -> int:
    match arguments:
        case ["--version"]:
            print(VERSION.read_text() if VERSION.exists() else "2.1.330 (Claude Code)")
        case ["update"]:
            VERSION.write_text("2.1.999 (Claude Code)")
            print("Successfully updated to 2.1.999")
        case ["auth", "logout"]:
            ACCOUNT.unlink(missing_ok=True)
        case ["auth", "status", *_]:
            account = ACCOUNT.read_text() if ACCOUNT.exists() else ""
            method = "claude.ai" if account else "none"
            secret = {"accessToken": "t0p-secret"}
            status = {"loggedIn": bool(account), "authMethod": method, "email": account, **secret}
            print(json.dumps(status))
            return 0 if account else 1
        case _:
            for line in sys.stdin:
                found = json.loads(line)
                response = {"request_id": found["request_id"], "subtype": "success"}
                try:
                    response["response"] = answered(found["request"])
                except ValueError as error:
                    response |= {"subtype": "error", "error": str(error)}
                print(json.dumps({"type": "control_response", "response": response}), flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
