"""Keys that a phone lacks, and what a terminal sends for them."""

from __future__ import annotations

from opcode_htmx.lib.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the bar. `name` is its value in forms, and in terminal.js."""

    name: str
    label: str
    sends: bytes
    title: str = ""
    """For screen readers, where the label is a sign."""


KEYS = (
    Key("escape", "Esc", b"\x1b", "Escape"),
    Key("tab", "Tab", b"\t"),
    Key("left", "←", b"\x1b[D", "Left"),
    Key("up", "↑", b"\x1b[A", "Up"),
    Key("down", "↓", b"\x1b[B", "Down"),
    Key("right", "→", b"\x1b[C", "Right"),
    Key("enter", "↵", b"\r", "Enter"),
    Key("interrupt", "^C", b"\x03", "Control C: interrupt"),
    Key("end-of-input", "^D", b"\x04", "Control D: end of input"),
    Key("back-tab", "⇧Tab", b"\x1b[Z", "Shift Tab"),
    Key("home", "Home", b"\x1b[H"),
    Key("end", "End", b"\x1b[F"),
    Key("page-up", "PgUp", b"\x1b[5~", "Page up"),
    Key("page-down", "PgDn", b"\x1b[6~", "Page down"),
    Key("pipe", "|", b"|", "Vertical bar"),
    Key("slash", "/", b"/", "Slash"),
    Key("tilde", "~", b"~", "Tilde"),
    Key("hyphen", "-", b"-", "Hyphen"),
)
BY_NAME = {key.name: key for key in KEYS}
