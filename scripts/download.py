"""Run a command that downloads files, and say what it fetches, how large it is, and how far it is.

On a terminal a line counts up; elsewhere, as in a log, there are a few lines. How far it is: the
bytes in the temporary folder of the command, where pip and npm put what they download.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

PYTHON_PACKAGES = {
    "requirements.txt": ("the Python packages", 10),
    "requirements-dev.txt": ("the Python packages of the tests", 110),
}
"""The files that list them, with the megabytes on Linux; other systems differ by a tenth."""

LOOK_SECONDS = 0.2
QUARTERS = (25, 50, 75)
"""The percentages that get a line in a log."""


class DownloadError(Exception):
    """Something cannot be fetched; the message says why, in a line."""


class Progress:
    """The line about one download. `size` is in megabytes."""

    def __init__(self, what: str, size: float, out: TextIO) -> None:
        self._words = f"Fetching {what} (about {size:g} MB)"
        self._what = what
        self._size = size
        self._out = out
        self._is_terminal = out.isatty()
        self._percent = -1
        self._began = time.monotonic()
        self._write(f"{self._words} …" if self._is_terminal else f"{self._words}.\n")

    def show(self, done: int) -> None:
        """`done` bytes have arrived. As the size is a rough one, 100 % are never shown."""
        percent = min(99, int(done / self._size / 10_000))
        if percent <= self._percent:
            return
        if self._is_terminal:
            self._write(f"\r{self._words} … {percent} %")
        elif passed := [each for each in QUARTERS if self._percent < each <= percent]:
            self._write(f"Fetching {self._what}: {passed[-1]} %\n")
        self._percent = percent

    def end(self, *, is_done: bool) -> None:
        """It is there, or it is not: the reason follows on a line of its own."""
        seconds = f"{time.monotonic() - self._began:.0f} s"
        if self._is_terminal:
            # blanks replace the percentage
            self._write(f"\r{self._words} … {f'done, {seconds}' if is_done else 'failed':<12}\n")
        elif is_done:
            self._write(f"Fetched {self._what} in {seconds}.\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def run(
    what: str,
    size: float,
    command: Sequence[str],
    *,
    timeout: float | None = None,
    out: TextIO | None = None,
) -> None:
    """Run a command that downloads about `size` megabytes. Raises DownloadError."""
    progress = Progress(what, size, out or sys.stdout)
    is_done = False
    try:
        with tempfile.TemporaryDirectory() as folder:
            scratch, errors = Path(folder, "files"), Path(folder, "errors")
            scratch.mkdir()
            _run(
                command,
                errors,
                {"TMPDIR": str(scratch)},
                timeout,
                lambda: progress.show(_size(scratch)),
            )
        is_done = True
    finally:
        progress.end(is_done=is_done)


def pip_install(what: str, size: float, *arguments: str, out: TextIO | None = None) -> None:
    """Install with the pip of this Python. Raises DownloadError."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(what, size, [*pip, *arguments], out=out)


def _run(
    command: Sequence[str],
    errors: Path,
    environment: Mapping[str, str],
    timeout: float | None,
    look: Callable[[], None],
) -> None:
    deadline = time.monotonic() + timeout if timeout else float("inf")
    with errors.open("wb") as stderr:
        try:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )
        except OSError as error:
            raise DownloadError(str(error)) from error
    try:
        while True:
            try:
                status = process.wait(LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                look()
            if time.monotonic() > deadline:
                raise DownloadError(f"it took longer than {timeout:.0f} seconds")
    finally:
        if process.poll() is None:  # interrupted, or too late
            process.kill()
            process.wait()
    if status:
        raise DownloadError(reason_in(errors.read_text(encoding="utf-8", errors="replace"), status))


def reason_in(output: str, status: int) -> str:
    """The line that says what failed: the first error of npm, the last of pip, or the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    marked = [line for line in lines if line.lower().startswith(("npm err", "error:"))]
    first_of_npm = next((line for line in marked if line.lower().startswith("npm err")), "")
    return first_of_npm or (marked or lines or [f"exit status {status}"])[-1]


def _size(folder: Path) -> int:
    """The bytes of all files below a folder, some of which may vanish meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(parent, name).stat().st_size
    return total


def main(arguments: Sequence[str]) -> int:
    """Install the files of requirements that are named."""
    for name in arguments:
        options = ("--require-hashes", "--requirement", name)
        try:
            pip_install(*PYTHON_PACKAGES[name], *options)
        except DownloadError as error:
            print(
                f"The Python packages could not be installed: {error}\n"
                "Check the network, or pip's settings if there is a proxy, and repeat the command.",
                file=sys.stderr,
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
