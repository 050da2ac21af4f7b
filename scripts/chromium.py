"""Find Chromium for the browser tests; as root on Debian, install it if it is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

COMMANDS = (
    "chromium-headless-shell",  # Debian's, the same browser without its windows: a quarter less CPU
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
)
APPLICATIONS = (
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
)


def main() -> int:
    apt_get = shutil.which("apt-get")
    if find() is None and os.geteuid() == 0 and apt_get:
        print(
            "Installing Chromium for the browser tests (about 60 MB, and what it needs).",
            flush=True,
        )
        install(apt_get)
    if find() is not None:
        return 0
    required = os.environ.get("CI") == "true"
    print(
        "Chromium was not found, so the browser tests "
        f"{'cannot run' if required else 'are skipped'}; install Chromium or Google Chrome.",
        file=sys.stderr,
    )
    return 1 if required else 0


def find() -> Path | None:
    """The executable of Chromium or Chrome; None if there is none."""
    for command in COMMANDS:
        if path := shutil.which(command):
            return Path(path)
    return next((path for path in APPLICATIONS if path.is_file()), None)


def install(apt_get: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([apt_get, "update", "-qq"], env=environment, stdout=sys.stderr, check=False)
    for package in ("chromium-headless-shell", "chromium"):  # the first one is in Debian only
        command = [apt_get, "install", "-y", "-qq", package]
        # The output of apt goes to stderr; find() shows whether it worked.
        subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
        if find() is not None:
            return


if __name__ == "__main__":
    sys.exit(main())
