"""The entrypoint of the container on made-up folders, and what its programs noted."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.support.environment import ROOT, free_port, until

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


def noted(path: Path) -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment that a stand-in was started with."""
    until(path.exists, f"{path.name} is started")
    arguments, environ = json.loads(path.read_text())
    return arguments, environ
