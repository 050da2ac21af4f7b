"""`opcode-htmx service …` against a systemctl that writes down what it was asked."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import socket
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from opcode_htmx.app import cli
from opcode_htmx.app.commands.command import USAGE_ERROR
from opcode_htmx.app.service import environment_file, launch_agent
from opcode_htmx.app.service.environment_file import BadEnvironment
from opcode_htmx.app.service.installation import Installation
from opcode_htmx.app.service.launchd import Launchd
from opcode_htmx.app.service.manager import Commands
from tests.support.environment import ROOT, Sandbox, free_port

STAND_IN = """#!/bin/sh
# Each command is a line of the journal; `answers/<verb>` or `answers/<verb> <unit>` holds its
# output, and `fails/<verb>` its error.
here=$(dirname "$0")
name=$(basename "$0")
echo "$name $*" >> "$here/journal"
[ "$1" = --user ] && shift
cat "$here/answers/$1 $2" 2> /dev/null || cat "$here/answers/$1" 2> /dev/null
if [ -e "$here/fails/$1" ]; then cat "$here/fails/$1" >&2; exit 1; fi
exit 0
"""


class Done(NamedTuple):
    """What a command has left: its exit status and what it has printed."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Machine:
    """A home folder and a PATH with the stand-ins of a service manager."""

    home: Path
    environ: dict[str, str]
    capsys: pytest.CaptureFixture[str]

    @property
    def bin(self) -> Path:
        return self.home / "bin"

    @property
    def units(self) -> Path:
        return self.home / ".config" / "systemd" / "user"

    @property
    def settings(self) -> Path:
        return self.home / ".config" / "opcode-htmx" / "service.env"

    def service(self, *arguments: str, **environ: str) -> Done:
        """The command, in this process: starting a Python for each takes seconds."""
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ:
                patch.delenv(name)
            for name, value in (self.environ | environ).items():
                patch.setenv(name, value)
            patch.setattr(os, "execvp", lambda _, argv: sys.exit(subprocess.call(argv)))
            self.capsys.readouterr()
            try:
                status = cli.main(["service", *arguments])
            except SystemExit as end:
                status = int(end.code or 0)
        return Done(status, *self.capsys.readouterr())

    def says(self, verb: str, text: str) -> None:
        (self.bin / "answers" / verb).write_text(text)

    def fails(self, verb: str, text: str) -> None:
        (self.bin / "fails" / verb).write_text(text)

    def asked(self) -> list[str]:
        """What was asked since the last look, but for questions."""
        journal = self.bin / "journal"
        lines = journal.read_text().splitlines() if journal.exists() else []
        journal.unlink(missing_ok=True)
        return [line for line in lines if " show " not in line and " print " not in line]

    def claims_the_port(self) -> None:
        """systemctl says that the socket of the service is there."""
        port = self.environ["PORT"]
        text = f"ActiveState=active\nListen=127.0.0.1:{port} (Stream)\n"
        self.says("show opcode-htmx.socket", text)


@pytest.fixture
def machine(
    integration: None, sandbox: Sandbox, stand_in: Path, capsys: pytest.CaptureFixture[str]
) -> Machine:
    home = sandbox.home
    for folder in ("answers", "fails"):
        (home / "bin" / folder).mkdir(parents=True)
    for name in ("systemctl", "journalctl", "launchctl"):
        path = home / "bin" / name
        path.write_text(STAND_IN)
        path.chmod(0o755)
    environ = sandbox.environment()
    environ["PATH"] = f"{home / 'bin'}:{environ['PATH']}"
    environ |= {"HOST": "127.0.0.1", "PORT": str(free_port()), "CLAUDE_PATH": str(stand_in)}
    environ["OPCODE_PREVIEW_PORTS"] = "off"
    return Machine(home, environ, capsys)


def test_install_writes_the_units_and_starts_them(machine: Machine) -> None:
    done = machine.service("install", OPCODE_PASSWORD="hunter22")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"http://127.0.0.1:{machine.environ['PORT']}/" in done.stdout
    assert "loginctl enable-linger" in done.stdout
    assert machine.asked() == [
        "systemctl --user daemon-reload",
        "systemctl --user enable opcode-htmx.socket opcode-htmx.service",
        "systemctl --user stop opcode-htmx.service opcode-htmx.socket",
        "systemctl --user start opcode-htmx.socket",
        "systemctl --user restart opcode-htmx.service",
    ]
    assert stat.S_IMODE(machine.settings.stat().st_mode) == 0o600
    assert environment_file.read(machine.settings)["OPCODE_PASSWORD"] == "hunter22"
    units = [path.read_text() for path in machine.units.iterdir()]
    assert len(units) == 2
    assert not any("hunter22" in text for text in (*units, done.stdout))


def test_a_second_install_keeps_the_settings_and_the_socket(machine: Machine) -> None:
    machine.service("install", OPCODE_PASSWORD="hunter22", OPCODE_MAX_RUNS="3")
    machine.asked()
    machine.claims_the_port()
    with socket.create_server(("127.0.0.1", int(machine.environ["PORT"]))):
        done = machine.service("install", OPCODE_MAX_RUNS="4")  # from a shell without the password
    assert (done.returncode, done.stderr) == (0, "")
    assert "systemctl --user start opcode-htmx.socket" not in machine.asked()
    variables = environment_file.read(machine.settings)
    assert (variables["OPCODE_PASSWORD"], variables["OPCODE_MAX_RUNS"]) == ("hunter22", "4")


def test_ports_of_previews_are_sockets_of_their_own_but_for_those_that_are_taken(
    machine: Machine,
) -> None:
    unit = machine.units / "opcode-htmx-previews.socket"
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        machine.service("install", OPCODE_PREVIEW_PORTS=f"{taken},{free}")
    assert "systemctl --user start opcode-htmx.socket opcode-htmx-previews.socket" in (
        machine.asked()
    )
    lines = [line for line in unit.read_text().splitlines() if line.startswith("ListenStream=")]
    assert lines == [f"ListenStream=127.0.0.1:{free}"]
    machine.service("install")  # without previews now
    assert "systemctl --user disable --now opcode-htmx-previews.socket" in machine.asked()
    assert not unit.exists()


def test_a_bad_setting_or_a_taken_port_changes_nothing(machine: Machine) -> None:
    done = machine.service("install", OPCODE_MAX_RUNS="many")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("OPCODE_MAX_RUNS ")
    with socket.create_server(("127.0.0.1", int(machine.environ["PORT"]))):
        done = machine.service("install")
    assert done.returncode == 1
    assert f"Port {machine.environ['PORT']} is taken" in done.stderr
    assert machine.asked() == []
    assert not machine.settings.exists()


def test_a_relative_path_is_made_absolute(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(machine.home)
    machine.service("install", OPCODE_STATE_DIR="state-here")
    found = environment_file.read(machine.settings)["OPCODE_STATE_DIR"]
    assert found == str(machine.home / "state-here")


def test_a_start_that_fails_is_reported_with_the_last_lines(machine: Machine) -> None:
    machine.fails("restart", "Job for opcode-htmx.service failed.\n")
    machine.says("--unit", "The state folder cannot be written to.\n")
    done = machine.service("install")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "The service did not start: Job for opcode-htmx.service failed.",
        "The state folder cannot be written to.",
    ]


def make_install(machine: Machine, *, with_manager: bool = True) -> Done:
    """What `make install` does first."""
    tools = machine.home / "tools"
    tools.mkdir(exist_ok=True)
    for name in ("uname", "sh"):
        program = shutil.which(name)
        assert program
        (tools / name).unlink(missing_ok=True)
        (tools / name).symlink_to(program)
    path = f"{machine.bin}:{machine.environ['PATH']}" if with_manager else str(tools)
    script = ROOT / "scripts" / "service_manager.sh"
    command = [str(tools / "sh"), str(script)]
    done = subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("bus", ["bus", "user scope bus via local transport"])
def test_without_a_systemd_of_the_user_the_way_to_one_is_named_before_anything_is_done(
    machine: Machine, bus: str
) -> None:
    assert make_install(machine) == (0, "", "")
    machine.fails("show", f"Failed to connect to {bus}: No medium found\n")
    done = machine.service("install", CLAUDE_PATH="/nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert "The systemd of this user does not run." in done.stderr
    assert not machine.units.exists()
    assert make_install(machine) == done
    rule = re.search(r"^install:(.*)\n\t(.*)\n", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert rule
    assert (rule[1], rule[2]) == ("", "@sh scripts/service_manager.sh")


def test_without_a_service_manager_that_is_said(machine: Machine) -> None:
    done = machine.service("status", PATH=str(machine.home))
    words = "A service needs systemd or launchd, and this machine has neither.\n"
    assert (done.returncode, done.stderr) == (1, words)
    assert make_install(machine, with_manager=False) == done


@pytest.mark.parametrize("act", ["status", "start", "stop", "restart", "uninstall"])
def test_what_is_not_installed_is_not_steered(machine: Machine, act: str) -> None:
    done = machine.service(act)
    assert (done.returncode, done.stderr) == (
        1,
        "The service is not installed: run `opcode-htmx service install`.\n",
    )
    assert machine.asked() == []


def test_stop_also_stops_the_socket_and_uninstall_removes_all(machine: Machine) -> None:
    machine.service("install")
    machine.asked()
    assert machine.service("stop").returncode == 0
    assert machine.asked() == ["systemctl --user stop opcode-htmx.socket opcode-htmx.service"]
    done = machine.service("uninstall")
    assert (done.returncode, "Runs of Claude go on" in done.stdout) == (0, True)
    assert machine.asked() == [
        "systemctl --user disable --now opcode-htmx.socket opcode-htmx.service",
        "systemctl --user daemon-reload",
    ]
    assert [*machine.units.iterdir(), *machine.settings.parent.iterdir()] == []


def test_status_tells_whether_it_runs(machine: Machine) -> None:
    machine.service("install")
    machine.says("show", "ActiveState=active\nSubState=running\nMainPID=77\nNRestarts=2\n")
    done = machine.service("status")
    assert (done.returncode, "process 77" in done.stdout) == (0, True)
    machine.says("show", "ActiveState=failed\nSubState=failed\n")
    done = machine.service("status")
    assert (done.returncode, "failed" in done.stdout) == (1, True)


def test_logs_are_those_of_the_journal(machine: Machine) -> None:
    unit = "journalctl --user --unit opcode-htmx.service"
    for arguments, expected in (
        ((), f"{unit} --lines 100 --no-pager"),
        (("7",), f"{unit} --lines 7 --no-pager"),
        (("-f",), f"{unit} --lines 100 --no-pager --follow"),
    ):
        assert machine.service("logs", *arguments).returncode == 0
        assert machine.asked() == [expected]


@pytest.mark.parametrize(
    "arguments", [(), ("fly",), ("install", "--now"), ("logs", "-x"), ("status", "all")]
)
def test_other_arguments_get_the_usage(machine: Machine, arguments: tuple[str, ...]) -> None:
    done = machine.service(*arguments)
    assert (done.returncode, done.stdout) == (USAGE_ERROR, "")
    assert done.stderr.startswith("usage: opcode-htmx service install")


def test_a_launch_agent_that_cannot_be_read_is_left_alone(machine: Machine) -> None:
    found = Installation(machine.home, machine.home / ".config")
    agent = launch_agent.agent_file(machine.home)
    agent.parent.mkdir(parents=True)
    for content in ("", "<plist>", "bplist00", "<plist><array/></plist>"):
        agent.write_text(content)
        with pytest.raises(BadEnvironment, match="cannot be read"):
            Launchd(found, Commands(machine.environ)).settings()


def test_launchd_loads_the_agent_and_unloads_it(machine: Machine) -> None:
    """The calls only: there is no launchd here."""
    found = Installation(
        machine.home, machine.home / ".config", "127.0.0.1", 9000, {"OPCODE_PASSWORD": "hunter22"}
    )
    manager = Launchd(found, Commands(machine.environ))
    machine.fails("print", "Could not find service\n")  # not loaded yet
    manager.install(found, "127.0.0.1")
    agent = launch_agent.agent_file(machine.home)
    (asked,) = machine.asked()
    assert asked.startswith("launchctl bootstrap gui/")
    assert asked.endswith(str(agent))
    assert "hunter22" not in asked
    assert stat.S_IMODE(agent.stat().st_mode) == 0o600
    assert plistlib.loads(agent.read_bytes())["Label"] == "opcode-htmx"
    assert manager.settings() == {"OPCODE_PASSWORD": "hunter22"}  # for the next installation
    (machine.bin / "fails" / "print").unlink()
    machine.says("print", "gui/501/opcode-htmx = {\n\tstate = running\n\tpid = 77\n}\n")
    assert manager.status().is_running
    assert "pid = 77" in manager.status().lines
    manager.uninstall()
    assert [line.split("/")[0] for line in machine.asked()] == ["launchctl bootout gui"]
    assert not agent.exists()
