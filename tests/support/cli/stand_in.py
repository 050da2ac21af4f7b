"""A stand-in for the Claude CLI with scripted behaviour that the real one does not show.

The prompt is a JSON list of steps: `["lines", 1000]` writes numbered lines, `["text", "…"]` an
answer, `["half", "…", seconds]` a line in two halves, `["big", bytes]` one long line, `["raw",
"…"]` text as it stands, `["bytes", "ff"]` bytes by their digits, `["stderr", "…"]`, `["deaf"]`
ignores SIGTERM and interrupts, `["grandchild"]` leaves a sleeping process in a session of its own,
`["start", "…", …]` starts a program beside it,
`["ask", id]` asks permission and waits for the answer, `["ask", id, path]` reads nothing before a
file exists, `["request", id, subtype]` makes another request and answers with the response,
`["wait", path]` waits, without reading, until a file exists, `["report"]` answers with its
arguments, folder, umask and environment, `["signal", number]` signals itself, `["exit", status]`
ends at once, `["exit after turn", status]` when the turn is closed, `["exit on term", status]` when
it gets SIGTERM. `["say", {…}]` writes any object as a line, `["flood", count]` many lines as fast
as it can, `["fill", bytes]` a line that does not end, `["close", "stdout"]` closes that for good,
`["after turn", step]` does a step when the turn is closed, `["copy", path]` writes what stands in
a file. Any other prompt is answered with its
own text. Without a step that ends, the turn is closed.

The tests start it a thousand times and more, so it imports as little as it can, and is itself
imported by the command that environment.write_stand_in makes, which has its version.
"""

# `signal` imports `enum`, and `json` imports `re`, which would be half of a start.
import _signal as signal  # type: ignore[import-not-found]
import os
import sys
import time
from _json import encode_basestring_ascii, make_encoder, make_scanner
from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SESSION = "unknown"

_READING = {"strict": True, "object_hook": None, "object_pairs_hook": None}
_context: "Any" = SimpleNamespace(
    **_READING, parse_float=float, parse_int=int, parse_constant=float, memo={}
)
_scan = make_scanner(_context)
_other: "Any" = None
_encode = make_encoder({}, _other, encode_basestring_ascii, None, ": ", ", ", False, False, True)


def loads(text: str) -> "Any":
    return _scan(text.strip(), 0)[0]


def dumps(value: object) -> str:
    return "".join(_encode(value, 0))


prompts: list[dict[str, object]] = []
"""Prompts that arrived while a request was open."""

exit_after_turn: list[int] = []
after_turn: list[list[object]] = []


def say(value: object) -> None:
    sys.stdout.write(dumps(value) + "\n")
    sys.stdout.flush()


def answer(text: str, number: int = 0) -> None:
    content = [{"type": "text", "text": text}]
    message = {"id": f"msg_{time.time_ns()}_{number}", "role": "assistant", "content": content}
    say({"type": "assistant", "message": message, "uuid": "", "session_id": SESSION})


def half(text: str, seconds: float) -> None:
    content = [{"type": "text", "text": text}]
    message = {"id": f"msg_{time.time_ns()}", "role": "assistant", "content": content}
    line = dumps({"type": "assistant", "message": message, "session_id": SESSION})
    sys.stdout.write(line[: len(line) // 2])
    sys.stdout.flush()
    time.sleep(seconds)
    sys.stdout.write(line[len(line) // 2 :] + "\n")
    sys.stdout.flush()


def request(request_id: str, deaf_until: str = "", /, **what: object) -> dict[str, object]:
    """Make a request and wait for its answer; prompts that come first have to wait."""
    say({"type": "control_request", "request_id": request_id, "request": what})
    while deaf_until and not os.path.exists(deaf_until):
        time.sleep(0.01)
    while True:
        line: dict[str, object] = loads(sys.stdin.readline())
        if line["type"] == "control_response":
            return line
        if line["type"] == "user":
            prompts.append(line)


def flood(count: int) -> None:
    """Lines that are ready before the first of them is written."""
    content = [{"type": "text", "text": "NUMBER"}]
    message = {"id": "msg_NUMBER", "role": "assistant", "content": content}
    line = dumps({"type": "assistant", "message": message, "session_id": SESSION}) + "\n"
    head, middle, tail = line.encode().split(b"NUMBER")
    lines = (b"%s%d%s%d%s" % (head, each, middle, each, tail) for each in range(count))
    data = b"".join(lines)
    sys.stdout.flush()
    while data:
        data = data[os.write(1, data) :]


def report() -> str:
    umask = os.umask(0o077)
    os.umask(umask)
    return dumps(
        {
            "arguments": sys.argv[1:],
            "folder": os.getcwd(),
            "umask": umask,
            "environment": dict(os.environ),
        }
    )


def start(command: list[str], *, start_new_session: bool = False) -> None:
    import subprocess

    subprocess.Popen(command, start_new_session=start_new_session, stdin=subprocess.DEVNULL)


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
        case ["bytes", str(digits)]:
            sys.stdout.buffer.write(bytes.fromhex(digits))
            sys.stdout.flush()
        case ["copy", str(path)]:
            sys.stdout.flush()
            with open(str(path), "rb") as file:
                sys.stdout.buffer.write(file.read())
            sys.stdout.flush()
        case ["stderr", str(text)]:
            print(text, file=sys.stderr, flush=True)
        case ["deaf"]:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case ["grandchild"]:
            start(["sleep", "600"], start_new_session=True)
        case ["start", *program]:
            start([str(part) for part in program])
        case ["ask", str(request_id), *deaf_until]:
            tool: dict[str, object] = {"tool_name": "Bash", "input": {"command": "true"}}
            wait = "".join(map(str, deaf_until))
            say(request(request_id, wait, subtype="can_use_tool", **tool))
        case ["request", str(request_id), str(subtype)]:
            answer(dumps(request(request_id, subtype=subtype)))
        case ["wait", str(path)]:
            while not os.path.exists(str(path)):
                time.sleep(0.01)
        case ["report"]:
            answer(report())
        case ["signal", int(number)]:
            os.kill(os.getpid(), number)
        case ["exit", int(status)]:
            sys.stdout.flush()
            os._exit(status)
        case ["exit after turn", int(status)]:
            exit_after_turn.append(status)
        case ["exit on term", int(status)]:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(status))
        case ["say", dict(value)]:
            say(value)
        case ["flood", int(count)]:
            flood(count)
        case ["fill", int(size)]:
            sys.stdout.write("x" * size)
            sys.stdout.flush()
        case ["close", str(name)]:
            os.close(("stdin", "stdout", "stderr").index(name))
        case ["after turn", list(step)]:
            after_turn.append(step)
        case _:
            raise ValueError(step)


def turn(text: str) -> None:
    steps: list[list[object]] = loads(text) if text.startswith("[[") else [["text", text]]
    for step in steps:
        do(step)
    say({"type": "result", "subtype": "success", "uuid": f"r{time.time_ns()}", "is_error": False})
    while after_turn:
        do(after_turn.pop(0))
    if exit_after_turn:
        sys.exit(exit_after_turn[0])


def next_prompt() -> dict[str, object] | None:
    if prompts:
        return prompts.pop(0)
    while line := sys.stdin.readline():
        value: dict[str, object] = loads(line)
        if value["type"] == "user":
            return value
    return None


def answer_queries() -> None:
    """Refuse each query, as the real CLI does with one that it does not know."""
    for line in sys.stdin:
        request = loads(line)
        known = request["request"]["subtype"] == "initialize"
        response = {"subtype": "success", "response": {}} if known else {"subtype": "error"}
        response |= {} if known else {"error": "Unsupported control request"}
        say(
            {
                "type": "control_response",
                "response": {**response, "request_id": request["request_id"]},
            }
        )


def main() -> None:
    global SESSION
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup make test` has it ignored
    arguments = sys.argv[1:]
    if "--no-session-persistence" in arguments:
        answer_queries()
        return
    if arguments[:2] == ["auth", "status"]:
        print(dumps({"loggedIn": True}))
    elif arguments[:2] == ["plugin", "list"]:
        print(dumps({"installed": [], "available": [{"pluginId": "greeter@orchard"}]}))
    elif arguments[:3] == ["plugin", "marketplace", "list"]:
        print(dumps([{"name": "orchard", "source": "directory", "path": "/srv/orchard"}]))
    else:
        flag = "--resume" if "--resume" in arguments else "--session-id"
        SESSION = arguments[arguments.index(flag) + 1]
        while value := next_prompt():
            say({**value, "isReplay": True, "session_id": SESSION})
            message = value["message"]
            assert isinstance(message, dict)
            turn(message["content"])
