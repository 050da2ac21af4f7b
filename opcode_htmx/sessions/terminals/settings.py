"""Whether there are terminals, and where they are: read by every start, without what runs them."""

from __future__ import annotations

from opcode_htmx.config import values
from opcode_htmx.config.declarations import FeatureSettings, setting
from opcode_htmx.lib.files.state_folders import Backup, StateFolder
from opcode_htmx.sessions.terminals.model import VERSION

MOST_ENDED = 50
"""The oldest of more are removed when another one is started."""

FOLDER = StateFolder(
    "terminals",
    holds="the terminals: records, pipes, and the newest 2 MB of output",
    keep=f"until it is removed; of those that have ended, the newest {MOST_ENDED}",
    version=VERSION,
    backup=Backup.NEVER,  # its processes are on this machine, and its output may show secrets
)


class TerminalSettings(FeatureSettings):
    """Reads OPCODE_TERMINAL."""

    on: values.Switch = setting(
        "0",
        "`1`: a terminal in the browser, with a shell or Claude's own interface. Who can log in "
        "then has all that this user has on the machine.",
        name="OPCODE_TERMINAL",
    )
