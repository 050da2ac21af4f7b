"""Find the Claude CLI, its version, and whether it is logged in.

Knows nothing of the web, of runs, or of this process's own environment.
"""

import contextlib
import importlib.util
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from opcode_htmx.lib import bounded_json
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

# Older versions parsed flags eagerly enough for a flag inside another argument to be an attack.
MINIMUM_VERSION = (2, 1, 118)
VERSION_TIMEOUT = 20.0  # seconds; a cold disk needs several for 200 MB
LOGIN_TIMEOUT = 30.0  # seconds
WHEEL = "claude_agent_sdk"
_VERSION = late_pattern(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
_UPDATE = "update it with `claude update`, or name a newer one in CLAUDE_PATH"
_USUAL_PLACES = (
    ".claude/local/claude",
    ".local/bin/claude",
    ".npm-global/bin/claude",
    ".yarn/bin/claude",
    ".bun/bin/claude",
    ".config/yarn/global/node_modules/.bin/claude",
)
_SYSTEM_PLACES = (Path("/usr/local/bin/claude"), Path("/opt/homebrew/bin/claude"))


class BinaryError(Exception):
    """The CLI cannot be used; the message is one sentence with the remedy."""


class BinaryNotFound(BinaryError):
    """There is no CLI, or the one that was named does not run."""


class BinaryTooOld(BinaryError):
    """The CLI is older than MINIMUM_VERSION."""


@dataclass(frozen=True, slots=True)
class Binary:
    """An installed CLI that runs: its absolute path and its version."""

    path: Path
    version: tuple[int, int, int]

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))


def find(claude_path: Path | None, path: str, home: Path) -> Binary:
    """The CLI to use: `claude_path` if given, else the newest that is installed.

    `path` is a PATH as in the environment. Raises BinaryNotFound or BinaryTooOld.
    """
    if claude_path is not None:
        binary = probe(claude_path, path, home)
        if binary is None:
            raise BinaryNotFound(
                f"CLAUDE_PATH names {claude_path}, which is not a Claude CLI that runs; "
                "correct it, or unset it to have the CLI searched for."
            )
    else:
        found = installations(path, home)
        if not found:
            raise BinaryNotFound(
                "The Claude CLI was not found; install it (`make run` does so in a checkout, "
                "`pipx inject opcode-htmx claude-agent-sdk` beside pipx, "
                "and `npm install --global @anthropic-ai/claude-code` anywhere), "
                "or name it in CLAUDE_PATH."
            )
        binary = found[0]
    if binary.version < MINIMUM_VERSION:
        raise BinaryTooOld(
            f"The Claude CLI {binary.path} is version {binary.version_text}, "
            f"and {'.'.join(map(str, MINIMUM_VERSION))} or newer is needed; {_UPDATE}."
        )
    return binary


def installations(path: str, home: Path) -> list[Binary]:
    """Every CLI that runs, newest first; of equal versions the one that was found first."""
    binaries = (probe(candidate, path, home) for candidate in _distinct(candidates(path, home)))
    return sorted((b for b in binaries if b is not None), key=lambda b: b.version, reverse=True)


def candidates(path: str, home: Path) -> Iterator[Path]:
    """The paths at which a CLI may be: the wheel, PATH, the usual places."""
    spec = importlib.util.find_spec(WHEEL)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(folder) / "_bundled" / "claude"
    for folder in path.split(os.pathsep):
        # a relative entry would run a file of the current folder
        if folder.startswith("/"):
            yield Path(folder) / "claude"
    yield from (home / place for place in _USUAL_PLACES)
    yield from _SYSTEM_PLACES
    yield from sorted((home / ".nvm/versions/node").glob("*/bin/claude"))


def probe(candidate: Path, path: str, home: Path) -> Binary | None:
    """Ask a candidate for its version; None if it is not there, fails, or says no version."""
    if not (candidate.is_file() and os.access(candidate, os.X_OK)):
        return None
    environment = {"HOME": str(home), "PATH": path, "DISABLE_AUTOUPDATER": "1"}
    try:
        status, output = _run([str(candidate), "--version"], environment, VERSION_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.match(output.lstrip())
    if status != 0 or match is None:
        return None
    major, minor, patch = (int(number) for number in match.groups())
    return Binary(candidate.absolute(), (major, minor, patch))


def logged_in(binary: Binary, env: Mapping[str, str]) -> bool:
    """Whether the CLI, started with `env`, has a login or a key to work with.

    Raises BinaryError where that cannot be found out.
    """
    try:
        status, output = _run([str(binary.path), "auth", "status"], env, LOGIN_TIMEOUT)
        answer = bounded_json.loads(output)
        return status == 0 and answer["loggedIn"] is True
    except (OSError, subprocess.TimeoutExpired, ValueError, LookupError, TypeError):
        raise BinaryError(
            f"{binary.path} did not say whether it is logged in; "
            "try `claude auth status`, or set OPCODE_DEMO to 0 or 1."
        ) from None


def _distinct(paths: Iterable[Path]) -> Iterator[Path]:
    """Each file once, under the first of its names and links."""
    seen = set()
    for path in paths:
        real = os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            yield path


def _run(argv: list[str], env: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """Exit status and stdout. A process that hangs is killed with all that it has started."""
    process = subprocess.Popen(
        argv,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, output.decode(errors="replace")


def login_command(binary: Binary, path: str) -> str:
    """The command that logs this CLI in, typed in a terminal; `path` is the person's PATH."""
    on_path = shutil.which("claude", path=path)
    same = on_path is not None and Path(on_path).resolve() == binary.path.resolve()
    return f"{'claude' if same else shlex.quote(str(binary.path))} auth login"
