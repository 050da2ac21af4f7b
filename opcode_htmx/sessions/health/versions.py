"""Check of versions: of this program, of what it is made with, and of what it starts."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path

from opcode_htmx.config import state_format
from opcode_htmx.config.settings import Settings
from opcode_htmx.lib.files.state_dir import StateError
from opcode_htmx.lib.git import process
from opcode_htmx.lib.git.process import GitFailed, GitMissing
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.version import __version__
from opcode_htmx.sessions.health import tools
from opcode_htmx.sessions.health.check import Finding, State

OLDEST_GIT = (2, 34)
GIT_SECONDS = 3.0
_LIBRARIES = ("gunicorn", "gevent", "Flask", "pydantic", "psutil")
_NUMBERS = late_pattern(r"(\d{1,6})\.(\d{1,6})")


def versions(settings: Settings) -> Finding:
    """All versions; a warning without git, or with one that is too old for copies and changes."""
    facts = {"opcode-htmx": __version__, **of_this_process()}
    of_git = _of_git(settings, facts)
    if systemd := tools.ask("systemctl", "--version"):
        facts["systemd"] = systemd.text.partition("\n")[0].removeprefix("systemd ")
    return (
        _of_state_folder(settings, facts)
        or of_git
        or Finding(
            State.OK, f"opcode-htmx {__version__} with Python {facts['Python']}.", facts=facts
        )
    )


def _of_git(settings: Settings, facts: dict[str, str]) -> Finding | None:
    """What git lacks; None: nothing. Adds its version."""
    try:
        facts["git"] = git_version(settings)
    except GitMissing:
        facts["git"] = "missing"
        return Finding(
            State.WARNING,
            "git was not found: changes, commits, copies and checkpoints need it.",
            "Install git.",
            "xcode-select --install" if sys.platform == "darwin" else "sudo apt-get install git",
            facts,
        )
    except GitFailed as error:
        facts["git"] = "not known"
        return Finding(
            State.WARNING,
            f"git does not say its version: {str(error).rstrip('.')}. Changes, commits, copies and "
            "checkpoints need it.",
            "See what it does.",
            "command -v git && git --version",
            facts,
        )
    numbers = _NUMBERS.search(facts["git"])
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST_GIT:
        oldest = ".".join(map(str, OLDEST_GIT))
        return Finding(
            State.WARNING,
            f"git {facts['git']} is older than {oldest}: some of what Changes and Copies do may "
            "fail.",
            "Update git.",
            "sudo apt-get install git",
            facts,
        )
    return None


def _of_state_folder(settings: Settings, facts: dict[str, str]) -> Finding | None:
    """What keeps this version from the state folder; None: nothing. Adds its version."""
    if not settings.state_dir.exists():
        return None
    try:
        number, program = state_format.of(settings.state_dir)
    except StateError as error:
        return Finding(State.PROBLEM, str(error), facts=facts)
    facts["State folder"] = f"format {number}, of opcode-htmx {program}"
    if number <= state_format.FORMAT:
        return None
    return Finding(
        State.PROBLEM,
        f"The state folder was used by opcode-htmx {program}, and this is {__version__}, which "
        "cannot read it.",
        f"Install {program} or newer again, or name another folder in OPCODE_STATE_DIR.",
        facts=facts,
    )


def of_this_process() -> dict[str, str]:
    """Of Python, its libraries and the system; starts nothing."""
    return {
        "Python": platform.python_version(),
        **{name: _of_library(name) for name in _LIBRARIES},
        "System": f"{platform.system()} {platform.release()} ({platform.machine()})",
    }


def git_version(settings: Settings) -> str:
    """Raises GitFailed where there is no git that runs."""
    output = process.run(["--version"], Path("/"), settings.child_environment, seconds=GIT_SECONDS)
    return output.content.decode("utf-8", "replace").strip().removeprefix("git version ")


def _of_library(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not known"
