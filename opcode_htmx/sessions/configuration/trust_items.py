"""The trust items of a project as pages show them: in groups, with hidden characters visible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from opcode_htmx.engines.trust import Kind, TrustItem
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.markup.visible_text import visible
from opcode_htmx.web.http.filters import relative_to

MOST_CHARACTERS = 100_000
"""Of the texts of all items on a page."""

HEADINGS = {
    Kind.HOOK: "Runs by itself",
    Kind.HELPER: "Runs by itself",
    Kind.SERVER: "Starts as an MCP server",
    Kind.SCHEDULE: "Prompts Claude by itself",
    Kind.PLUGIN: "Adds a plugin",
    Kind.COMMAND: "Runs in a command, skill or agent",
    Kind.ENVIRONMENT: "Sets an environment variable",
    Kind.PERMISSION: "Allows without asking",
    Kind.SETTING: "Changes a setting",
    Kind.UNREADABLE: "Cannot be shown",
}


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item as the page shows it."""

    name: str
    file: str
    text: str


def shown(folder: Path, groups: Mapping[str, list[TrustItem]]) -> list[tuple[str, list[ShownItem]]]:
    """The groups, hidden characters made visible, cut to MOST_CHARACTERS in all."""
    remaining = MOST_CHARACTERS

    def shown_item(item: TrustItem) -> ShownItem:
        nonlocal remaining
        text = item.text[: max(0, remaining)]
        remaining -= len(item.text)
        left_out = item.left_out + len(item.text) - len(text)
        more = f"… {left_out:,} more characters" if left_out else ""
        file = relative_to(item.file, folder)
        return ShownItem(visible(item.name), visible(file), visible(text, lines=True) + more)

    return [(heading, list(map(shown_item, _joined(items)))) for heading, items in groups.items()]


def grouped(items: Sequence[TrustItem]) -> dict[str, list[TrustItem]]:
    """The items by their headings, in the order of HEADINGS."""
    groups: dict[str, list[TrustItem]] = {heading: [] for heading in HEADINGS.values()}
    for item in items:
        groups[HEADINGS[item.kind]].append(item)
    return {heading: found for heading, found in groups.items() if found}


def _joined(items: Sequence[TrustItem]) -> list[TrustItem]:
    """The items of a heading; the permission rules of one file become one item of lines."""
    found: list[TrustItem] = []
    for item in items:
        last = found[-1] if found else None
        same = last and (last.kind, last.name, last.file) == (item.kind, item.name, item.file)
        if last and same and item.kind is Kind.PERMISSION:
            left_out = last.left_out + item.left_out
            found[-1] = replace(last, text=f"{last.text}\n{item.text}", left_out=left_out)
        else:
            found.append(item)
    return found
