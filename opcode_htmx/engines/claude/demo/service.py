"""Start the demo, and provide the environment in which Claude uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from opcode_htmx.engines.claude.demo import lease
from opcode_htmx.engines.claude.demo.daemon import (
    IDLE_SECONDS,
    LEASE_NAME,
    RECORD_NAME,
    SAMPLE_NAME,
)
from opcode_htmx.engines.claude.demo.lease import Lease
from opcode_htmx.engines.claude.demo.record import Record
from opcode_htmx.engines.claude.demo.sample import ensure_sample_project
from opcode_htmx.lib import resources
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files

LOG_NAME = "api.log"
CONFIG_NAME = "claude"
_START_TIMEOUT = 20.0

REMOVED_VARIABLES = (
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_CUSTOM_HEADERS",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR",
    "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
)
"""Variables that would make the CLI use another API than the demo's, or send it a secret."""


class DemoUnavailableError(Exception):
    """The demo cannot be started; the message says why, in the user's terms."""


@dataclass(frozen=True, slots=True)
class DemoEnvironment:
    """A demo that runs for as long as this object is kept (or until release()).

    environment: to be laid over the environment of a Claude.
    removed: names to be taken out of it.
    """

    base_url: str
    config_dir: Path
    sample_project: Path
    environment: Mapping[str, str]
    lease: Lease = field(repr=False)
    removed: tuple[str, ...] = REMOVED_VARIABLES

    @property
    def changes(self) -> dict[str, str | None]:
        """Both in one mapping: a value to be set, or None for a name to be taken out."""
        return {**dict.fromkeys(self.removed), **self.environment}

    def release(self) -> None:
        """Release it. The API ends by itself when it has no user."""
        self.lease.release()


def ensure_running(
    demo_dir: Path, environment: Mapping[str, str], idle_seconds: float = IDLE_SECONDS
) -> DemoEnvironment:
    """Use the API that serves this folder, or start it. Any number of processes may call this.

    environment: in whose PATH git is looked for.
    idle_seconds: how long a newly started API outlives its last user.
    Raises DemoUnavailableError.
    """
    demo_dir = demo_dir.resolve()
    config_dir, sample_project = demo_dir / CONFIG_NAME, demo_dir / SAMPLE_NAME
    try:
        for folder in (demo_dir, config_dir):
            atomic_files.make_folder(folder)
        kept = lease.take(demo_dir / LEASE_NAME, shared=True, timeout=_START_TIMEOUT)
        if kept is None:
            raise DemoUnavailableError("The demo's Messages API is ending and does not finish.")
        with lease.exclusive(demo_dir / "start.lock", timeout=2 * _START_TIMEOUT):
            ensure_sample_project(sample_project, environment)
            port = _port(demo_dir, idle_seconds)
    except OSError as error:
        raise DemoUnavailableError(f"The demo cannot be set up in {demo_dir}: {error}") from error
    base_url = f"http://127.0.0.1:{port}"
    return DemoEnvironment(
        base_url, config_dir, sample_project, _environment(base_url, config_dir), kept
    )


def _port(demo_dir: Path, idle_seconds: float) -> int:
    record = Record.load(demo_dir / RECORD_NAME)
    if record and record.answers():
        return record.port
    if record:
        record.end_process()
    _start(demo_dir, idle_seconds)
    record = Record.load(demo_dir / RECORD_NAME)
    if record is None or not record.answers():
        raise DemoUnavailableError(
            f"The demo's Messages API started but does not answer; see {demo_dir / LOG_NAME}."
        )
    return record.port


def _start(demo_dir: Path, idle_seconds: float) -> None:
    log = demo_dir / LOG_NAME
    command = [sys.executable, "-m", "opcode_htmx.engines.claude.demo", str(demo_dir)]
    command += ["--idle-seconds", str(idle_seconds)]
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab") as output:
        try:
            # The started process detaches and the launcher ends, so there is nothing to reap.
            launcher = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=resources.IMPORT_FOLDER,
                env={"PYTHONUTF8": "1"},
                start_new_session=True,
                timeout=_START_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DemoUnavailableError(
                f"The demo's Messages API did not start within {_START_TIMEOUT:.0f} s; see {log}."
            ) from error
    if launcher.returncode:
        raise DemoUnavailableError(f"The demo's Messages API could not start; see {log}.")


def _environment(base_url: str, config_dir: Path) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_API_KEY": "demo",
        "CLAUDE_CONFIG_DIR": str(config_dir),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        # a proxy of the user's must not be used for this machine
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
