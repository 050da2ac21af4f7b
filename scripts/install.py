"""Install this checkout as a service: `make install`.

The program is copied into a release folder with a virtual environment of its own, so that nothing
that happens to the checkout touches the server that runs. The service then names that folder. The
release before stays, since runs that it has started may still use its Claude CLI.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from opcode_htmx.lib.version import __version__  # noqa: E402

PARTS = (
    "LICENSE",
    "app.py",
    "docs/configuration.md",
    "gunicorn.conf.py",
    "opcode_htmx",
    "requirements.txt",
    "scripts",
    "static",
    "templates",
)
"""What a release is made of. Its virtual environment is made by its own scripts."""
PYTHON = Path(".venv") / "bin" / "python"

_COMMAND = """\
#!/bin/sh
# Written by `make install` of opcode-htmx.
exec "{python}" -P -m opcode_htmx "$@"
"""


class InstallError(Exception):
    """It cannot be installed; the message is a sentence."""


def main() -> int:
    """Install and start the service; the exit status."""
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME", "").strip() or home / ".local" / "share")
    try:
        release = install(data / "opcode-htmx", home / ".local" / "bin", set_up)
    except (InstallError, OSError) as error:
        print(f"opcode-htmx could not be installed: {error}", file=sys.stderr)
        return 1
    service = [str(release / PYTHON), "-m", "opcode_htmx", "service", "install"]
    return subprocess.run([*service, *sys.argv[1:]], cwd=release, check=False).returncode


def install(folder: Path, commands: Path, prepare: Callable[[Path], None]) -> Path:
    """Make a release below `folder`, with a command in `commands`; the release.

    `prepare` makes its virtual environment. Until all is done, the release before is the current
    one. Raises InstallError, OSError.
    """
    releases = folder / "releases"
    current = folder / "current"
    release = releases / f"{__version__}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
    release.mkdir(parents=True)
    try:
        for part in PARTS:
            _copy(ROOT / part, release / part)
        prepare(release)
        _make_importable(release)
    except BaseException:
        shutil.rmtree(release, ignore_errors=True)
        raise
    before = current.resolve() if current.is_symlink() else None
    _point(current, release)
    _write_command(commands, current / PYTHON)
    for old in releases.iterdir():
        if old not in (release, before):
            shutil.rmtree(old, ignore_errors=True)
    return release


def set_up(release: Path) -> None:
    """Make the virtual environment: the pinned packages, and a Claude CLI if there is none."""
    for command in (
        ["sh", str(release / "scripts" / "venv.sh"), "requirements.txt"],
        [str(release / PYTHON), str(release / "scripts" / "claude_cli.py")],
    ):
        if subprocess.run(command, cwd=release, check=False).returncode:
            raise InstallError("its virtual environment could not be made.")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _make_importable(release: Path) -> None:
    """Have the release's Python find the package wherever it is started."""
    program = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run(
        [release / PYTHON, "-c", program], capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise InstallError(f"its Python does not run: {found.stderr.strip()}")
    (Path(found.stdout.strip()) / "opcode_htmx.pth").write_text(f"{release}\n", encoding="utf-8")


def _point(link: Path, target: Path) -> None:
    """Have the link lead to another folder, at once."""
    new = link.with_name(f".{link.name}-{os.getpid()}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def _write_command(folder: Path, python: Path) -> None:
    """Write the command `opcode-htmx`, unless somebody else's is there."""
    path = folder / "opcode-htmx"
    if path.is_symlink() or (path.exists() and "make install" not in path.read_text()):
        print(f"{path} is left as it is: it was not written by `make install`.")
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(_COMMAND.format(python=python), encoding="utf-8")
    path.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
