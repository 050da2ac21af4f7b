"""Checks of the Claude CLI: found, of a version that is known, and logged in."""

from __future__ import annotations

import os

from gevent.lock import BoundedSemaphore

from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.claude.install import chosen, cli_binary
from opcode_htmx.engines.claude.install.cli_binary import Binary, BinaryError
from opcode_htmx.sessions.health.check import Finding, State

NEWEST_TRIED = (2, 1, 332)
"""The newest version in docs/cli-versions.md, which a test compares."""
_INSTALL = "npm install --global @anthropic-ai/claude-code"


class ClaudeChecks:
    """The checks of one CLI, which is searched for once: each start of it takes 200 MB."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._searching = BoundedSemaphore(1)
        self._found: Binary | BinaryError | None = None

    def binary(self) -> Binary:
        """The CLI that a start with these settings takes. Raises BinaryError."""
        with self._searching:  # both checks ask at once
            if self._found is None:
                try:
                    self._found = _find(self._settings)
                except BinaryError as error:
                    self._found = error
        if isinstance(self._found, BinaryError):
            raise self._found
        return self._found

    def cli(self) -> Finding:
        """The CLI, and whether its version is one that is known here."""
        try:
            found = self.binary()
        except BinaryError as error:
            update = isinstance(error, cli_binary.BinaryTooOld)
            return Finding(
                State.PROBLEM,
                str(error),
                "Update the Claude CLI." if update else "Install the Claude CLI.",
                "claude update" if update else _INSTALL,
            )
        facts = {"Version": found.version_text, "File": str(found.path)}
        if found.version <= NEWEST_TRIED:
            return Finding(State.OK, f"Claude {found.version_text} is supported.", facts=facts)
        newest = ".".join(map(str, NEWEST_TRIED))
        return Finding(
            State.HINT,
            f"Claude {found.version_text} is newer than {newest}, the newest one that this version "
            "was tried with; what is new in it may be shown plainly.",
            "If something is missing, look for a newer opcode-htmx.",
            facts=facts,
        )

    def login(self) -> Finding:
        """Whether the CLI has an account to work with."""
        settings = self._settings
        if settings.demo:
            return Finding(State.OK, "This is a demo: a script answers, so no account is needed.")
        try:
            found = self.binary()
            is_logged_in = cli_binary.logged_in(found, settings.child_environment)
        except BinaryError as error:
            return Finding(
                State.UNKNOWN, f"This could not be checked: {error}", "Mend the Claude CLI first."
            )
        if is_logged_in:
            return Finding(State.OK, "Claude is logged in.")
        command = cli_binary.login_command(found, _search_path(settings))
        if settings.demo is None:
            return Finding(
                State.WARNING,
                "Claude is not logged in, so a start is a demo: a script answers.",
                "Log in, then start again; or use Claude → Account on the phone.",
                command,
            )
        return Finding(
            State.PROBLEM,
            "Claude is not logged in, and OPCODE_DEMO is 0: no prompt can be answered.",
            "Log in; or use Claude → Account on the phone.",
            command,
        )


def _find(settings: Settings) -> Binary:
    path = _search_path(settings)
    wanted = settings.claude_path or chosen.read(settings.state_dir)
    if (
        settings.claude_path is None
        and wanted
        and not cli_binary.probe(wanted, path, settings.home)
    ):
        wanted = None  # of a chosen one that is gone a start takes the newest
    return cli_binary.find(wanted, path, settings.home)


def _search_path(settings: Settings) -> str:
    return settings.child_environment.get("PATH", os.defpath)
