"""The entrypoint of the container: folders, rights, secrets, and Caddy in front of the server."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
import requests

from deploy.docker import entrypoint
from scripts import debian_programs
from tests.support.environment import ROOT, free_port, has_ended, missing, until
from tests.support.outside.proxies import WALL as WALL_LOGIN
from tests.support.outside.proxies import WALL_HASH

pytestmark = pytest.mark.usefixtures("integration")

# The entrypoint, for the user of the tests where the image has its own.
SCRIPT = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from deploy.docker import entrypoint
entrypoint.USER = {pwd.getpwuid(os.geteuid()).pw_name!r}
entrypoint.CADDYFILE = {str(ROOT / "deploy/docker/Caddyfile")!r}
entrypoint.INNER_PORT = {str(free_port())!r}
sys.exit(entrypoint.main(sys.argv[1:]))
"""
HEALTHCHECK = ROOT / "deploy/docker/healthcheck.py"
WALL = {"CADDY_AUTH_USER": "me", "CADDY_AUTH_HASH": "$2a$14$of-caddy"}
# The stand-ins of the server and of Caddy: they note what they were given, and wait.
NOTE = """\
#!/bin/sh
{python} -c 'import json, os, sys; json.dump([sys.argv[1:], dict(os.environ)], sys.stdout)' \
    "$@" > {note}.new && mv {note}.new {note}
exec sleep 600
"""
# The stand-in of a server that answers with the login that it was sent.
ECHO = f"""\
#!{sys.executable}
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Echo(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.headers.get("Authorization", "no login").encode())

HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Echo).serve_forever()
"""


class Container:
    """A volume, a folder of programs, and the environment that the Dockerfile sets."""

    def __init__(self, folder: Path) -> None:
        self.volume = folder / "vol"
        self.programs = folder / "bin"
        self.volume.mkdir()
        self.programs.mkdir()
        # The entrypoint starts what lies beside its Python.
        self.python = self.programs / "python3"
        self.python.symlink_to(Path(sys.executable).resolve())
        self.environ = {
            "PATH": f"{self.programs}:{os.defpath}",
            "HOME": str(self.volume / "home"),
            "OPCODE_STATE_DIR": str(self.volume / "opcode-state"),
            "OPCODE_PROJECT_ROOTS": str(self.volume / "projects"),
            "OPCODE_REPOSITORIES_FOLDER": str(self.volume / "projects"),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }

    def install(self, name: str, script: str) -> None:
        program = self.programs / name
        program.write_text(script)
        program.chmod(0o755)

    def stand_in(self, name: str) -> Path:
        """A program that waits for a signal; the file in which it notes how it was started."""
        note = self.programs / f"{name}.json"
        self.install(name, NOTE.format(python=sys.executable, note=note))
        return note

    @contextlib.contextmanager
    def started(self, *arguments: str, **more: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [str(self.python), "-I", "-c", SCRIPT, *arguments],
            env={**self.environ, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            tree = psutil.Process(process.pid)
            try:
                yield process
            finally:
                with contextlib.suppress(psutil.NoSuchProcess):
                    for each in [*tree.children(recursive=True), tree]:
                        each.kill()

    def healthcheck(self, **more: str) -> int:
        command = [sys.executable, "-I", str(HEALTHCHECK)]
        environ = {**self.environ, **more}
        return subprocess.run(command, env=environ, check=False, capture_output=True).returncode


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


def noted(path: Path) -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment that a stand-in was started with."""
    until(path.exists, f"{path.name} is started")
    arguments, environ = json.loads(path.read_text())
    return arguments, environ


def modes(folder: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}


def test_first_boot_serves_from_an_empty_volume_and_sigterm_ends_it(container: Container) -> None:
    container.install(
        "opcode-htmx", f'#!/bin/sh\ncd {ROOT}\nexec {sys.executable} -m opcode_htmx "$@"\n'
    )
    port = {"HOST": "127.0.0.1", "PORT": str(free_port()), "OPCODE_DEMO": "1"}
    with container.started(**port) as process:
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


def test_caddy_has_the_port_and_logs_in_to_the_server(container: Container) -> None:
    server, caddy = container.stand_in("opcode-htmx"), container.stand_in("caddy")
    with container.started(**WALL, PORT="9000", GITHUB_TOKEN="t", OPCODE_USER="ann") as process:
        _, inside = noted(server)
        arguments, outside = noted(caddy)
        both = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert [each for each in both if not has_ended(each)] == []
    assert (inside["HOST"], outside["CADDY_SITE"]) == ("127.0.0.1", ":9000")
    assert outside["UPSTREAM"] == f"127.0.0.1:{inside['PORT']}"
    login = base64.b64decode(outside["UPSTREAM_AUTHORIZATION"].removeprefix("Basic ")).decode()
    assert login == f"ann:{inside['OPCODE_PASSWORD']}"
    assert WALL.items() <= outside.items()
    assert WALL.keys() & inside.keys() == set()
    assert "GITHUB_TOKEN" not in outside
    assert [each for each in (*WALL.values(), login) if each in " ".join(arguments)] == []


@pytest.fixture
def walled(container: Container) -> Iterator[str]:
    """The address of real Caddy, with its login, in front of the echo."""
    caddy = debian_programs.find("caddy")
    if caddy is None:
        missing(
            "caddy", f"install it (Debian: apt-get install {debian_programs.PACKAGES['caddy']})."
        )
        raise AssertionError
    container.install("opcode-htmx", ECHO)
    (container.programs / "caddy").symlink_to(caddy)
    login = {"CADDY_AUTH_USER": WALL_LOGIN[0], "CADDY_AUTH_HASH": WALL_HASH}
    port = {"PORT": str(free_port())}
    with container.started(**login, **port, OPCODE_PASSWORD="inner") as process:
        until(lambda: container.healthcheck(**port) == 0 or process.poll() is not None, "healthy")
        assert process.poll() is None, process.communicate()
        yield f"http://127.0.0.1:{port['PORT']}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_wall_of_real_caddy_takes_its_own_login_only_and_sends_that_of_the_server(
    walled: str,
) -> None:
    def get(path: str, login: tuple[str, str] | None = None) -> tuple[int, str]:
        answer = requests.get(walled + path, auth=login, timeout=20)
        return answer.status_code, answer.text

    inner = f"Basic {base64.b64encode(b'opcode:inner').decode()}"
    assert get("/", WALL_LOGIN) == (200, inner)
    for login in (None, ("opcode", "inner"), (WALL_LOGIN[0], "wrong")):
        assert get("/", login) == (401, "")
    # Open to those who watch, and then without any login: not what merely ends like them.
    assert get("/healthz") == get("/readyz") == (200, "no login")
    assert get("/projects/x/healthz") == get("/healthz/") == get("//healthz/../x") == (401, "")


@pytest.mark.parametrize("dead", ["opcode-htmx", "caddy"])
def test_when_one_of_the_two_ends_so_does_the_container(container: Container, dead: str) -> None:
    notes = [container.stand_in(name) for name in ("opcode-htmx", "caddy")]
    container.install(dead, "#!/bin/sh\nexit 3\n")
    with container.started(**WALL) as process:
        assert process.wait(30) == 3
    assert len(notes) == 2


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
