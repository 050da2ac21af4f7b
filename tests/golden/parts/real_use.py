"""A fixed use of a server with the real CLI, recorded for the tests."""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.golden.parts import shapes
from tests.golden.parts.package import (
    MessagesApi,
    Scene,
    Text,
    ToolUse,
)
from tests.support.clients.json_client import connected
from tests.support.environment import (
    CHEAP_CLI,
    CLI_FOLDER,
    PASSWORD,
    USER,
    Sandbox,
    processes_of,
    until,
)
from tests.support.server import Server

Recorded = dict[str, Any]
BASIC = (USER, PASSWORD)


def record(folder: Path, claude: Path) -> Recorded:
    """Everything that the tests compare, from one server."""
    sandbox = Sandbox(folder / "home").make()
    scenes = (
        Scene("make", "make", [ToolUse("Bash", {"command": "python3 -c 1"}), Text("Made.")]),
        Scene("anything", "", [Text("Yes indeed.")]),
    )
    settings = {"OPCODE_MIN_FREE": "1M", "OPCODE_PERMISSION_MODE": "default"}
    with MessagesApi(scenes) as api:
        server = Server(sandbox, claude, api.url, **settings)
        try:
            return Use(server.start(), claude).record()
        finally:
            server.close()


class Use:
    """One person and one program at a server."""

    def __init__(self, server: Server, claude: Path) -> None:
        self.server = server
        self.sandbox = server.sandbox
        self.state = server.sandbox.state
        self.project = server.sandbox.project
        config = str(self.sandbox.config_dir)
        self.names = {
            str(self.state): "STATE",
            str(self.project): "PROJECT",
            config: "CONFIG",
            str(self.sandbox.home): "HOME",
            str(claude): "CLAUDE",
        }

    def record(self) -> Recorded:
        self.log_in()
        self.server.get("/new")  # which asks Claude what it offers
        plain = self.begin("Is it so?")
        self.turn_ends(plain, 1)
        started = {"default": self.process(plain)}
        chosen = self.begin("make it", model="opus", effort="high", permission_mode="acceptEdits")
        self.allow(chosen)
        self.turn_ends(chosen, 1)
        started["chosen"] = self.process(chosen)
        self.attach(chosen, "And this?", "plan.txt")
        self.turn_ends(chosen, 2)
        self.leave_a_draft(plain)
        self.choose(plain)
        assert self.server.post(f"{plain}/seen", {"block": "b-1"}).status_code == 303
        self.stop(chosen)
        assert self.server.post(f"{chosen}/prompt", prompt("once more")).status_code == 303
        self.turn_ends(chosen, 3)
        started["resumed"] = self.process(chosen)
        self.delete(self.begin("throw away"))
        chat = self.chat()
        self.trust()
        with self.look_at(plain):
            until(lambda: list((self.state / "viewing").rglob("*")), "the viewer is noted")
            until(lambda: list((self.state / "offers").glob("*.json")), "the offers are kept")
            held = shapes.folder(
                self.state, self.names, ("out.ndjson", "plan.txt", "current.ndjson")
            )
        return {
            "state": held,
            "processes": started,
            "chat": chat,
        }

    # --- steps ----------------------------------------------------------------------------------

    def log_in(self) -> None:
        """As a browser does, once with a wrong password."""
        for password, status in (("wrong", 401), (PASSWORD, 303)):
            answer = requests.post(
                f"{self.server.url}/login",
                data={"user": USER, "password": password},
                headers={"Origin": self.server.url},
                allow_redirects=False,
                timeout=20,
            )
            assert answer.status_code == status, answer.text

    def begin(self, text: str, **options: str) -> str:
        """A new session; the path of its page."""
        form = {"folder": str(self.project), "session_id": str(uuid.uuid4()), **prompt(text)}
        answer = self.server.post("/sessions", {**form, **options})
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"].removesuffix("#end")

    def turn_ends(self, path: str, number: int) -> None:
        until(lambda: self.server.get(path).text.count("tokens in,") == number, "the turn ends")

    def allow(self, path: str) -> None:
        found = until(
            lambda: re.search(r"/runs/[0-9a-f]{32}/asks/[^\"]+", self.server.get(path).text),
            "Claude asks",
        )
        assert found
        assert self.server.post(found[0], {"decision": "allow"}).status_code == 303

    def attach(self, path: str, text: str, name: str) -> None:
        """A prompt with a file."""
        answer = requests.post(
            f"{self.server.url}{path}/prompt",
            data=prompt(text),
            files=[("files", (name, b"words"))],
            auth=BASIC,
            timeout=20,
            allow_redirects=False,
        )
        assert answer.status_code == 303, answer.text

    def leave_a_draft(self, path: str) -> None:
        assert self.server.post(f"{path}/draft", {"prompt": "half a thought"}).status_code == 204
        answer = requests.post(
            f"{self.server.url}{path}/attachments",
            files=[("files", ("plan.txt", b"words"))],
            auth=BASIC,
            timeout=20,
        )
        assert answer.ok, answer.text

    def choose(self, path: str) -> None:
        form = {"model": "sonnet", "was_model": "", "was_keep_running": "on"}
        assert self.server.post(f"{path}/options", form).status_code == 303

    def stop(self, path: str) -> None:
        run = self.run_of(path)
        assert self.server.post(f"/runs/{run.name}/stop", {}).status_code == 303
        until(lambda: json.loads((run / "run.json").read_bytes())["end"], "the run has ended")
        until(lambda: not (run / "events.json").exists(), "all its events are in the journal")

    def delete(self, path: str) -> None:
        self.turn_ends(path, 1)
        self.stop(path)
        assert self.server.post(f"{path}/delete", {}).status_code == 303

    def chat(self) -> Recorded:
        """Another session over the chat's socket: the shapes of the messages of each type."""
        body = {"workingDir": str(self.project), "title": "Plums", "model": "opus"}
        answer = requests.post(
            f"{self.server.url}/api/claude/sessions", json=body, auth=BASIC, timeout=20
        )
        assert answer.status_code == 201, answer.text
        with connected(self.server, answer.json()["data"]["links"]["chat"]) as client:
            client.send(type="user_message", content="make it")
            request = client.until("permission_request")
            client.send(type="permission_response", requestId=request["requestId"], allow=True)
            client.until("turn_complete")
            types = {message["type"] for message in client.messages}
            return {
                kind: shapes.distinct(map(without_input, client.of_type(kind))) for kind in types
            }

    def trust(self) -> None:
        """A prompt in a project whose files would run something, refused and then trusted."""
        project = self.sandbox.home / "work" / "trusted"
        (project / ".claude").mkdir(parents=True)
        (project / ".claude" / "settings.json").write_text('{"env": {"FRUIT": "plum"}}')
        body = {"project_path": str(project), "prompt": "Is it so?"}
        for more, status in (({}, 409), ({"trust": True}, 202)):
            answer = requests.post(
                f"{self.server.url}/api/sessions/execute",
                json={**body, **more},
                auth=BASIC,
                timeout=30,
            )
            assert answer.status_code == status, answer.text
        session_id = answer.json()["data"]["session_id"]
        output = f"/api/sessions/{session_id}/output"
        until(lambda: '\\"type\\":\\"result\\"' in self.server.get(output).text, "the turn ends")

    @contextlib.contextmanager
    def look_at(self, path: str) -> Iterator[None]:
        with connected(self.server, f"{path}/live", greeted=False):
            yield

    # --- what came of them ----------------------------------------------------------------------

    def run_of(self, path: str) -> Path:
        """The folder of the newest run of a session."""
        session_id = path.rpartition("/")[2]
        records = {
            file.parent: json.loads(file.read_bytes())
            for file in self.state.glob("runs/*/run.json")
        }
        return max(
            (each for each, record in records.items() if record["session_id"] == session_id),
            key=lambda each: float(records[each]["created_at"]),
        )

    def process(self, path: str) -> Recorded:
        """How the live Claude of a session was started: its arguments, and its environment."""
        run = self.run_of(path)
        pid = json.loads((run / "run.json").read_bytes())["pid"]
        process = psutil.Process(pid)
        assert process in processes_of(self.state, run.name)
        given = self.sandbox.environment(self.server.api_url)
        of_tests = {*CHEAP_CLI, CLI_FOLDER}
        environ = {name: each for name, each in process.environ().items() if name not in of_tests}
        kept = {name: "as given" for name, value in given.items() if environ.get(name) == value}
        return {
            "arguments": shapes.masked_json(process.cmdline(), self.names),
            "folder": shapes.masked(process.cwd(), self.names),
            "environment": {**shapes.masked_json(environ, self.names), **kept},
        }


def without_input(message: Recorded) -> Any:
    """The shape of a message, with what a tool is given left to Claude."""
    return shapes.shape({**message, **{name: {} for name in ("input",) if name in message}})


def prompt(text: str) -> dict[str, str]:
    return {"prompt": text, "prompt_id": str(uuid.uuid4())}
