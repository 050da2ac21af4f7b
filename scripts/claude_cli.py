"""Ensure that there is a Claude CLI: install the wheel that contains it if none is usable."""

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from scripts import download

WHEEL = "claude-agent-sdk"
PIN = "0.2.187"
SIZE = 168
"""Megabytes to download; 380 on the disk."""


def main() -> int:
    if wheel_is_installed():
        return 0
    from opcode_htmx.config.settings import Settings, SettingsError
    from opcode_htmx.engines.claude.install import cli_binary

    try:
        settings = Settings.from_env()
        if settings.claude_path is not None:
            return 0  # the launcher reports what is wrong with it, if anything
        cli_binary.find(None, settings.child_environment.get("PATH", ""), settings.home)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    except cli_binary.BinaryError:
        return install()
    return 0


def wheel_is_installed() -> bool:
    try:
        return version(WHEEL) == PIN
    except PackageNotFoundError:
        return False


def install() -> int:
    # Only its executable is used, so the dependencies of the wheel are left out.
    try:
        download.pip_install("the Claude CLI", SIZE, "--no-deps", f"{WHEEL}=={PIN}")
    except download.DownloadError as error:
        print(
            f"The Claude CLI could not be fetched: {error}\n"
            "Check the network and repeat the command; or install Claude Code yourself, and name "
            "it in CLAUDE_PATH if it is not found.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
