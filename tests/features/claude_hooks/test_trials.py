"""A hook is tried with a sample: what it gets, when it ends, and what Claude makes of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from opcode_htmx.features.claude_hooks.starters import STARTERS
from opcode_htmx.features.claude_hooks.trial.command import MOST_BYTES, run_command
from opcode_htmx.features.claude_hooks.trial.http import send
from opcode_htmx.features.claude_hooks.trial.samples import sample
from opcode_htmx.features.claude_hooks.trial.verdict import verdict
from tests.support.environment import has_ended, until

VARIABLES = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


@pytest.mark.parametrize(
    ("command", "status"),
    [("rm -rf /tmp/x", 2), ("rm -fr ~", 2), ("rm -rf build", 0), ("ls /", 0), ("rm -r ../x", 2)],
)
def test_template_blocks_deleting_outside_of_the_project(
    command: str, status: int, tmp_path: Path
) -> None:
    jq = tmp_path / "jq"  # it may not be installed
    jq.write_text(f"#!/bin/sh\ncat >/dev/null\nprintf '%s' '{command}'\n")
    jq.chmod(0o755)
    variables = {**VARIABLES, "PATH": f"{tmp_path}:{VARIABLES['PATH']}"}
    found = run_command(STARTERS["keep-inside"].config, "{}", tmp_path, variables)
    assert found.status == status, found


def test_command_gets_the_sample_on_stdin_in_its_folder(tmp_path: Path) -> None:
    config = {"type": "command", "command": 'cat; pwd >&2; echo "$CLAUDE_PROJECT_DIR" >&2; exit 2'}
    found = run_command(config, '{"a": 1}', tmp_path, VARIABLES)
    assert (found.status, found.stdout) == (2, '{"a": 1}')
    assert found.stderr.split() == [str(tmp_path)] * 2
    exact = {"type": "command", "command": "printf", "args": ["%s|", "a b", "$HOME"]}
    assert run_command(exact, "", tmp_path, VARIABLES).stdout == "a b|$HOME|"
    assert (
        "could not be started"
        in run_command(
            {"type": "command", "command": "/no/such", "args": []}, "", tmp_path, VARIABLES
        ).problem
    )


def test_command_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    script = "sleep 90 & setsid sleep 90 & echo $! > pid; wait"
    config = {"type": "command", "command": script, "timeout": 1}
    found = run_command(config, "", tmp_path, VARIABLES)
    assert found.timed_out
    pid = int((tmp_path / "pid").read_text())
    until(
        lambda: not psutil.pid_exists(pid) or _is_dead(pid), "its child in another group ended", 20
    )
    assert "took too long" in verdict("PreToolUse", config, found.status, "", found.timed_out)[0]


def _is_dead(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_output_without_end_is_cut_and_blocks_nothing(tmp_path: Path) -> None:
    script = "head -c 3000000 /dev/zero | tr '\\0' a; head -c 3000000 /dev/zero >&2; exit 3"
    found = run_command({"type": "command", "command": script}, "x" * 300_000, tmp_path, VARIABLES)
    assert found.status == 3
    assert len(found.stdout) < MOST_BYTES + 100
    assert found.stdout.endswith(f"… and {3_000_000 - MOST_BYTES} bytes more")


@pytest.mark.parametrize(
    ("event", "config", "status", "stdout", "sentence"),
    [
        ("PreToolUse", {}, 2, "", "The tool call is blocked, and Claude reads the error."),
        ("Stop", {}, 2, "", "Claude does not end its turn: it reads the error and goes on."),
        ("Notification", {}, 2, "", "You see the error, and Claude goes on."),
        ("PreToolUse", {}, 1, "", "You see the error, and Claude goes on."),
        ("PreToolUse", {"onFailure": "block"}, 1, "", "The tool call is blocked"),
        ("PreToolUse", {"onFailure": "block"}, None, "", "The tool call is blocked"),
        ("Stop", {"onFailure": "block"}, 1, "", "You see the error, and Claude goes on."),
        ("PreToolUse", {"async": True}, 2, "", "nothing is blocked"),
        ("Stop", {"asyncRewake": True}, 2, "", "wakes Claude"),
        ("PreToolUse", {}, 0, "words", "Nobody reads the output."),
        ("SessionStart", {}, 0, "words", "Claude gets the output at the start"),
        ("PreToolUse", {}, 0, "{not json", "begins like JSON, but is none"),
        ("PostToolUse", {}, 0, '{"decision": "block", "reason": "Bad"}', "The reason: Bad"),
        ("Stop", {}, 0, '{"continue": false, "stopReason": "Enough"}', "Claude stops: Enough"),
        ("PreToolUse", {}, 0, '{"decision": "maybe"}', "is no decision that Claude knows"),
        ("PreToolUse", {}, 0, "{}", "the JSON asks for nothing"),
    ],
)
def test_verdict_follows_the_event_and_the_exit_code(
    event: str, config: dict[str, object], status: int | None, stdout: str, sentence: str
) -> None:
    assert sentence in " ".join(verdict(event, config, status, stdout))


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (
            {"permissionDecision": "deny", "permissionDecisionReason": "No"},
            "denied. The reason: No",
        ),
        ({"permissionDecision": "allow", "updatedInput": {"a": 1}}, "gets the changed input"),
        ({"additionalContext": "More"}, "Claude gets the additional context."),
        ({"hookEventName": "Stop"}, "hookEventName must be “PreToolUse”, and is “Stop”"),
    ],
)
def test_verdict_reads_what_the_json_says_of_the_event(
    output: dict[str, object], sentence: str
) -> None:
    text = json.dumps({"hookSpecificOutput": {"hookEventName": "PreToolUse", **output}})
    assert sentence in " ".join(verdict("PreToolUse", {}, 0, text))


def test_sample_is_one_that_the_matcher_matches() -> None:
    assert sample("PreToolUse", "Edit|Write", "/p")["tool_input"]["file_path"] == "/p/sample.py"
    assert sample("SessionStart", "resume", "/p")["source"] == "resume"
    assert sample("PreToolUse", "mcp__.*", "/p")["tool_name"] == "Bash"
    assert sample("Unheard", "", "/p")["hook_event_name"] == "Unheard"


class _Receiver(BaseHTTPRequestHandler):
    got: list[tuple[str, str, str]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.got.append((self.path, self.headers.get("X-Key", ""), body))
        self.send_response({"/moved": 302, "/refused": 403}.get(self.path, 200))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b'{"continue": false}')

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    _Receiver.got.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_sample_is_posted_with_the_variables_that_the_hook_may_use(address: str) -> None:
    config = {
        "type": "http",
        "url": f"{address}/in",
        "headers": {"X-Key": "a $MINE ${OTHER}."},
        "allowedEnvVars": ["MINE"],
    }
    found = send(config, '{"a": 1}', {"MINE": "m", "OTHER": "o"})
    assert (found.status, found.stdout) == (0, '{"continue": false}')
    assert _Receiver.got == [("/in", "a m .", '{"a": 1}')]
    assert send({**config, "url": f"{address}/refused"}, "{}", {}).status == 403
    assert send({**config, "url": f"{address}/moved"}, "{}", {}).status == 302
    assert [path for path, _, _ in _Receiver.got] == ["/in", "/refused", "/moved"]
    assert send({"url": "file:///etc/passwd"}, "{}", {}).problem
    assert "could not be reached" in send({"url": "http://127.0.0.1:9/"}, "{}", {}).problem


def test_templates_about_git_know_the_branch_and_pass_where_there_is_nothing_to_do(
    tmp_path: Path,
) -> None:
    git = shutil.which("git")
    assert git is not None
    subprocess.run([git, "init", "-qb", "main", str(tmp_path)], check=True)
    found = run_command(STARTERS["branch"].config, "{}", tmp_path, VARIABLES)
    assert (found.status, "branch main" in found.stderr) == (2, True)
    assert run_command(STARTERS["context"].config, "{}", tmp_path, VARIABLES).status == 0
    assert run_command(STARTERS["snapshot"].config, "{}", tmp_path, VARIABLES).status == 0


def test_answer_that_comes_in_drops_is_not_waited_for() -> None:
    class Drops(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not ended.wait(0.2):
                    self.wfile.write(b"x")
                    self.wfile.flush()

    ended = threading.Event()
    server = HTTPServer(("127.0.0.1", 0), Drops)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        config = {"url": f"http://127.0.0.1:{server.server_address[1]}/", "timeout": 1}
        # as in the server, whose sockets wait in greenlets
        script = (
            "from gevent import monkey; monkey.patch_all();"
            " from opcode_htmx.features.claude_hooks.trial.http import send;"
            f" print(send({config!r}, '{{}}', {{}}).timed_out)"
        )
        run = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, timeout=30, check=True, text=True
        )
        assert run.stdout == "True\n"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "config",
    [
        {"url": "http://127.0.0.1:9/", "headers": {"X": "Bearer $KEY"}, "allowedEnvVars": ["KEY"]},
        {"url": "http://me:t0p@127.0.0.1/"},
        {"url": "http://127.0.0.1:9/", "headers": ["t0p"], "timeout": 10**400},
    ],
)
def test_problem_of_a_request_names_no_secret(config: dict[str, object]) -> None:
    outcome = send(config, "{}", {"KEY": "t0p\nX-More: 1"})
    assert outcome.problem
    assert "t0p" not in outcome.problem


def test_limit_that_is_no_time_is_that_of_the_page(tmp_path: Path) -> None:
    outcome = run_command({"command": "true", "timeout": 10**400}, "", tmp_path, VARIABLES)
    assert outcome.status == 0


def test_command_ends_with_a_server_that_is_killed(tmp_path: Path) -> None:
    config = {"command": "echo $$ > shell; sleep 1000 & echo $! > child; sleep 1000"}
    script = (
        "from pathlib import Path; from gevent import monkey; monkey.patch_all();"
        " from opcode_htmx.features.claude_hooks.trial.command import run_command;"
        f" run_command({config!r}, '', Path({str(tmp_path)!r}), {VARIABLES!r})"
    )
    server = subprocess.Popen([sys.executable, "-c", script])
    files = [tmp_path / "shell", tmp_path / "child"]
    until(
        lambda: all(each.exists() and each.read_text().strip() for each in files),
        "the command has begun",
    )
    until(lambda: len(psutil.Process(server.pid).children()) == 2, "it is watched")
    server.kill()
    server.wait()
    pids = [int(each.read_text()) for each in files]
    until(lambda: all(map(_is_gone, pids)), "the command and its child have ended")


def _is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or has_ended(psutil.Process(pid))
