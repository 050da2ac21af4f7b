"""A stand-in for the CLI that keeps a journal of its actions, separate from its output.

The prompt is a JSON list of steps; see `STEPS`. Every line that it writes, on stdout and on stderr,
carries a mark: run, session and a number that counts from 0. The lines written, prompts read and
answers received are entries in a file named after the run in the folder CHAOS_JOURNAL. Each entry
is appended after its action, so at most one written line is missing when the process is killed. It
runs from a folder of its own and so must not import the app.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

RUN = os.environ.get("OPCODE_RUN_ID", "")
SLEEP = ["sleep", "600"]
STUBBORN = ["sh", "-c", "trap '' TERM HUP INT; sleep 600 & exec sleep 600"]

prompts: deque[dict[str, object]] = deque()
"""Prompts that arrived while a request was open."""


class Interrupted(Exception):
    """The person wants the turn to end."""


class Writer:
    """Numbers lines, writes them, and records them in the journal."""

    def __init__(self, session: str, journal: Path) -> None:
        self.session = session
        self._journal = os.open(journal / RUN, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.lines = 0
        self.errors = 0

    def note(self, *words: object) -> None:
        os.write(self._journal, (" ".join(map(str, words)) + "\n").encode())

    def mark(self, number: int) -> str:
        return f"{RUN}/{self.session}/{number};"

    def bytes(self, line: bytes, *, in_two: float = 0.0) -> None:
        """A line that ends with its newline, with a pause in its middle if one is given."""
        half = len(line) // 2 if in_two else 0
        os.write(1, line[:half])
        time.sleep(in_two)
        rest = memoryview(line)[half:]
        while rest:
            rest = rest[os.write(1, rest) :]
        self.note("line", self.lines)
        self.lines += 1

    def say(self, value: dict[str, object], *, in_two: float = 0.0) -> None:
        marked = {**value, "session_id": self.session, "chaos": self.mark(self.lines)}
        self.bytes(json.dumps(marked).encode() + b"\n", in_two=in_two)

    def complain(self) -> None:
        os.write(2, f"complaint {self.mark(self.errors)}\n".encode())
        self.note("error", self.errors)
        self.errors += 1


out: Writer


def words() -> str:
    return f"**{out.session}** says `line {out.lines}` of {RUN}"


def message(content: dict[str, object], message_id: str = "") -> dict[str, object]:
    message_id = message_id or f"msg_{RUN}_{out.lines}"
    return {
        "type": "assistant",
        "message": {"id": message_id, "role": "assistant", "content": [content]},
        "uuid": f"u-{message_id}",
    }


def say(count: int, pause: float) -> None:
    for _ in range(count):
        out.say(message({"type": "text", "text": words()}))
        time.sleep(pause)


def stream(count: int, pause: float) -> None:
    """An answer that is streamed in pieces, and then repeated in full."""
    message_id = f"msg_{RUN}_{out.lines}"

    def event(**event: object) -> None:
        out.say({"type": "stream_event", "event": event, "api_message_id": message_id})

    event(type="message_start", message={"id": message_id})
    event(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
    text = ""
    for number in range(count):
        piece = words() + ("\n\n" if number % 10 == 9 else " ")
        text += piece
        event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
        time.sleep(pause)
    event(type="content_block_stop", index=0)
    out.say(message({"type": "text", "text": text}, message_id))


def tool(count: int) -> None:
    for _ in range(count):
        call = f"toolu_{RUN}_{out.lines}"
        command = {"command": f"echo {out.session}"}
        out.say(message({"type": "tool_use", "id": call, "name": "Bash", "input": command}))
        result = {"type": "tool_result", "tool_use_id": call, "content": words()}
        content = {"role": "user", "content": [result]}
        out.say({"type": "user", "message": content, "uuid": f"u-{call}"})


def half_and_die(number: int) -> None:
    line = json.dumps({**message({"type": "text", "text": words()}), "chaos": out.mark(out.lines)})
    os.write(1, line[: len(line) // 2].encode())
    os.kill(os.getpid(), number)


def garbage(count: int) -> None:
    for number in range(count):
        mark = out.mark(out.lines).encode()
        shapes = (b"no JSON %s\n", b'{"type": "assistant", %s\n', b"\xff\xfe \x80 %s \xc3\n")
        out.bytes(shapes[number % len(shapes)] % mark)


def child(kind: str) -> None:
    """Start a process that outlives the turn, in its own session; a daemon is also reparented."""
    match kind:
        case "daemon":
            shell = ["sh", "-c", "setsid sleep 600 </dev/null >/dev/null 2>&1 &"]
            subprocess.run(shell, check=True)
        case _:
            command = STUBBORN if kind == "stubborn" else SLEEP
            null = subprocess.DEVNULL
            subprocess.Popen(command, start_new_session=True, stdin=null, stdout=null, stderr=null)


def ask(request_id: str) -> None:
    """Ask for permission and wait for the answer, which is echoed; prompts are queued."""
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "true"}}
    out.say({"type": "control_request", "request_id": request_id, "request": request})
    while True:
        line = next_line()
        if line["type"] == "user":
            prompts.append(line)
        elif line["type"] == "control_response":
            response = line["response"]
            assert isinstance(response, dict)
            out.note("answer", response["request_id"])
            out.say(line)
            return


def deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def hang() -> None:
    """Hang for ever without reading stdin."""
    while True:
        time.sleep(60)


def shut() -> None:
    """Close stdout and stay."""
    os.close(1)
    hang()


def big(size: int) -> None:
    out.say(message({"type": "text", "text": words() + " x" * (size // 2)}))


def complain(count: int) -> None:
    for _ in range(count):
        out.complain()


STEPS: dict[str, Callable[..., None]] = {
    "say": say,  # lines, seconds between them: each a whole answer
    "stream": stream,  # pieces, seconds between them
    "tool": tool,  # calls with their results
    "half": lambda pause: out.say(message({"type": "text", "text": words()}), in_two=pause),
    "half and die": half_and_die,  # by which signal
    "big": big,  # bytes in one line
    "garbage": garbage,  # lines that are no JSON, or no UTF-8
    "complain": complain,  # lines on stderr
    "child": child,  # of which kind
    "ask": ask,  # the id of the request
    "deaf": deaf,
    "hang": hang,
    "shut": shut,
    "pause": time.sleep,  # seconds
    "exit": os._exit,  # status
    "signal": lambda number: os.kill(os.getpid(), number),
}


def next_line() -> dict[str, object]:
    while True:
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        value: dict[str, object] = json.loads(line)
        request = value.get("request")
        if isinstance(request, dict) and request.get("subtype") == "interrupt":
            raise Interrupted
        if value["type"] in ("user", "control_response"):
            return value


def next_prompt() -> dict[str, object]:
    if prompts:
        return prompts.popleft()
    while True:
        try:
            if (line := next_line())["type"] == "user":
                return line
        except Interrupted:
            continue


def turn(prompt: dict[str, object]) -> None:
    out.note("prompt", prompt["uuid"])
    out.say({**prompt, "isReplay": True})
    said = prompt["message"]
    assert isinstance(said, dict)
    error = False
    try:
        for name, *arguments in json.loads(said["content"]):
            STEPS[name](*arguments)
    except Interrupted:
        error = True
    uuid = f"r-{RUN}-{out.lines}"
    out.say({"type": "result", "subtype": "success", "uuid": uuid, "is_error": error})
    out.note("done", prompt["uuid"])


def main() -> None:
    global out
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print("2.1.330 (Claude Code)")
    elif arguments == ["auth", "status"]:
        print(json.dumps({"loggedIn": True}))
    elif RUN:
        flag = "--resume" if "--resume" in arguments else "--session-id"
        session = arguments[arguments.index(flag) + 1]
        out = Writer(session, Path(os.environ["CHAOS_JOURNAL"]))
        while True:
            turn(next_prompt())


main()
