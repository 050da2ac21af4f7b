"""/ws/claude in the dialect of the reference implementation: commands, lines and ends."""

from __future__ import annotations

import json
import uuid

from tests.api.sockets.claude.commands import execute
from tests.support.cli.supervision import steps
from tests.support.clients.json_client import JsonClient
from tests.support.environment import Sandbox


def test_execute_sends_start_then_each_line_as_a_json_string_then_completion(
    client: JsonClient, sandbox: Sandbox
) -> None:
    session_id = execute(client, sandbox, "hello")
    completion = client.until("completion")
    assert completion["status"] == "success"
    assert client.said() == ["hello"]
    folder = sandbox.state / "runs" / completion["run_id"]
    written = (folder / "out.ndjson").read_text().splitlines()
    assert client.lines() == written[: len(client.lines())], "each line, once, in order"
    assert {message["session_id"] for message in client.messages[1:]} == {session_id}


def test_a_session_id_given_with_execute_is_claudes_own(
    client: JsonClient, sandbox: Sandbox
) -> None:
    wanted = str(uuid.uuid4())
    assert execute(client, sandbox, steps(["report"]), session_id=wanted) == wanted
    client.until("completion")
    arguments = json.loads(client.said()[0])["arguments"]
    assert arguments[arguments.index("--session-id") + 1] == wanted


def test_a_session_id_that_is_taken_is_refused(client: JsonClient, sandbox: Sandbox) -> None:
    session_id = execute(client, sandbox, "hello")
    client.send(
        command_type="execute",
        project_path=str(sandbox.project),
        prompt="again",
        session_id=session_id,
    )
    assert "Use resume" in client.until("error")["message"]


def test_requested_model_and_mode_reach_claude(client: JsonClient, sandbox: Sandbox) -> None:
    execute(client, sandbox, steps(["report"]), model="sonnet", permission_mode="plan")
    client.until("completion")
    arguments = json.loads(client.said()[0])["arguments"]
    assert arguments[arguments.index("--model") + 1] == "sonnet"
    assert arguments[arguments.index("--permission-mode") + 1] == "plan"


def test_a_further_prompt_goes_to_the_same_process(client: JsonClient, sandbox: Sandbox) -> None:
    execute(client, sandbox, "one")
    client.until("completion")
    client.send(command_type="prompt", prompt="two")
    client.until("completion")
    assert client.said() == ["one", "two"]
    assert len({message["run_id"] for message in client.of_type("output")}) == 1


def test_resume_goes_on_with_a_session_whose_process_has_ended(
    client: JsonClient, sandbox: Sandbox
) -> None:
    session_id = execute(client, sandbox, steps(["text", "one"], ["exit after turn", 0]))
    client.until("ended")
    client.send(
        command_type="resume",
        project_path=str(sandbox.project),
        prompt="two",
        session_id=session_id,
    )
    assert client.until("start")["session_id"] == session_id
    client.until("completion")
    assert client.said() == ["one", "two"]


def test_continue_goes_on_with_the_newest_session_of_the_project(
    client: JsonClient, sandbox: Sandbox
) -> None:
    execute(client, sandbox, "one")
    newest = execute(client, sandbox, "two")
    client.send(command_type="continue", project_path=str(sandbox.project), prompt="three")
    assert client.until("start")["session_id"] == newest


def test_continue_without_a_session_says_what_to_do(client: JsonClient, sandbox: Sandbox) -> None:
    empty = sandbox.home / "work" / "empty"
    empty.mkdir(parents=True)
    client.send(command_type="continue", project_path=str(empty), prompt="three")
    assert "Use execute" in client.until("error")["message"]
