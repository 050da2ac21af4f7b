"""Stop ends Claude and all its processes, detached ones too, within one deadline."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import psutil
import pytest

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Scene,
    Text,
    ToolUse,
)
from opcode_htmx.engines.claude.files import history
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.record import Outcome
from opcode_htmx.runs.processes import claude_process
from opcode_htmx.runs.processes.process_monitor import ProcessMonitor
from tests.support.cli.supervision import (
    BY,
    FOREVER,
    Supervision,
    idle,
    steps,
    texts,
    until,
)
from tests.support.environment import ROOT, Sandbox

DEADLINE, LONG_DEADLINE = 3.0, 5.0
BUSY = 2.0
"""Seconds by which a machine with much else to do may be late."""

NAP = "import time; time.sleep(60)"
IGNORE = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
DAEMON = """
import os, sys
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.execve(sys.executable, [sys.executable, "-c", "{program}"], {environment})
"""
PROGRAMS = {
    "a shell in a session of its own": """
import subprocess
subprocess.Popen(["sh", "-c", "sleep 600; true"], start_new_session=True).wait()
""",
    "a daemon": DAEMON.format(program=NAP, environment="dict(os.environ)"),
    "a daemon with a clean environment": DAEMON.format(program=NAP, environment="{}"),
    "a daemon with a clean environment that ignores SIGTERM": DAEMON.format(
        program=(IGNORE + NAP).replace("\n", "; "), environment="{}"
    ),
    "a grandchild that ignores SIGTERM": f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {IGNORE + NAP!r}], start_new_session=True)
{NAP}
""",
    "a family that starts another member for each that is killed": IGNORE
    + """
import subprocess, time
children = []
end = time.monotonic() + 20
while time.monotonic() < end:
    children = [child for child in children if child.poll() is None]
    while len(children) < 10:
        children.append(subprocess.Popen(["sleep", "60"], start_new_session=True, env={}))
    time.sleep(0.001)
""",
    "one that flees by forking, from session to session": IGNORE
    + """
import os, time
end = time.monotonic() + 20
while time.monotonic() < end:
    if os.fork():
        time.sleep(0.02)
        os._exit(0)
    os.setsid()
    time.sleep(0.005)
""",
    "a crowd that grows meanwhile": IGNORE
    + """
import os, time
for _ in range(6):
    time.sleep(0.3)
    os.fork()
time.sleep(60)
""",
}


@pytest.fixture
def supervision(supervision: Supervision, sandbox: Sandbox) -> Iterator[Supervision]:
    supervision.restart(stop_deadline=DEADLINE)
    yield supervision
    supervision.close()
    for left in alive_in(sandbox.project):
        left.kill()


def alive_in(folder: Path) -> list[psutil.Process]:
    """The processes with this working folder, found without the app's own code."""
    found = []
    for each in psutil.process_iter():
        try:
            if each.cwd() == str(folder) and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
        except (psutil.Error, OSError):
            continue
    return found


def start(supervision: Supervision, *programs: str, before: tuple[list[object], ...] = ()) -> Run:
    """A run that has started these programs and goes on for ever."""
    starts = [["start", sys.executable, "-c", program] for program in programs]
    run = supervision.prompt(steps(*before, *starts, ["text", "ready"], FOREVER))
    until(lambda: texts(run) == ["ready"], "they have been started")
    until(lambda: len(alive_in(supervision.sandbox.project)) > len(programs), "they are there")
    gevent.sleep(
        0.4
    )  # for them to detach: any way to observe it would also help the code under test
    return run


def stop(run: Run) -> float:
    """Stop it; how long that took, until all was recorded."""
    began = time.monotonic()
    run.stop(by=BY)
    assert run.join(20)
    return time.monotonic() - began


@pytest.mark.parametrize("kind", PROGRAMS)
def test_stop_ends_every_kind_of_process_tree(supervision: Supervision, kind: str) -> None:
    assert_stopped_in_time(supervision, start(supervision, PROGRAMS[kind]))


def test_stop_ends_a_claude_that_ignores_sigterm_with_its_processes(
    supervision: Supervision,
) -> None:
    kinds = (
        "a daemon with a clean environment that ignores SIGTERM",
        "a grandchild that ignores SIGTERM",
    )
    programs = [PROGRAMS[kind] for kind in kinds]
    assert_stopped_in_time(supervision, start(supervision, *programs, before=(["deaf"],)))


def assert_stopped_in_time(supervision: Supervision, run: Run) -> None:
    took = stop(run)
    assert alive_in(supervision.sandbox.project) == []
    assert took < DEADLINE + BUSY
    assert run.record.end is not None
    assert run.record.end.outcome is Outcome.CANCELLED


def test_several_runs_are_stopped_at_once(supervision: Supervision) -> None:
    supervision.restart(stop_deadline=LONG_DEADLINE)
    kinds = [kind for kind in PROGRAMS if "SIGTERM" in kind or "flees" in kind]
    runs = [start(supervision, PROGRAMS[kind]) for kind in kinds]
    took = [gevent.spawn(stop, run) for run in runs]
    gevent.joinall(took, raise_error=True)
    assert alive_in(supervision.sandbox.project) == []
    assert max(each.get() for each in took) < LONG_DEADLINE + BUSY


def test_leftovers_of_a_killed_claude_are_ended(supervision: Supervision) -> None:
    run = start(supervision, PROGRAMS["a daemon with a clean environment"])
    daemon = next(each for each in alive_in(supervision.sandbox.project) if each.environ() == {})
    until(
        lambda: daemon.pid in {row.pid for row in claude_process.MONITOR.family(run.id, 1.0)},
        "it has been seen",
    )
    assert run.record.pid is not None
    psutil.Process(run.record.pid).kill()
    assert run.join(10)
    assert alive_in(supervision.sandbox.project) == []


def test_a_daemon_with_a_clean_environment_is_ended_by_the_next_server(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(supervision, PROGRAMS["a daemon with a clean environment"])
    monkeypatch.setattr(claude_process, "MONITOR", ProcessMonitor())  # which has seen nothing
    supervision.restart()
    adopted = supervision.supervisor.get(run.id)
    assert adopted is not run
    stop(adopted)
    assert alive_in(supervision.sandbox.project) == []


def test_a_stop_leaves_the_other_runs_alone(supervision: Supervision) -> None:
    other = start(supervision, PROGRAMS["a daemon with a clean environment"])
    before = {each.pid for each in alive_in(supervision.sandbox.project)}
    run = start(supervision, PROGRAMS["a daemon"])
    stop(run)
    assert {each.pid for each in alive_in(supervision.sandbox.project)} == before
    assert other.live


# The real CLI ---------------------------------------------------------------------------------


def test_stop_ends_the_shells_and_mcp_servers_of_the_real_cli(
    sandbox: Sandbox, claude: Path
) -> None:
    server = [sys.executable, str(ROOT / "tests/support/cli/mcp_server.py")]
    config = {"mcpServers": {"weather": {"command": server[0], "args": server[1:]}}}
    (sandbox.project / ".mcp.json").write_text(json.dumps(config), encoding="utf-8")
    trust = {"projects": {str(sandbox.project): {"hasTrustDialogAccepted": True}}}
    (sandbox.config_dir / ".claude.json").write_text(json.dumps(trust), encoding="utf-8")
    allowed = {"enabledMcpjsonServers": ["weather"], "permissions": {"allow": ["Bash"]}}
    (sandbox.config_dir / "settings.json").write_text(json.dumps(allowed), encoding="utf-8")
    nap = shlex.join([sys.executable, "-c", DAEMON.format(program=NAP, environment="{}")])
    shell = f"setsid sleep 600 & nohup sleep 601 & {nap}; touch begun; sleep 602"
    scenes = (
        Scene("go", "go", [ToolUse("Bash", {"command": shell}), Text("Done.")]),
        Scene("anything", "", [Text("Yes.")]),
    )
    with MessagesApi(scenes) as api:
        supervision = Supervision(sandbox, claude, api.url)
        supervision.restart(stop_deadline=LONG_DEADLINE, permission_mode="default")
        try:
            idle(run := supervision.prompt("Hello"))
            supervision.prompt("go", run.record.session_id)
            until((sandbox.project / "begun").exists, "the shell runs")
            parts = {"mcp_server.py", "sleep 600", "sleep 601", "sleep 602", NAP}

            def missing() -> set[str]:
                alive = [" ".join(each.cmdline()) for each in alive_in(sandbox.project)]
                return {part for part in parts if not any(part in line for line in alive)}

            until(lambda: not missing(), "all of them run")
            took = stop(run)
            assert alive_in(sandbox.project) == []
            assert took < LONG_DEADLINE + BUSY
            noted = history.find(sandbox.config_dir, run.record.session_id)
            assert noted
            assert "[Request interrupted by user" in noted.read_text(encoding="utf-8")
        finally:
            supervision.close()
            for left in alive_in(sandbox.project):
                left.kill()
