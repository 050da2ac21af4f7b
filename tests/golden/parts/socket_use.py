"""A fixed talk over each of the sockets, with the stand-in for Claude."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

from tests.golden.parts import shapes
from tests.golden.parts.socket_endings import MOST_VIEWERS, Endings
from tests.golden.parts.sockets import (
    CHATS,
    WAITS,
    Sockets,
    steps,
)
from tests.support.clients.json_client import Message, connected
from tests.support.environment import Sandbox, until
from tests.support.server import Server

Recorded = dict[str, Any]
SESSION = "11111111-1111-4111-8111-111111111111"
PROMPT = "22222222-2222-4222-8222-222222222222"


ASKS = steps(["ask", "request-1"])
FAILS = steps(["stderr", "out of plums"], ["exit", 3])


def record(folder: Path, claude: Path) -> Recorded:
    sandbox = Sandbox(folder / "home").make()
    server = Server(
        sandbox,
        claude,
        "",
        OPCODE_TASK_FOLDER=str(sandbox.project),
        OPCODE_MAX_VIEWERS=str(MOST_VIEWERS),
        OPCODE_STOP_DEADLINE="1",
    )
    try:
        server.start()
        return {**Talk(server).record(), **Endings(server).record()}
    finally:
        server.close()


class Talk(Sockets):
    """What is said on each of the sockets."""

    def record(self) -> Recorded:
        return {
            "commands": self.commands(),
            "refused_commands": self.refused_commands(),
            "tasks": self.tasks(),
            "chat": self.chat(),
            "page": self.page(),
            "cursors": self.cursors(),
        }

    def masked(self, messages: object) -> Any:
        return shapes.masked_json(messages, self.names)

    # --- the commands of /ws/claude ---------------------------------------------------------------

    def commands(self) -> Recorded:
        heard: Recorded = {}
        with connected(self.server) as client:

            def note(name: str, *, ordered: bool = True) -> None:
                found = self.masked(client.messages)
                heard[name] = found if ordered else shapes.distinct(found)
                client.messages.clear()

            def execute(text: str, **more: object) -> None:
                project = str(self.server.sandbox.project)
                client.send(command_type="execute", project_path=project, prompt=text, **more)

            execute("hello", session_id=SESSION, prompt_id=PROMPT, model="opus")
            client.until("completion")
            note("greeting, execute")
            client.send(command_type="prompt", session_id=SESSION, prompt=ASKS)
            client.until("permission_request")
            answer = {"request_id": "request-1", "decision": "deny", "reason": "Not today."}
            client.send(command_type="permission", session_id=SESSION, **answer)
            client.until("completion")
            note("prompt, permission")
            client.send(command_type="prompt", session_id=SESSION, prompt=WAITS)
            client.until(lambda message: '"text": "one"' in message.get("content", ""))
            client.send(command_type="cancel", session_id=SESSION)
            client.until("ended")
            note("cancel", ordered=False)
            client.send(command_type="resume", session_id=SESSION, prompt="again", **self.where())
            client.until("completion")
            note("resume")
            client.send(command_type="continue", prompt="and on", **self.where())
            client.until("completion")
            note("continue")
            execute(FAILS)
            failed = client.until("ended")["session_id"]
            note("a failure", ordered=False)
        with connected(self.server) as client:
            client.send(command_type="attach", session_id=failed)
            client.until("ended")
            heard["attach"] = shapes.distinct(self.masked(client.messages))
        return heard

    def where(self) -> dict[str, str]:
        return {"project_path": str(self.server.sandbox.project)}

    def refused_commands(self) -> Recorded:
        project = {"project_path": "~", "prompt": "x"}
        commands: dict[str, dict[str, object]] = {
            "unknown type": {"command_type": "explode"},
            "a field is missing": {"command_type": "execute", "prompt": "x"},
            "an unknown field": {"command_type": "execute", **project, "promt": "y"},
            "a folder outside": {"command_type": "execute", "project_path": "/x", "prompt": "x"},
            "bypass": {
                "command_type": "execute",
                **project,
                "permission_mode": "bypassPermissions",
                "prompt_id": PROMPT,
            },
            "an unknown session": {"command_type": "attach", "session_id": str(uuid.uuid4())},
            "a bad cursor": {"command_type": "attach", "session_id": SESSION, "cursor": "what"},
            "nothing to cancel": {"command_type": "cancel"},
        }
        return {name: self.answer(command) for name, command in commands.items()}

    def answer(self, command: dict[str, object]) -> Any:
        with connected(self.server) as client:
            client.send(**command)
            return self.masked(client.until("error"))

    # --- tasks ------------------------------------------------------------------------------------

    def tasks(self) -> Recorded:
        """What is ours among the frames, and the code at the end."""
        messages = {
            "a turn that is over": json.dumps({"prompt": "hello", "meta": "T-1"}),
            "a process that failed": json.dumps({"prompt": FAILS, "meta": "T-2"}),
            "no JSON": "nonsense",
            "no task": "{}",
            "a bad meta": json.dumps({"prompt": "x", "meta": "lower"}),
            "an unknown field": json.dumps({"prompt": "x", "meta": "T", "model": "y"}),
        }
        return {name: self.task(message) for name, message in messages.items()}

    def task(self, message: str) -> Any:
        with connected(self.server) as client:
            client.ws.send(message)
            frames = [json.loads(frame) for frame in client.frames()]
            errors = [frame for frame in frames if frame.get("type") == "error"]
            lines = [frame["type"] for frame in frames if frame.get("type") != "error"]
            return {
                "greeting": client.messages,
                "lines": lines,
                "errors": shapes.distinct(self.masked(errors)),
                "code": client.code,
            }

    # --- the chat ---------------------------------------------------------------------------------

    def chat(self) -> Recorded:
        path = f"{CHATS}/{self.create()}/chat"
        with connected(self.server, path) as one, connected(self.server, path) as other:
            for client in (one, other):
                client.until("backlog")
            one.send(type="user_message", content="hello", promptId=PROMPT)
            for client in (one, other):
                client.until("turn_complete")
            one.send(type="user_message", content=ASKS)
            for client in (one, other):
                client.until("permission_request")
            answer = {"requestId": "request-1", "allow": False, "message": "Not today."}
            one.send(type="permission_response", **answer)
            for client in (one, other):
                client.until("turn_complete")
            one.send(type="ping")
            one.until("pong")
            one.send(type="explode")
            one.until("error")
            one.send(type="user_message", content=WAITS)
            one.until(lambda message: message.get("content") == "one")
            one.send(type="cancel")
            for client in (one, other):
                client.until("ended")
            one.send(type="user_message", content=FAILS)
            for client in (one, other):
                client.until("ended")
            heard = {"who speaks": one.messages, "who listens": other.messages}
        return {name: self.by_type(messages) for name, messages in heard.items()}

    def by_type(self, messages: list[Message]) -> Recorded:
        """The different messages of each type; turns take some milliseconds or others."""
        for message in messages:
            if message["type"] == "turn_complete":
                message["durationMs"] = shapes.shape(message["durationMs"])
        found = shapes.distinct(self.masked(messages))
        return {
            kind: [each for each in found if each["type"] == kind]
            for kind in {message["type"] for message in messages}
        }

    # --- the page ---------------------------------------------------------------------------------

    def page(self) -> Recorded:
        """How the fragments find their places, and the form of the cursor."""
        path = self.begin("hello")
        until(lambda: "tokens in," in self.server.get(path).text, "the turn ends")
        with connected(self.server, f"{path}/live", greeted=False) as client:
            message = client.ws.recv()
        cursor = re.search(r'id="cursor" value="([^"]+)"', message)
        assert cursor
        return {
            "path": shapes.masked(path, self.names),
            "upserts": sorted(set(re.findall(r"<hx-upsert ([^>]*)>", message))),
            "replaced": sorted(re.findall(r'<[a-z]+ [^>]*\bid="([^"]+)"[^>]*hx-swap-oob', message)),
            "cursor": re.sub(r"\d+", "NUMBER", cursor[1]),
        }

    # --- cursors ----------------------------------------------------------------------------------

    def cursors(self) -> Recorded:
        """For each line that was sent: its cursor's offset, and where the line ends in the file."""
        with connected(self.server) as client:
            client.send(command_type="execute", **self.where(), prompt="grün und blau")
            client.until("completion")
            outputs, run = client.of_type("output"), client.of_type("start")[0]["run_id"]
        path = self.server.sandbox.state / "runs" / run / "out.ndjson"
        ends = [0]
        for line in path.read_bytes().splitlines(keepends=True):
            ends.append(ends[-1] + len(line))
        page = self.begin("grün und blau")
        until(lambda: "tokens in," in self.server.get(page).text, "the turn ends")
        seen = re.search(r'id="cursor" value="\d+:(\d+):', self.server.get(page).text)
        assert seen
        return {
            "sent": [int(output["cursor"].split(".")[1]) for output in outputs],
            "in the file": ends[1:],
            "page": int(seen[1]),
            "its file": self.size_of_output(page.rpartition("/")[2]),
        }

    def size_of_output(self, session_id: str) -> int:
        for file in self.server.sandbox.state.glob("runs/*/run.json"):
            if json.loads(file.read_bytes())["session_id"] == session_id:
                return file.with_name("out.ndjson").stat().st_size
        raise AssertionError(session_id)
