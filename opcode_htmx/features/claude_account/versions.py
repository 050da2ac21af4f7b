"""The installations of Claude: which one is used, choosing another, and updating one."""

from __future__ import annotations

from pathlib import Path

from opcode_htmx.config.settings import Settings
from opcode_htmx.engines.base import CommandLine
from opcode_htmx.engines.claude.install import chosen, cli_binary
from opcode_htmx.engines.claude.install.installations import Installation, Installations
from opcode_htmx.lib.audit_log import log_act
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.files import atomic_files
from opcode_htmx.lib.identity import Identity
from opcode_htmx.runs.queries import subcommand
from opcode_htmx.runs.queries.subcommand import SubcommandFailed
from opcode_htmx.sessions.configuration.acts import Act, ActFailed, Acts
from opcode_htmx.web.server import reload

UPDATE_SECONDS = 280.0
"""200 MB may have to be fetched."""


class VersionRefused(Exception):
    """An installation cannot be chosen or updated; the text says why."""


@dataclass(frozen=True, slots=True)
class VersionView:
    """An installation as a page shows it."""

    installation: Installation
    is_used: bool
    is_chosen: bool
    """By a person; it may be in use only after a start."""
    is_too_old: bool
    is_updatable: bool


class Versions:
    """The installations, of which the server's sessions use one."""

    def __init__(
        self,
        installations: Installations,
        used: Path,
        settings: Settings,
        empty_folder: Path,
        acts: Acts,
    ) -> None:
        self._installations = installations
        self._used = used
        self._settings = settings
        self._empty_folder = empty_folder
        self._acts = acts

    @property
    def is_fixed(self) -> bool:
        """Whether CLAUDE_PATH names the one to use."""
        return self._settings.claude_path is not None

    def all(self) -> list[VersionView]:
        wanted = self.chosen
        return [
            VersionView(
                each,
                is_used=_is_same(each.path, self._used),
                is_chosen=wanted is not None and _is_same(each.path, wanted),
                is_too_old=_numbers(each.version) < cli_binary.MINIMUM_VERSION,
                is_updatable=each.source != "wheel" and cli_binary.WHEEL not in each.path.parts,
            )
            for each in self._installations.found()
        ]

    @property
    def is_waiting(self) -> bool:
        """Whether another one is chosen than is used."""
        wanted = None if self.is_fixed else self.chosen
        return wanted is not None and not _is_same(wanted, self._used)

    @property
    def chosen(self) -> Path | None:
        """The one that a person has chosen; None: the newest is used."""
        return chosen.read(self._settings.state_dir)

    def choose(self, path: str, by: Identity) -> bool:
        """Choose one; empty: the newest. Whether the server starts again with it by itself.

        Raises VersionRefused.
        """
        if self.is_fixed:
            raise VersionRefused("CLAUDE_PATH names the one to use: change it there.")
        if path:
            found = self._named(path)
            if found.is_too_old:
                least = ".".join(map(str, cli_binary.MINIMUM_VERSION))
                raise VersionRefused(f"It is too old: {least} or newer is needed.")
        chosen.write(self._settings.state_dir, Path(path) if path else None)
        log_act(by, "claude.choose", path=path)
        return reload.reload()

    def update(self, path: str, back: str, by: Identity) -> Act:
        """Begin to update one. Raises VersionRefused."""
        found = self._named(path)
        if not found.is_updatable:
            raise VersionRefused("It came with the Python package, and is updated with that.")
        log_act(by, "claude.update", path=path)

        def work() -> str:
            atomic_files.make_folder(self._empty_folder)
            blocked = {"DISABLE_AUTOUPDATER", "DISABLE_UPDATES"}
            variables = {
                name: value
                for name, value in self._settings.child_environment.items()
                if name not in blocked
            }
            command = CommandLine((path, "update"), variables)
            try:
                output = subcommand.run(command, self._empty_folder, UPDATE_SECONDS)
            except SubcommandFailed as error:
                raise ActFailed(str(error)) from None
            finally:
                self._installations.ask_again()
            said = (output.text if output.status == 0 else output.errors or output.text).strip()
            if output.status != 0:
                raise ActFailed(said[-500:] or "The update failed, and did not say why.")
            return said.splitlines()[-1][-300:] if said else "It is up to date."

        return self._acts.begin("Update Claude", back, work)

    def _named(self, path: str) -> VersionView:
        found = next((each for each in self.all() if str(each.installation.path) == path), None)
        if found is None:
            raise VersionRefused("There is no such installation any more.")
        return found


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve()
    except OSError:
        return one == other
