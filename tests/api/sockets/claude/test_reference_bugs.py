"""/ws/claude has none of the bugs of the reference implementation.

Most of them are tested end to end, in tests/api/reference/test_reference_bugs.py.
"""

from __future__ import annotations

from pathlib import Path

from tests.api.sockets.claude.commands import execute
from tests.support.cli.supervision import steps
from tests.support.clients.json_client import JsonClient
from tests.support.environment import Sandbox


def test_stderr_of_a_live_run_comes_whenever_it_is_written(
    client: JsonClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Also between lines of output, which come without a look at stderr."""
    gates = [tmp_path / "first", tmp_path / "second"]
    execute(
        client,
        sandbox,
        steps(
            ["text", "one"],
            ["wait", str(gates[0])],
            ["stderr", "first plum"],
            ["text", "two"],
            ["wait", str(gates[1])],
            ["stderr", "second plum"],
            ["wait", "/nowhere"],
        ),
    )
    client.until("output")
    gates[0].touch()
    client.until(lambda message: message.get("content") == "first plum")
    gates[1].touch()
    client.until(lambda message: message.get("content") == "second plum")


def test_bug_5_either_id_finds_the_session(client: JsonClient, sandbox: Sandbox) -> None:
    session_id = execute(client, sandbox, steps(["text", "one"], ["wait", "/nowhere"]))
    run_id = client.until("output")["run_id"]
    client.send(command_type="cancel", session_id=run_id)
    assert client.until("cancelled")["session_id"] == session_id
