#!/opt/opcode-htmx/bin/python3 -I
"""`opcode-htmx` in the container: make the folders on the volume, give up root, become the server.

With arguments it becomes that command of opcode-htmx, with the same user and settings, also when
root calls it: `docker exec CONTAINER opcode-htmx pair`. With CADDY_AUTH_USER and CADDY_AUTH_HASH
Caddy asks for a password of its own in front of the server. Uses the standard library only.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import os
import pwd
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Container, Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from types import FrameType

USER = "opcode"
PROGRAM = Path(sys.executable).with_name("opcode-htmx")
"""What pip has installed beside this Python."""
SECRETS = Path("/run/secrets")
"""Files that are named as the variables that they hold: OPCODE_PASSWORD, GITHUB_TOKEN."""
WALL = ("CADDY_AUTH_USER", "CADDY_AUTH_HASH")
"""A user name, and what `caddy hash-password` has made of a password."""
CADDY = ("caddy", "run", "--adapter", "caddyfile", "--config")
CADDYFILE = Path("/usr/local/lib/opcode-htmx/Caddyfile")
INNER_PORT = "8081"
"""Where the server listens, on the loopback address, when Caddy has its port."""

DEFAULTS = {
    "OPCODE_STATE_DIR": "/vol/opcode-state",
    "OPCODE_PROJECT_ROOTS": "/vol/projects",
    "OPCODE_REPOSITORIES_FOLDER": "/vol/projects",
    # No process outlives a container, so runs are ended in order and not killed.
    "OPCODE_ON_EXIT": "stop",
}
FLY_EDGE = "172.16.0.0/12,fdaa::/16"
"""The addresses from which the edge of fly.io reaches a machine."""

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_PR_SET_NO_NEW_PRIVS = 38


class CannotStart(Exception):
    """The container cannot be used like this; the message is one sentence with the remedy."""


def main(arguments: Sequence[str]) -> int:
    """Become the server or a command; returns only if that fails, or if Caddy was in front."""
    environ = dict(os.environ)
    add_secrets(environ, SECRETS)
    add_defaults(environ)
    try:
        if bool(environ.get(WALL[0])) != bool(environ.get(WALL[1])):
            raise CannotStart(f"{WALL[0]} and {WALL[1]} are one login; set both, or none.")
        wanted = folders(environ)
        if os.geteuid() == 0:
            user = pwd.getpwnam(USER)
            hand_over(wanted, user, projects(environ))
            become(user)
        make(wanted)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    wall = {name: environ.pop(name, "") for name in WALL}  # not for Claude
    if arguments or not any(wall.values()):
        os.execve(PROGRAM, [str(PROGRAM), *arguments], environ)  # noqa: S606 - no shell is wanted
    return serve_behind_caddy(environ, wall)


def add_secrets(environ: MutableMapping[str, str], folder: Path) -> None:
    """Take each file of the folder, such as OPCODE_PASSWORD, as a variable that is not set."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if _NAME.fullmatch(path.name) and not environ.get(path.name) and path.is_file():
            environ[path.name] = path.read_text(encoding="utf-8").strip()


def add_defaults(environ: MutableMapping[str, str]) -> None:
    """Set what is not set, or empty; on fly.io also the app's host name and the edge in front."""
    app = environ.get("FLY_APP_NAME")
    on_fly = {"OPCODE_ALLOWED_HOSTS": f"{app}.fly.dev", "OPCODE_TRUSTED_PROXIES": FLY_EDGE}
    for name, value in {**DEFAULTS, **(on_fly if app else {})}.items():
        environ[name] = environ.get(name) or value


def folders(environ: Mapping[str, str]) -> list[Path]:
    """The folders that the server needs, an outer one before the inner."""
    home = environ.get("HOME", "")
    named = [
        home,
        environ["OPCODE_STATE_DIR"],
        environ.get("CLAUDE_CONFIG_DIR") or f"{home}/.claude",
    ]
    wanted = sorted({*projects(environ), *(Path(each) for each in named if each)})
    for each in wanted:
        if not each.is_absolute():
            raise CannotStart(f"{each} is not an absolute path; name one that begins with /.")
    return wanted


def projects(environ: Mapping[str, str]) -> set[Path]:
    """The folders of projects, which may hold a million files."""
    roots = environ["OPCODE_PROJECT_ROOTS"].split(os.pathsep)
    return {Path(each) for each in (*roots, environ["OPCODE_REPOSITORIES_FOLDER"]) if each}


def hand_over(wanted: Iterable[Path], user: pwd.struct_passwd, large: Container[Path]) -> None:
    """As root, make the folders whose parent is root's, and give them to the user with all in them.

    Whatever the user could exchange for a link meanwhile is left alone. A new volume belongs to
    root, and so does what an earlier container, or `claude auth login` in a shell of root, has left
    in a folder that is the user's; a large folder is looked through only if it is not.
    """
    for folder in wanted:
        if not folder.parent.is_dir() or folder.parent.stat().st_uid != 0:
            continue
        if folder.is_symlink():
            raise CannotStart(f"{folder} is a link; name the folder itself.")
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CannotStart(f"{folder} cannot be made: {error.strerror}.") from None
        if folder not in large or folder.stat().st_uid != user.pw_uid:
            _give(folder, user)


def _give(top: Path, user: pwd.struct_passwd) -> None:
    for _, names, files, descriptor in os.fwalk(top):
        for name in [*names, *files]:
            # gone: for a command, the server works in there meanwhile
            with contextlib.suppress(FileNotFoundError):
                if os.lstat(name, dir_fd=descriptor).st_uid != user.pw_uid:
                    os.chown(
                        name, user.pw_uid, user.pw_gid, dir_fd=descriptor, follow_symlinks=False
                    )
    # The top comes last: a start that was interrupted before it begins again.
    os.chown(top, user.pw_uid, user.pw_gid, follow_symlinks=False)


def become(user: pwd.struct_passwd) -> None:
    """Give up root for good: no program with a set-user-id bit brings it back."""
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def make(wanted: Iterable[Path]) -> None:
    """Make the folders that are missing. Raises CannotStart if one cannot be written to."""
    for folder in wanted:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(0, "Permission denied")
        except OSError as error:
            raise CannotStart(
                f"{folder} cannot be written to by user {os.getuid()} ({error.strerror}); run "
                f"`chown -R {os.getuid()}:{os.getgid()}` on the volume, outside of this container."
            ) from None


def serve_behind_caddy(environ: Mapping[str, str], wall: Mapping[str, str]) -> int:
    """Run Caddy on PORT, and the server behind it, until one of them ends; then end the other.

    Caddy logs in to the server with a password that nobody else knows, so a person is asked for one
    only. Returns 0 after SIGTERM, else the exit status of what has ended first, or 1.
    """
    password = environ.get("OPCODE_PASSWORD") or secrets.token_urlsafe()
    login = f"{environ.get('OPCODE_USER') or 'opcode'}:{password}"
    inner = {"HOST": "127.0.0.1", "PORT": INNER_PORT, "OPCODE_PASSWORD": password}
    outer = {
        "PATH": environ.get("PATH", os.defpath),
        "HOME": "/tmp",  # noqa: S108 - Caddy keeps nothing: it makes no certificates here
        "CADDY_SITE": f":{environ.get('PORT') or '8080'}",
        "OPCODE_BASE_PATH": environ.get("OPCODE_BASE_PATH", ""),
        "UPSTREAM": f"127.0.0.1:{INNER_PORT}",
        "UPSTREAM_AUTHORIZATION": f"Basic {base64.b64encode(login.encode()).decode()}",
        "TRUSTED_PROXIES": "private_ranges" if environ.get("FLY_APP_NAME") else "127.0.0.1/32",
        "WALL": "_with_password",
        **wall,
    }
    asked = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    programs = [
        subprocess.Popen([str(PROGRAM)], env={**environ, **inner}),
        subprocess.Popen([*CADDY, str(CADDYFILE)], env=outer),
    ]
    while not asked and all(each.poll() is None for each in programs):
        time.sleep(0.1)
    status = next((each.returncode for each in programs if each.returncode is not None), 0)
    for each in programs:
        each.terminate()
    for each in programs:
        each.wait()
    return 0 if asked else status or 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
