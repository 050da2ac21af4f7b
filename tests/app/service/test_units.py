"""The units of systemd and the launch agent say what the service needs, and no secret."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from opcode_htmx.app.service import launch_agent, systemd_units
from opcode_htmx.app.service.installation import Installation, ServiceError

SECRET = "hunter22"


def installation(home: Path, **changes: object) -> Installation:
    variables = {"OPCODE_PASSWORD": SECRET, "PATH": "/usr/bin:/bin"}
    given = {"host": "0.0.0.0", "port": 8080, "variables": variables, **changes}
    return Installation(home, home / ".config", **given)  # type: ignore[arg-type]


def parsed(unit: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit)
    return parser


def test_runs_outlive_the_service_and_a_shortage_of_memory(tmp_path: Path) -> None:
    service = parsed(systemd_units.service_unit(installation(tmp_path)))["Service"]
    assert service["KillMode"] == "process"
    assert service["OOMPolicy"] == "continue"
    assert service["Restart"] == "always"


def test_workers_may_report_that_they_are_ready_and_alive(tmp_path: Path) -> None:
    service = parsed(systemd_units.service_unit(installation(tmp_path)))["Service"]
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "all")
    # gunicorn replaces a worker that hangs for a minute; systemd comes after it
    assert int(service["WatchdogSec"]) > 60


def test_no_mount_or_user_namespace_is_asked_for(tmp_path: Path) -> None:
    """The next server would have others than the runs that are alive; and many systems have none
    for users."""
    service = parsed(systemd_units.service_unit(installation(tmp_path)))["Service"]
    asked = [name for name in service if name.startswith(("Private", "Protect", "Read", "Root"))]
    assert asked == []
    assert service["NoNewPrivileges"] == "yes"


def test_the_sandbox_can_be_left_out(tmp_path: Path) -> None:
    text = systemd_units.service_unit(installation(tmp_path, is_confined=False))
    assert "NoNewPrivileges" not in text
    assert "SystemCallFilter" not in text


@pytest.mark.parametrize(
    ("address", "expected"), [("0.0.0.0", "0.0.0.0:8080"), ("::1", "[::1]:8080")]
)
def test_the_socket_listens_where_the_settings_say(
    tmp_path: Path, address: str, expected: str
) -> None:
    unit = parsed(systemd_units.socket_unit(installation(tmp_path), address))
    assert unit["Socket"]["ListenStream"] == expected


def test_paths_with_spaces_and_signs_are_quoted(tmp_path: Path) -> None:
    odd = installation(
        tmp_path, python=Path("/opt/a b/50%/python"), working_folder=Path("/opt/50% off")
    )
    service = parsed(systemd_units.service_unit(odd))["Service"]
    assert service["ExecStart"].startswith('"/opt/a b/50%%/python" -m opcode_htmx ')
    assert service["WorkingDirectory"] == "/opt/50%% off"


def test_a_path_that_no_unit_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="cannot be started from"):
        installation(tmp_path, python=Path("/opt/a\nExecStart=/bin/sh")).checked()


@pytest.mark.parametrize("name", ['a"b', "a'b", "a\\b", "a$HOME"])
def test_a_program_whose_name_systemd_refuses_is_refused_with_a_sentence(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(ServiceError, match=r"systemd cannot take .*\.$"):
        systemd_units.service_unit(installation(tmp_path, python=Path(f"/opt/{name}/bin/python")))


@pytest.mark.parametrize("name", ["a*", "a[b]", "what?", "a\\b"])
def test_a_file_of_settings_whose_name_is_a_pattern_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ServiceError, match="systemd cannot take"):
        systemd_units.service_unit(installation(tmp_path / name))


def test_no_unit_has_a_setting_in_it(tmp_path: Path) -> None:
    found = installation(tmp_path)
    units = systemd_units.socket_unit(found, "0.0.0.0") + systemd_units.service_unit(found)
    assert SECRET not in units
    assert not any(SECRET in word for word in found.command)
    assert SECRET not in repr(found)


def test_systemd_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed.")
    found = installation(tmp_path)
    units = tmp_path / "units"
    units.mkdir()
    (units / systemd_units.SOCKET).write_text(systemd_units.socket_unit(found, "0.0.0.0"))
    (units / systemd_units.SERVICE).write_text(systemd_units.service_unit(found))
    done = subprocess.run(
        [analyze, "--user", "--recursive-errors=no", "verify", *map(str, units.iterdir())],
        env={"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_launch_agent_keeps_the_server_alive_and_leaves_runs_alone(tmp_path: Path) -> None:
    agent = plistlib.loads(launch_agent.property_list(installation(tmp_path)))
    assert (agent["RunAtLoad"], agent["KeepAlive"], agent["AbandonProcessGroup"]) == (True,) * 3
    assert agent["ProgramArguments"][1:] == ["-m", "opcode_htmx", "service", "run"]
    assert agent["EnvironmentVariables"]["OPCODE_PASSWORD"] == SECRET
    assert agent["StandardErrorPath"] == str(tmp_path / "Library/Logs/opcode-htmx.log")


def test_the_launch_agent_is_well_formed(tmp_path: Path) -> None:
    """By the rules of launchd.plist(5): types of the keys, absolute paths."""
    agent = plistlib.loads(launch_agent.property_list(installation(tmp_path)))
    types = {
        **dict.fromkeys(("Label", "WorkingDirectory", "ProcessType"), str),
        **dict.fromkeys(("StandardOutPath", "StandardErrorPath"), str),
        **dict.fromkeys(("RunAtLoad", "KeepAlive", "AbandonProcessGroup"), bool),
        **dict.fromkeys(("ThrottleInterval", "ExitTimeOut"), int),
        **dict.fromkeys(("EnvironmentVariables", "SoftResourceLimits"), dict),
        "ProgramArguments": list,
    }
    assert {key: type(value) for key, value in agent.items()} == types
    for key in ("WorkingDirectory", "StandardOutPath", "StandardErrorPath"):
        assert Path(agent[key]).is_absolute()
    assert Path(agent["ProgramArguments"][0]).is_absolute()
