"""Memory that a server keeps for ended runs: after a hundred, and after a thousand.

Each run is a session of its own with one prompt, whose page is requested once. The stand-in is a
shell script, so that its start takes little of the measured time; it reports the models and
commands of the real CLI, at full length.
"""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from pathlib import Path

from bench.figures import Figure, Target
from bench.server import MB, NOBODY, running_server, worker_of
from opcode_htmx.engines.claude.engine import ClaudeCodec, ClaudeLauncher
from opcode_htmx.engines.identifiers import INITIALIZE_ID
from opcode_htmx.runs.capabilities import probe
from tests.support.environment import Sandbox, find_claude
from tests.support.server import Server

FEW, MANY = 100, 1000
AT_ONCE = 10
LIMIT = Target("ratio", 1.1)
END_SECONDS = 60.0
SETTLE_SECONDS = 2.0

STAND_IN = """#!/bin/sh
case "$1" in
--version) echo '2.1.330 (Claude Code)'; exit ;;
auth) echo '{"loggedIn": true}'; exit ;;
esac
while read -r line; do
  case "$line" in
  *'"initialize"'*) cat "$0.offer" ;;
  *'"type": "user"'*|*'"type":"user"'*)
    echo "$line" | sed 's/^{/{"isReplay": true, /'
    cat "$0.init"
    id=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || echo $$)
    echo '{"type": "assistant", "message": {"id": "msg_'$id'", "role": "assistant", "content":' \\
      '[{"type": "text", "text": "Done, and *well*."}]}, "uuid": ""}'
    echo '{"type": "result", "subtype": "success", "uuid": "'$id'"}'
    exit ;;
  esac
done
"""


def measure() -> list[Figure]:
    few, many = memory_after((FEW, MANY))
    what = f"Memory after {MANY:,} runs have ended"
    return [Figure(what, "MB", [many], f"after {FEW}", [few], LIMIT)]


def memory_after(counts: tuple[int, ...]) -> list[float]:
    """Memory of one server after each of these numbers of runs, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        stand_in = home / "claude"
        stand_in.write_text(STAND_IN, "utf-8")
        stand_in.chmod(0o700)
        sandbox = Sandbox(home / "home").make()
        _write_capabilities(stand_in, sandbox)
        found: list[float] = []
        settings = {"OPCODE_ASK_AHEAD": "0", "OPCODE_MAX_RUNS": str(2 * AT_ONCE)}
        with running_server(sandbox, stand_in, **settings) as server:
            ended = 0
            for count in counts:
                while ended < count:
                    for _ in range(AT_ONCE):
                        run_session(server)
                    ended += AT_ONCE
                    _wait_until_ended(server)
                time.sleep(SETTLE_SECONDS)
                found.append(worker_of(server).memory_info().rss / MB)
        return found


def _write_capabilities(stand_in: Path, sandbox: Sandbox) -> None:
    """Write the first lines of a run of the real CLI to files beside the stand-in."""
    claude = find_claude()
    if claude is None:
        raise FileNotFoundError("there is no Claude CLI; `make test` installs the wheel with it")
    capabilities = probe.ask(
        ClaudeLauncher(claude, sandbox.environment(NOBODY)), ClaudeCodec(), sandbox.project
    )
    offer = {"subtype": "success", "request_id": INITIALIZE_ID, "response": capabilities}
    names = [each["name"] for each in capabilities["commands"]]
    init = {"type": "system", "subtype": "init", "model": "claude-x", "slash_commands": names}
    for name, line in (("offer", {"type": "control_response", "response": offer}), ("init", init)):
        stand_in.with_name(f"{stand_in.name}.{name}").write_text(json.dumps(line) + "\n", "utf-8")


def run_session(server: Server) -> None:
    """Begin a session, and request its page."""
    fields = {
        "folder": str(server.sandbox.project),
        "session_id": str(uuid.uuid4()),
        "prompt_id": str(uuid.uuid4()),
        "prompt": "Do it.",
    }
    begun = server.post("/sessions", fields)
    assert begun.status_code == 303, begun.text
    assert server.get(begun.headers["Location"]).ok


def _wait_until_ended(server: Server) -> None:
    deadline = time.monotonic() + END_SECONDS
    while json.loads(server.get("/api/sessions/running").text)["data"]:
        assert time.monotonic() < deadline, "the runs do not end"
        time.sleep(0.02)
