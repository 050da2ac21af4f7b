"""A start that was cut off is found again; a set-up command runs within limits, by choice."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest

from opcode_htmx.lib.git import worktrees
from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.lib.process_identity import is_running
from opcode_htmx.runs.processes.process_table import MARK
from opcode_htmx.sessions.worktrees import setup_command
from opcode_htmx.sessions.worktrees.records import CopyState, Setup
from opcode_htmx.sessions.worktrees.service import Wish
from opcode_htmx.sessions.worktrees.setup_command import SetupFailed
from tests.support.workshop import Workshop


def wish(workshop: Workshop, words: str = "Grow") -> Wish:
    return Wish(workshop.top, words, str(uuid.uuid4()), words, {"model": "opus"})


@pytest.mark.parametrize("cut", ["before the worktree", "before the prompt"])
def test_a_start_that_was_cut_off_is_offered_and_made_once(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    session_id = str(uuid.uuid4())
    if cut == "before the worktree":  # as if the server were killed there

        class Killed(BaseException):
            pass

        def kill(*_: object) -> None:
            raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(worktrees, "add", kill)
            workshop.service.prepare(session_id, wish(workshop), by=SYSTEM)
    else:
        workshop.service.prepare(session_id, wish(workshop), by=SYSTEM)
    assert not workshop.context.runs.newest()
    page = workshop.client.get("/worktrees").text
    assert "Not begun" in page
    start = f"/worktrees/starting/{session_id}"
    assert start in page
    assert "The server ended before the session began" in workshop.client.get(start).text
    first, again = (workshop.post(f"{start}/again") for _ in range(2))
    assert first.headers["Location"] == again.headers["Location"]
    run = workshop.context.runs.of_session(session_id)[-1]
    assert list(run.state.sent.values()) == ["Grow"]
    assert workshop.context.runs.options.options(session_id).model == "opus"
    assert "Not begun" not in workshop.client.get("/worktrees").text
    assert workshop.client.get(start).headers["Location"] == first.headers["Location"]


def test_a_start_can_be_given_up(workshop: Workshop) -> None:
    session_id = str(uuid.uuid4())
    made = workshop.service.prepare(session_id, wish(workshop), by=SYSTEM)
    workshop.post(f"/worktrees/starting/{session_id}/drop")
    assert not Path(made.path).exists()
    assert workshop.service.of_session(session_id) is None
    assert workshop.client.get(f"/worktrees/starting/{session_id}").status_code == 404


def test_a_set_up_command_runs_first_and_its_failure_is_a_choice(workshop: Workshop) -> None:
    settings = {"folder": str(workshop.top), "patterns": ".env"}
    command = "echo growing; echo $PWD; test -f ../go"
    workshop.post("/worktrees/settings", 303, **settings, command=command)
    shown = workshop.client.get("/worktrees/settings", query_string=settings).text
    assert "test -f ../go" in shown
    answer = workshop.client.post("/sessions", data=workshop.form("Grow"))
    start = answer.headers["Location"]
    assert start.startswith("/worktrees/starting/")
    session = start.rpartition("/")[2]
    record = workshop.service.of_session
    workshop.until(lambda: record(session).setup is Setup.FAILED, "it has failed")  # type: ignore[union-attr]
    workshop.until(lambda: not workshop.service.is_starting(session), "it is over")
    page = workshop.client.get(start).text
    assert "It ended with status 1." in page
    assert f"growing\n{workshop.copy_of(session)}" in page
    assert "Start without the set-up" in page
    assert not workshop.context.runs.newest()
    (workshop.copy_of(session).parent / "go").touch()
    workshop.post(f"{start}/again")
    workshop.until(lambda: record(session).state is CopyState.BEGUN, "it has begun")  # type: ignore[union-attr]
    assert "/sessions/" in workshop.client.get(start).headers["Location"]

    (workshop.copy_of(session).parent / "go").unlink()
    other = workshop.client.post("/sessions", data=workshop.form("Grow more")).headers["Location"]
    session = other.rpartition("/")[2]
    workshop.until(lambda: record(session).setup is Setup.FAILED, "it has failed")  # type: ignore[union-attr]
    workshop.until(lambda: not workshop.service.is_starting(session), "it is over")
    assert "/sessions/" in workshop.post(f"{other}/without").headers["Location"]
    assert workshop.context.runs.of_session(session)


def test_a_repository_brings_no_set_up_and_no_pattern_leads_out(workshop: Workshop) -> None:
    for patterns in ("../x", ".git/config", "a/../b", "x" * 300):
        fields = {"folder": str(workshop.top), "patterns": patterns, "command": ""}
        workshop.post("/worktrees/settings", 422, **fields)
    answer = workshop.client.get("/worktrees/settings?folder=/etc")
    assert answer.status_code == 422


def test_the_time_and_output_of_a_set_up_are_bounded(tmp_path: Path) -> None:
    environment, output = {"PATH": "/usr/bin:/bin"}, tmp_path / "out" / "x"
    mark = tmp_path / "pid"
    with pytest.raises(SetupFailed, match="took longer"):
        setup_command.run(
            f"(setsid sleep 60 & echo $! > {mark}); sleep 60", tmp_path, environment, output, 0.5
        )
    with contextlib.suppress(psutil.NoSuchProcess):
        assert not is_running(psutil.Process(int(mark.read_text())))
    setup_command.run("head -c 9000000 /dev/zero | tr '\\0' x", tmp_path, environment, output, 20)
    assert output.stat().st_size == setup_command.MOST_BYTES
    assert not setup_command.is_running(output)


KILLED = """
import os, signal, sys
from pathlib import Path
import gevent.monkey; gevent.monkey.patch_all()
from opcode_htmx.sessions.worktrees import setup_command
folder = Path(sys.argv[1])
def is_stopped():
    if (folder / "pid").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return False
command = "(setsid sleep 60 & echo $! > pid.new; mv pid.new pid); sleep 60"
setup_command.run(command, folder, {"PATH": "/usr/bin:/bin"}, folder / "out" / "x", 60, is_stopped)
"""


def test_a_set_up_whose_server_was_killed_ends_before_another_one_begins(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    output = tmp_path / "out" / "x"
    left = psutil.Process(int((tmp_path / "pid").read_text()))
    assert (killed.returncode, is_running(left)) == (-signal.SIGKILL, True)
    assert not setup_command.is_running(output)
    setup_command.run("echo again", tmp_path, {"PATH": "/usr/bin:/bin"}, output, 20)
    assert not is_running(left)
    assert output.read_text() == "again\n"


@pytest.mark.parametrize("choice", ["without", "drop"])
def test_a_set_up_that_has_outlived_its_server_ends_with_the_start(
    workshop: Workshop, choice: str
) -> None:
    session_id = str(uuid.uuid4())
    workshop.service.prepare(session_id, wish(workshop), by=SYSTEM)
    workshop.service.records.update(session_id, setup=Setup.RUNNING)
    output = workshop.context.state.folder(setup_command.OUTPUT.name) / session_id
    output.parent.mkdir(exist_ok=True)
    output.touch()
    environment = {"PATH": "/usr/bin:/bin", MARK: setup_command.mark_of(output)}
    with subprocess.Popen(["/bin/sleep", "60"], env=environment, start_new_session=True) as left:
        workshop.post(f"/worktrees/starting/{session_id}/{choice}")
        left.wait(timeout=30)  # by itself it would end later


def test_a_set_up_waits_for_the_decision_about_the_files_of_the_copy(workshop: Workshop) -> None:
    mark = workshop.top.parent / "ran"
    fields = {"folder": str(workshop.top), "patterns": "", "command": f"touch {mark}"}
    workshop.post("/worktrees/settings", 303, **fields)
    hook = {"Stop": [{"hooks": [{"type": "command", "command": "echo from-the-branch"}]}]}
    workshop.git("checkout", "-q", "-b", "trap")
    (workshop.top / ".claude").mkdir()
    (workshop.top / ".claude" / "settings.json").write_text(json.dumps({"hooks": hook}))
    workshop.commit(workshop.top, "settings")
    workshop.git("checkout", "-q", "main")
    form = workshop.form("Grow", copy_base="trap")
    asked = workshop.client.post("/sessions", data=form)
    assert "/new/trust" in asked.headers["Location"]
    assert not mark.exists()
    record = workshop.service.records.all()[0]
    start = f"/worktrees/starting/{record.session_id}"
    page = workshop.client.get(start).text
    assert "Start without its settings" in page
    assert workshop.post(f"{start}/again").headers["Location"] == start
    workshop.post(f"{start}/bare")
    service = workshop.service
    workshop.until(
        lambda: service.records.all()[0].state is CopyState.BEGUN, "it begins without settings"
    )
    assert mark.exists()
