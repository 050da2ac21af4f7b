"""The findings of the drift check, for a person and for docs/cli-versions.md. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from drift.names import Name

HEAD = "| Claude | From | Tried on | Found |\n| --- | --- | --- | --- |\n"


def report(version: str, new: Sequence[Name]) -> str:
    """All new names, one kind per line."""
    if not new:
        return f"Claude {version}: nothing new.\n"
    lines = [f"Claude {version}: {len(new)} names that this code does not know:\n"]
    for kind, names in groupby(new, lambda name: name.kind):
        lines.append(f"  {kind}: {', '.join(name.name for name in names)}\n")
    lines.append("For each: read it, or give a reason not to, in drift/known.py.\n")
    return "".join(lines)


def with_row(document: str, version: str, date: str, source: str, new: Sequence[Name]) -> str:
    """The document with the row of this version in its table: the newest version comes first.

    Raises ValueError if the document has no table."""
    before, head, after = document.partition(HEAD)
    if not head:
        raise ValueError("the table of versions is missing")
    rows, rest = list[str](), after.splitlines(keepends=True)
    while rest and rest[0].startswith("|"):
        rows.append(rest.pop(0))
    kept = [row for row in rows if _version_of(row) != version]
    row = f"| {version} | {source} | {date} | {_summary(new)} |\n"
    ordered = sorted([*kept, row], key=lambda each: _ordered(_version_of(each)), reverse=True)
    return before + head + "".join(ordered) + "".join(rest)


def _summary(new: Sequence[Name]) -> str:
    if not new:
        return "nothing new"
    found = ", ".join(f"{name.kind} `{name.name}`" for name in new)
    return f"{len(new)} new: {found}"


def _version_of(row: str) -> str:
    return row.split("|")[1].strip()


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
