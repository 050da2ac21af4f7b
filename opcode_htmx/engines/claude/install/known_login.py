"""Remember that Claude was logged in, so that a start need not wait for `claude auth status`.

Only a login is remembered, never its absence: a person who has just logged in never gets the demo.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path

from opcode_htmx.engines.claude.install import cli_binary
from opcode_htmx.lib.files import atomic_files

NAME = "known_login"
"""Of the file in the state folder."""
_PREFIXES = ("ANTHROPIC_", "CLAUDE_")
_VARIABLES = ("HOME", "CLAUDE_CONFIG_DIR")


class KnownLogin:
    """The login of one CLI with one configuration."""

    def __init__(self, state_dir: Path, binary: cli_binary.Binary, env: Mapping[str, str]) -> None:
        """`env` is the environment that the CLI is started with."""
        self._path = state_dir / NAME
        self._binary = binary
        self._env = env

    def is_remembered(self) -> bool:
        """Whether the CLI was logged in when it was asked last, in an environment like this."""
        try:
            return self._path.read_text(encoding="utf-8") == self._of_whom()
        except (OSError, ValueError):
            return False

    def ask(self) -> bool:
        """Whether the CLI is logged in now; remembered from now on. Raises BinaryError."""
        answer = cli_binary.logged_in(self._binary, self._env)
        with contextlib.suppress(OSError):  # then it is asked at the next start, too
            if answer:
                self._remember()
            else:
                self._path.unlink(missing_ok=True)
        return answer

    def _remember(self) -> None:
        atomic_files.write(self._path, self._of_whom().encode(), durable=False)

    def _of_whom(self) -> str:
        """Of the variables with secrets only the names: a key that is removed ends a login."""
        names = sorted(name for name in self._env if name.startswith(_PREFIXES))
        values = [self._env.get(name, "") for name in _VARIABLES]
        text = "\0".join([str(self._binary.path), *values, *names])
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
