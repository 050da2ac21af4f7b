"""Every Claude CLI on this computer, with its version.

A CLI is asked for its version once; again when its file has changed, or after `ask_again`.
"""

from __future__ import annotations

import os
from pathlib import Path

from gevent.lock import BoundedSemaphore

from opcode_htmx.engines.claude.install import cli_binary
from opcode_htmx.lib.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Installation:
    """A CLI that runs. `named` is one that the person has named in CLAUDE_PATH."""

    path: Path
    version: str
    source: str
    named: bool


class Installations:
    """The CLIs that this server could work with."""

    def __init__(self, claude_path: Path | None, path: str, home: Path) -> None:
        """`path` is a PATH as in the environment."""
        self._claude_path = claude_path
        self._path = path
        self._home = home
        self._asked: dict[tuple[str, int, int], cli_binary.Binary | None] = {}
        self._one_at_a_time = BoundedSemaphore(1)

    def found(self) -> list[Installation]:
        """Those that run, the newest first; one with several names is listed once."""
        places: dict[str, Path] = {}
        named = [self._claude_path] if self._claude_path else []
        for candidate in [*named, *cli_binary.candidates(self._path, self._home)]:
            places.setdefault(os.path.realpath(candidate), candidate)
        asked = [(each, self.probe(each)) for each in places.values()]
        running = [(each, found) for each, found in asked if found]
        running.sort(key=lambda pair: pair[1].version, reverse=True)
        return [
            Installation(
                path=found.path,
                version=found.version_text,
                source=self._source(candidate),
                named=candidate == self._claude_path,
            )
            for candidate, found in running
        ]

    def probe(self, candidate: Path) -> cli_binary.Binary | None:
        """The CLI at a path; None if there is none that runs."""
        try:
            stat = candidate.stat()
        except OSError:
            return None
        key = (str(candidate), stat.st_mtime_ns, stat.st_size)
        # one at a time for all requests: each takes 200 MB while it prints its version
        with self._one_at_a_time:
            if key not in self._asked:
                self._asked = {k: v for k, v in self._asked.items() if k[0] != key[0]}
                self._asked[key] = cli_binary.probe(candidate, self._path, self._home)
            return self._asked[key]

    def ask_again(self) -> None:
        """After an update: the file of a wrapper stays the same, and starts another version."""
        with self._one_at_a_time:
            self._asked = {}

    def _source(self, candidate: Path) -> str:
        """How it was found, in the words of the desktop app where it has some."""
        if candidate == self._claude_path:
            return "CLAUDE_PATH"
        text = str(candidate)
        home = str(self._home)
        for part, source in (
            (cli_binary.WHEEL, "wheel"),
            (f"{home}/.nvm/", f"nvm ({candidate.parent.parent.name})"),
            (f"{home}/.claude/local/", "claude-local"),
            (f"{home}/.local/bin/", "local-bin"),
            (f"{home}/.npm-global/", "npm-global"),
            (f"{home}/.yarn/", "yarn"),
            (f"{home}/.config/yarn/", "yarn-global"),
            (f"{home}/.bun/", "bun"),
            ("/opt/homebrew/", "homebrew"),
            ("/usr/local/bin/", "system"),
        ):
            if part in text:
                return source
        return "PATH"
