"""`opcode-htmx service stop`, `status`, `logs` and `uninstall`, and the launch agents of macOS."""

from __future__ import annotations

import plistlib
import stat

import pytest

from opcode_htmx.app.commands.command import USAGE_ERROR
from opcode_htmx.app.service import launch_agent
from opcode_htmx.app.service.environment_file import BadEnvironment
from opcode_htmx.app.service.installation import Installation
from opcode_htmx.app.service.launchd import Launchd
from opcode_htmx.app.service.manager import Commands
from tests.app.service.machine import Machine


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
