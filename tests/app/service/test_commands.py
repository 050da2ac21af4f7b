"""`opcode-htmx service install` against a systemctl that writes down what it was asked."""

from __future__ import annotations

import re
import shutil
import socket
import stat
import subprocess

import pytest

from opcode_htmx.app.service import environment_file
from tests.app.service.machine import Done, Machine
from tests.support.environment import ROOT, free_port


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
