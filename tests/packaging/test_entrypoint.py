"""The entrypoint of the container: folders, rights and secrets."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import requests

from deploy.docker import entrypoint
from tests.packaging.entrypoint import WALL, Container, noted
from tests.support.environment import ROOT, free_port, until

pytestmark = pytest.mark.usefixtures("integration")


def modes(folder: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}


def listens(port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def test_first_boot_serves_from_an_empty_volume_and_sigterm_ends_it(container: Container) -> None:
    container.install(
        "opcode-htmx", f'#!/bin/sh\ncd {ROOT}\nexec {sys.executable} -m opcode_htmx "$@"\n'
    )
    port = {"HOST": "127.0.0.1", "PORT": str(free_port()), "OPCODE_DEMO": "1"}
    with container.started(**port) as process:
        # each try of the check starts a Python
        until(lambda: listens(port["PORT"]) or process.poll() is not None, "it listens")
        until(lambda: container.healthcheck(**port) == 0 or process.poll() is not None, "healthy")
        assert process.poll() is None, process.communicate()
        assert modes(container.volume) == {"home": 0o700, "opcode-state": 0o700, "projects": 0o700}
        assert (container.volume / "home/.claude").is_dir()
        address = f"http://127.0.0.1:{port['PORT']}/"
        password = (container.volume / "opcode-state/password").read_text().strip()
        page = requests.get(address, auth=("opcode", password), timeout=20)
        assert (page.status_code, "Try the demo" in page.text) == (200, True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert container.healthcheck(**port) == 1


def test_a_command_gets_its_arguments_and_the_settings_of_the_server(container: Container) -> None:
    note = container.stand_in("opcode-htmx")
    with container.started("pair", "--x y", **WALL):
        arguments, environ = noted(note)
    assert arguments == ["pair", "--x y"]
    assert environ["OPCODE_ON_EXIT"] == "stop"
    assert WALL.keys() & environ.keys() == set()


def test_a_file_in_place_of_a_folder_is_one_sentence(container: Container) -> None:
    (container.volume / "home").write_text("no folder")
    with pytest.raises(entrypoint.CannotStart, match="home cannot be written to by user"):
        entrypoint.make([container.volume / "home"])


def test_a_relative_folder_is_refused() -> None:
    environ = {"HOME": "/vol/home", **entrypoint.DEFAULTS, "OPCODE_STATE_DIR": "state"}
    with pytest.raises(entrypoint.CannotStart, match="state is not an absolute path"):
        entrypoint.folders(environ)


def test_half_a_login_of_caddy_is_refused(container: Container) -> None:
    note = container.stand_in("opcode-htmx")
    with container.started(CADDY_AUTH_USER="me") as process:
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, note.exists()) == (1, False)
    assert errors == "CADDY_AUTH_USER and CADDY_AUTH_HASH are one login; set both, or none.\n"


def test_all_folders_lie_on_the_volume_by_default() -> None:
    environ = {"HOME": "/vol/home"}
    entrypoint.add_defaults(environ)
    assert list(map(str, entrypoint.folders(environ))) == [
        "/vol/home",
        "/vol/home/.claude",
        "/vol/opcode-state",
        "/vol/projects",
    ]


def test_what_is_set_takes_precedence_over_defaults_and_empty_counts_as_unset() -> None:
    environ = {"OPCODE_ON_EXIT": "keep", "OPCODE_STATE_DIR": ""}
    entrypoint.add_defaults(environ)
    assert environ == {**entrypoint.DEFAULTS, "OPCODE_ON_EXIT": "keep"}


def test_on_fly_the_name_of_the_app_is_an_allowed_host() -> None:
    environ = {"FLY_APP_NAME": "orchard"}
    entrypoint.add_defaults(environ)
    assert environ["OPCODE_ALLOWED_HOSTS"] == "orchard.fly.dev"
    assert environ["OPCODE_TRUSTED_PROXIES"] == entrypoint.FLY_EDGE


def test_secrets_in_files_become_variables_that_are_not_set(tmp_path: Path) -> None:
    for name, content in {"GITHUB_TOKEN": "a\n", "OPCODE_USER": "file", "notes.txt": "n"}.items():
        (tmp_path / name).write_text(content)
    environ = {"OPCODE_USER": "variable"}
    entrypoint.add_secrets(environ, tmp_path)
    assert environ == {"GITHUB_TOKEN": "a", "OPCODE_USER": "variable"}


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@needs_root
def test_a_new_volume_of_root_is_handed_to_the_user(container: Container, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("of root")
    user = pwd.getpwnam("nobody")
    home = container.volume / "home"
    (home / "deep").mkdir(parents=True)
    (home / "deep/file").write_text("made by a shell of root")
    (home / "link").symlink_to(elsewhere)
    entrypoint.hand_over([home, home / ".claude", container.volume / "projects"], user, set())
    given = [home, home / "deep", home / "deep/file", home / "link", container.volume / "projects"]
    assert [each for each in given if each.lstat().st_uid != user.pw_uid] == []
    assert elsewhere.stat().st_uid == 0
    # Within a folder of the user, the user may have put a link meanwhile.
    assert not (home / ".claude").exists()


@needs_root
def test_what_a_shell_of_root_leaves_at_home_is_handed_over(container: Container) -> None:
    user = pwd.getpwnam("nobody")
    home, projects = container.volume / "home", container.volume / "projects"
    entrypoint.hand_over([home, projects], user, {projects})
    left = [home / "credentials", projects / "file"]
    for each in left:
        each.write_text("of root")
    entrypoint.hand_over([home, projects], user, {projects})
    assert [each.stat().st_uid for each in left] == [user.pw_uid, 0]


@needs_root
def test_a_link_on_the_volume_is_given_to_nobody(container: Container, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (container.volume / "home").symlink_to(tmp_path / "secret")
    with pytest.raises(entrypoint.CannotStart, match="home is a link; name the folder itself"):
        entrypoint.hand_over([container.volume / "home"], pwd.getpwnam("nobody"), set())
    assert (tmp_path / "secret").stat().st_uid == 0


def run_as_nobody(lines: Sequence[str]) -> str:
    code = ["import os, pwd", "from deploy.docker import entrypoint"]
    code += ["entrypoint.become(pwd.getpwnam('nobody'))", *lines]
    command = [sys.executable, "-c", "\n".join(code)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@needs_root
def test_root_is_given_up_for_good() -> None:
    output = run_as_nobody(
        ["print(os.getresuid(), os.getgroups())", "print(open('/proc/self/status').read())"]
    )
    nobody = pwd.getpwnam("nobody").pw_uid
    assert output.startswith(f"({nobody}, {nobody}, {nobody}) []")
    assert "NoNewPrivs:\t1" in output
    assert "CapEff:\t0000000000000000" in output
