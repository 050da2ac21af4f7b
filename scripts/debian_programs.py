"""Find nginx, Caddy and gh for the tests that use the real ones; as root on Debian, install them.

Their services are not started.
"""

import os
import shutil
import subprocess
import sys

PACKAGES = {"nginx": "nginx-light", "caddy": "caddy", "gh": "gh"}
"""The package that has each command."""
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])


def main() -> int:
    apt_get = shutil.which("apt-get")
    missing = [name for name in PACKAGES if find(name) is None]
    if missing and os.geteuid() == 0 and apt_get:
        print(f"Installing {' and '.join(missing)} for the tests (about 25 MB).", flush=True)
        install(apt_get, [PACKAGES[name] for name in missing])
        missing = [name for name in PACKAGES if find(name) is None]
    if not missing:
        return 0
    required = os.environ.get("CI") == "true"
    print(
        f"{' and '.join(missing)} was not found, so the tests with it "
        f"{'cannot run' if required else 'are skipped'}; install it.",
        file=sys.stderr,
    )
    return 1 if required else 0


def find(name: str) -> str | None:
    """The path of a program; None if it is not installed."""
    return shutil.which(name, path=PATH)


def install(apt_get: str, packages: list[str]) -> None:
    # A run level at which Debian's packages start no service
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run([apt_get, "update", "-qq"], env=environment, stdout=sys.stderr, check=False)
    for package in packages:
        command = [apt_get, "install", "-y", "-qq", "--no-install-recommends", package]
        # The output of apt goes to stderr; find() shows whether it worked.
        subprocess.run(command, env=environment, stdout=sys.stderr, check=False)


if __name__ == "__main__":
    sys.exit(main())
