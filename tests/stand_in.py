"""A stand-in for the Claude CLI that does on request what the real one does not do.

The prompt is a JSON list of steps: `["lines", 1000]` writes numbered lines, `["text", "…"]` an
answer, `["half", "…", seconds]` a line in two halves, `["big", bytes]` one long line, `["raw",
"…"]` text as it stands, `["stderr", "…"]`, `["deaf"]` ignores SIGTERM and interrupts,
`["grandchild"]` leaves a sleeping process in a session of its own, `["ask", id]` asks permission
and waits for the answer, `["wait", path]` waits until a file exists, `["exit", status]` ends.
Any other prompt is answered with its own text. Without a step that ends, the turn is closed.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SESSION = "unknown"


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def answer(text: str, number: int = 0) -> None:
    content = [{"type": "text", "text": text}]
    message = {"id": f"msg_{time.time_ns()}_{number}", "role": "assistant", "content": content}
    say({"type": "assistant", "message": message, "uuid": "", "session_id": SESSION})


def half(text: str, seconds: float) -> None:
    content = [{"type": "text", "text": text}]
    message = {"id": f"msg_{time.time_ns()}", "role": "assistant", "content": content}
    line = json.dumps({"type": "assistant", "message": message, "session_id": SESSION})
    sys.stdout.write(line[: len(line) // 2])
    sys.stdout.flush()
    time.sleep(seconds)
    sys.stdout.write(line[len(line) // 2 :] + "\n")
    sys.stdout.flush()


def ask(request_id: str) -> None:
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "true"}}
    say({"type": "control_request", "request_id": request_id, "request": request})
    while True:
        line = json.loads(sys.stdin.readline())
        if line.get("type") == "control_response":
            say(line)
            return


def do(step: list[object]) -> None:
    match step:
        case ["lines", int(count)]:
            for number in range(count):
                answer(f"line {number}", number)
        case ["text", str(text)]:
            answer(text)
        case ["half", str(text), int() | float() as seconds]:
            half(text, seconds)
        case ["big", int(size)]:
            answer("x" * size)
        case ["raw", str(text)]:
            sys.stdout.write(text)
            sys.stdout.flush()
        case ["stderr", str(text)]:
            print(text, file=sys.stderr, flush=True)
        case ["deaf"]:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case ["grandchild"]:
            command = ["sleep", "600"]
            subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
        case ["ask", str(request_id)]:
            ask(request_id)
        case ["wait", str(path)]:
            while not Path(path).exists():
                time.sleep(0.01)
        case ["exit", int(status)]:
            sys.stdout.flush()
            os._exit(status)
        case _:
            raise ValueError(step)


def turn(text: str) -> None:
    try:
        steps = json.loads(text)
    except ValueError:
        steps = [["text", text]]
    for step in steps:
        do(step)
    say({"type": "result", "subtype": "success", "uuid": f"r{time.time_ns()}", "is_error": False})


def main() -> None:
    global SESSION
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print("2.1.330 (Claude Code)")
    elif arguments == ["auth", "status"]:
        print(json.dumps({"loggedIn": True}))
    else:
        flag = "--resume" if "--resume" in arguments else "--session-id"
        SESSION = arguments[arguments.index(flag) + 1]
        while line := sys.stdin.readline():
            value = json.loads(line)
            if value["type"] == "user":
                say({**value, "isReplay": True, "session_id": SESSION})
                turn(value["message"]["content"])


main()
