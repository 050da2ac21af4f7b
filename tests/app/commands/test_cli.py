"""The launcher, run as a person runs it: what it says, what it refuses, what it becomes."""

import contextlib
import errno
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest

from opcode_htmx.app import cli
from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.claude.install import chosen, cli_binary
from opcode_htmx.lib.concurrency import loop_monitor
from scripts import browser_files
from tests.app.commands.fake_cli import install_cli
from tests.support.environment import ROOT, until

START = 30.0  # seconds
STALL = re.compile(
    rf"^WARNING {re.escape(loop_monitor.__name__)}: .*\n(?: {{4}}.*\n)*", re.MULTILINE
)
"""What the server says of a machine that let it wait; that is no fault of its start."""


@dataclass
class Machine:
    """A home folder, a port and an environment of our own, and what was started with them."""

    home: Path
    port: int
    environ: dict[str, str]
    started: list[subprocess.Popen[str]]

    def launch(self, **environ: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "opcode_htmx"],
            cwd=ROOT,
            env=self.environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def refusal(self, **environ: str) -> str:
        """What the launcher says when it refuses to start; fails if it starts or rambles.

        In this process: to start a Python for each costs ten times that."""
        status, output, errors, _ = self.launch_here(**environ)
        assert (status, output) == (1, ""), output + errors
        assert errors.count("\n") == 1
        return errors.strip()

    def launch_here(self, **environ: str) -> tuple[int, str, str, dict[str, str]]:
        """The launcher in this process: its exit status, its output and errors, and the variables
        of the server that it would start, if it does."""
        out, err, given = io.StringIO(), io.StringIO(), dict[str, str]()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.setattr(os, "environ", self.environ | environ)
            patch.setattr(os, "execve", lambda program, argv, variables: given.update(variables))
            status = cli.main([])
        return status, out.getvalue(), err.getvalue(), given

    def serve(self, **environ: str) -> subprocess.Popen[str]:
        process = self.launch(**environ)
        self.wait_for(process)
        return process

    def wait_for(self, process: subprocess.Popen[str]) -> None:
        """Until something answers at the port, which should be this server."""
        deadline = time.monotonic() + START
        while not self.answers():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "the server did not answer"
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=20).close()
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            return False
        return True


def said(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process that ends wrote to its stdout and to its stderr, but for stalls."""
    output, errors = process.communicate(timeout=START)
    return output, STALL.sub("", errors)


@pytest.fixture
def machine(integration: None, tmp_path: Path) -> Iterator[Machine]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path / "home"
    home.mkdir()
    environ = {
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home / "config"),
        "PATH": os.defpath,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "OPCODE_STATE_DIR": str(tmp_path / "state"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    machine = Machine(home, port, environ, [])
    yield machine
    for process in machine.started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=START)


def test_a_taken_port_is_one_sentence(machine: Machine) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", machine.port))
        other.listen()
        process = machine.launch()  # as it ends for a shell
        output, errors = process.communicate(timeout=START)
    assert (process.returncode, output, errors.count("\n")) == (1, "", 1)
    assert errors.startswith(f"Port {machine.port} is taken")


def test_a_bad_setting_is_one_sentence(machine: Machine) -> None:
    assert machine.refusal(OPCODE_DEMO="maybe").startswith("OPCODE_DEMO must be")


def test_an_unwritable_state_folder_is_one_sentence(machine: Machine) -> None:
    (machine.home / "file").touch()
    sentence = machine.refusal(OPCODE_STATE_DIR=str(machine.home / "file" / "state"))
    assert sentence.startswith("The state folder ")


def test_a_state_folder_of_a_newer_version_is_one_sentence(machine: Machine) -> None:
    state = Path(machine.environ["OPCODE_STATE_DIR"])
    state.mkdir(mode=0o700)
    (state / "format.json").write_text('{"version": 1, "format": 99, "program": "9.0.0"}')
    assert "install 9.0.0 or newer again" in machine.refusal()
    assert [path.name for path in state.iterdir()] == ["format.json"]


def test_a_cli_that_is_too_old_is_one_sentence(machine: Machine) -> None:
    old = install_cli(machine.home / "old", "2.1.117 (Claude Code)")
    assert "2.1.118 or newer is needed" in machine.refusal(CLAUDE_PATH=old)


def test_a_missing_cli_is_one_sentence(machine: Machine) -> None:
    assert machine.refusal(CLAUDE_PATH="/nowhere/claude").startswith("CLAUDE_PATH names")


def test_a_cli_that_does_not_know_its_login_is_one_sentence(machine: Machine) -> None:
    mute = install_cli(machine.home / "mute", "2.2.0 (Claude Code)")
    assert "did not say whether it is logged in" in machine.refusal(CLAUDE_PATH=mute)


def test_an_address_of_another_machine_is_one_sentence(machine: Machine) -> None:
    assert "not an address of this machine" in machine.refusal(HOST="192.0.2.1")


def test_something_that_is_no_address_is_one_sentence(machine: Machine) -> None:
    assert "which is not an address" in machine.refusal(HOST="no-such-host.invalid")


def test_arguments_are_refused_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--port", "1"]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("usage: ")
    assert "settings are environment variables" in errors


def test_closed_standard_streams_are_opened_for_the_launcher_and_the_server() -> None:
    code = (
        "import os, sys; from opcode_htmx.app import cli; cli.main(['--version']); print('lost');"
        "print([os.readlink(f'/proc/self/fd/{n}') for n in (0, 1)], file=sys.stderr);"
        "print([os.get_inheritable(n) for n in (0, 1)], sys.stdout.isatty(), file=sys.stderr)"
    )
    command = ["sh", "-c", 'exec "$0" -c "$1" <&- >&-', sys.executable, code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START)
    assert done.stderr.splitlines() == [
        "['/dev/null', '/dev/null']",
        "[True, True] False",
    ]


@pytest.mark.parametrize(
    ("number", "errors"),
    [
        (errno.ENOSPC, "The output could not be written (No space left on device).\n"),
        (errno.EPIPE, ""),
    ],
)
def test_a_command_ends_with_1_where_its_output_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    errors: str,
) -> None:
    """One line says so, unless its reader has enough, as after `| head`."""
    full = io.StringIO()
    monkeypatch.setattr(full, "flush", Mock(side_effect=OSError(number, os.strerror(number))))
    monkeypatch.setattr(sys, "stdout", full)
    assert cli.main(["--version"]) == 1
    assert sys.stdout is not full, "Python would try again at its exit"
    sys.stdout.close()
    assert capsys.readouterr().err == errors


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_unbuffered_output_that_cannot_be_written_ends_a_command_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argument: str
) -> None:
    raw: Any = io.FileIO("/dev/full", "w")
    with io.TextIOWrapper(raw, "utf-8", write_through=True) as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert cli.main([argument]) == 1
        sys.stdout.close()
    assert capsys.readouterr().err.startswith("The output could not be written (No space left")


def test_a_missing_browser_file_is_named(tmp_path: Path) -> None:
    for name in cli.BROWSER_FILES[:-1]:
        (tmp_path / name).touch()
    with pytest.raises(cli.LaunchError, match=cli.BROWSER_FILES[-1]):
        cli.check_browser_files(tmp_path)


def test_the_launcher_wants_the_files_that_set_up_fetches() -> None:
    assert set(cli.BROWSER_FILES) == {Path(name).name for name in browser_files.HTMX.files}


def test_port_released_in_time_is_waited_for(machine: Machine) -> None:
    other = socket.socket()
    other.bind(("127.0.0.1", machine.port))
    other.listen()
    with pytest.raises(cli.LaunchError):
        cli.check_port("127.0.0.1", machine.port, patience=0.0)
    other.close()
    cli.check_port("127.0.0.1", machine.port)


def ends_promptly(process: subprocess.Popen[str], by: signal.Signals) -> tuple[str, str]:
    """End a server, which succeeds; its output and errors."""
    began = time.monotonic()
    process.send_signal(by)
    output, errors = said(process)
    assert time.monotonic() - began < 15  # on a busy machine, too
    assert process.returncode == 0, errors
    return output, errors


def test_a_start_says_where_the_server_is_and_how_to_get_in(machine: Machine) -> None:
    _, output, errors, _ = machine.launch_here()
    password = (Path(machine.environ["OPCODE_STATE_DIR"]) / "password").read_text().strip()
    assert errors == ""
    assert f"http://127.0.0.1:{machine.port}/" in output
    assert password in output
    assert "Claude is not logged in" in output


def test_a_killed_server_can_be_started_again_at_once_and_ctrl_c_ends_it_cleanly(
    machine: Machine,
) -> None:
    """With what else its person may say: a password, and a misspelt setting."""
    runtime = machine.home / "runtime"
    runtime.mkdir()
    said_to_it = {"OPCODE_PASSWORD": "hunter22", "OPCODE_PASSWROD": "x", "OPCODE_DEMO": "0"}
    process = machine.serve(**said_to_it, XDG_RUNTIME_DIR=str(runtime))
    workers = psutil.Process(process.pid).children()
    process.kill()
    process.wait(timeout=START)
    process = machine.launch(**said_to_it, XDG_RUNTIME_DIR=str(runtime))
    psutil.wait_procs(workers, timeout=START)  # until then they answer
    machine.wait_for(process)
    assert [path.name for path in machine.home.iterdir()] == ["runtime"]
    assert list(runtime.iterdir()) == []
    output, errors = ends_promptly(process, signal.SIGINT)
    assert "hunter22" not in output + errors
    assert "from OPCODE_PASSWORD" in output
    assert errors == "OPCODE_PASSWROD is not a setting of this version and is ignored.\n"


def test_a_known_login_is_not_waited_for_and_the_demo_comes_when_it_has_ended(
    machine: Machine,
) -> None:
    answer = machine.home / "answer"
    claude = machine.home / "claude"
    claude.write_text(
        "#!/bin/sh\n"
        '[ "$1" = --version ] && echo "2.2.0 (Claude Code)" && exit\n'
        f"while [ ! -e {answer} ]; do sleep 0.2; done\n"
        f"cat {answer}\n"
        f"grep -q true {answer}\n"
    )
    claude.chmod(0o755)
    answer.write_text('{"loggedIn": true}')
    _, output, errors, variables = machine.launch_here(CLAUDE_PATH=str(claude))
    assert ("Demo" in output, errors, variables["OPCODE_DEMO"]) == (False, "", "0")
    answer.unlink()
    process = machine.serve(CLAUDE_PATH=str(claude))  # which answers before the CLI does
    demo = Path(machine.environ["OPCODE_STATE_DIR"]) / "demo"
    assert not demo.exists()
    (machine.home / "next").write_text('{"loggedIn": false}')
    (machine.home / "next").rename(answer)
    until(demo.exists, "the demo takes its place")
    until(machine.answers, "the server answers on")
    output, errors = ends_promptly(process, signal.SIGTERM)
    assert "Claude is not logged in any more; the demo takes its place." in errors
    assert "ERROR" not in errors
    _, output, _, variables = machine.launch_here(CLAUDE_PATH=str(claude))
    assert ("Demo" in output, variables["OPCODE_DEMO"]) == (True, "1")


def test_the_server_uses_a_cli_that_is_chosen_and_not_the_one_that_its_launcher_has_found(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = list[dict[str, str]]()
    monkeypatch.setattr(os, "execve", lambda program, argv, variables: started.append(variables))

    def used(**environ: str) -> tuple[Path, Settings]:
        """What the server that the launcher starts uses, and the settings that it reads."""
        for name in os.environ:
            monkeypatch.delenv(name)
        for name, value in (machine.environ | {"OPCODE_DEMO": "0"} | environ).items():
            monkeypatch.setenv(name, value)
        cli.serve(cli.preflight(Settings.from_env()))
        settings = Settings.from_env(started.pop())
        assert settings.unknown == ()
        return chosen.find(settings).path, settings

    newer, older = (machine.home / f".{name}/bin/claude" for name in ("local", "bun"))
    for path, version in ((newer, "9.3.0"), (older, "9.2.0")):
        path.parent.mkdir(parents=True)
        install_cli(path, version)
    found, settings = used()
    assert (found, settings.claude_path) == (newer, None)
    with monkeypatch.context() as patch:
        patch.setattr(cli_binary, "installations", lambda *_: pytest.fail("all are asked again"))
        assert chosen.find(settings).path == newer
        chosen.write(settings.state_dir, older)
        assert chosen.find(settings).path == older, "after its workers were started again"
    assert used()[0] == older
    chosen.write(settings.state_dir, None)
    assert chosen.find(used()[1]).path == newer
    found, settings = used(CLAUDE_PATH=str(older))
    assert (found, settings.claude_path) == (older, older)
