"""Which documents Claude uses, as it says itself, and those that it has from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field

from opcode_htmx.engines.claude.config import queries
from opcode_htmx.engines.claude.config.documents.kinds import Kind
from opcode_htmx.engines.claude.config.documents.listing import Entry
from opcode_htmx.engines.claude.config.scopes import Scope
from opcode_htmx.lib.coerce import Json, as_str
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.sessions.configuration.reports import INITIALIZE, ClaudeReport

NOT_LISTED = "Claude does not list it."
_OWN = ("project", "user")
_LONGEST = 300
_State = Callable[[Entry], str]


@dataclass(frozen=True, slots=True)
class Row:
    """A document in a list; one without an `entry` is not a file that can be changed here."""

    name: str
    description: str
    kind: Kind
    entry: Entry | None = None
    state: str = ""
    """Why Claude does not use it; empty if it does."""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """The documents from one source."""

    title: str
    rows: Sequence[Row]
    is_folded: bool = False


@dataclass(frozen=True, slots=True)
class _Said:
    """What a report says about commands and skills; `known` is empty if it says nothing."""

    known: frozenset[tuple[str, str]] = frozenset()
    """The source and the name."""
    suffixes: dict[str, str] = field(default_factory=dict)
    """The description of each name, which ends with its source."""


def commands(entries: Iterable[Entry], report: ClaudeReport) -> Iterator[Section]:
    """Commands and skills by their source."""
    entries, skills = list(entries), _dicts(report.answer(queries.SKILLS), "skills")
    listed = _dicts(report.answer(INITIALIZE), "commands")
    said = _Said(
        frozenset((as_str(each.get("source")), as_str(each.get("name"))) for each in skills),
        {as_str(each.get("name")): as_str(each.get("description")) for each in listed},
    )
    yield from _own(entries, lambda entry: _state_of_command(entry, entries, said))
    others = [each for each in skills if as_str(each.get("source")) not in (*_OWN, "bundled")]
    hints = {as_str(each.get("name")): as_str(each.get("argumentHint")) for each in listed}
    plugins = [_row(each, Kind.COMMAND, hints) for each in others]
    built_in = [_row(each, Kind.COMMAND, hints) for each in listed if each.get("builtin") is True]
    names = {row.name for row in built_in}
    plugins = [row for row in plugins if row.name not in names]
    yield from _section("From plugins and others", plugins)
    shown = [row for row in built_in if not row.name.startswith("__")]
    yield from _section("Built in", sorted(shown, key=lambda row: row.name), is_folded=True)


def agents(entries: Iterable[Entry], report: ClaudeReport) -> Iterator[Section]:
    """Subagents by their source."""
    entries, listed = list(entries), _dicts(report.answer(INITIALIZE), "agents")
    known = {as_str(each.get("name")) for each in listed}
    yield from _own(entries, lambda entry: _state_of_agent(entry, entries, known))
    own = {entry.called for entry in entries}
    rows = [_row(each, Kind.AGENT, {}) for each in listed if as_str(each.get("name")) not in own]
    yield from _section("From plugins", [row for row in rows if ":" in row.name])
    yield from _section("Built in", [row for row in rows if ":" not in row.name])


def _own(entries: Sequence[Entry], state: _State) -> Iterator[Section]:
    for scope, title in ((Scope.PROJECT, "Project"), (Scope.USER, "User")):
        rows = [
            Row(each.called, each.description, each.kind, each, each.problem or state(each))
            for each in entries
            if each.scope is scope
        ]
        yield from _section(title, sorted(rows, key=lambda row: row.name.lower()))


def _state_of_command(entry: Entry, entries: Sequence[Entry], said: _Said) -> str:
    if not said.known:
        return ""
    if (str(entry.scope), entry.name) not in said.known:
        return NOT_LISTED
    other = next((each for each in entries if _hides(each, entry)), None)
    if other and said.suffixes.get(entry.called, "").endswith(f"({other.scope})"):
        return f"The one of the {other.scope} with this name is used."
    return ""


def _state_of_agent(entry: Entry, entries: Sequence[Entry], known: set[str]) -> str:
    if not known:
        return ""
    if entry.called not in known:
        return NOT_LISTED
    if entry.scope is Scope.USER and any(_hides(each, entry) for each in entries):
        return "The one of the project with this name is used."
    return ""


def _hides(one: Entry, other: Entry) -> bool:
    return one.called == other.called and one.scope is not other.scope


def _section(title: str, rows: Sequence[Row], *, is_folded: bool = False) -> Iterator[Section]:
    if rows:
        yield Section(title, rows, is_folded)


def _row(found: Json, kind: Kind, hints: dict[str, str]) -> Row:
    name = as_str(found.get("name"))
    description = " ".join(as_str(found.get("description")).split())
    return Row(name, description[:_LONGEST], kind, hint=hints.get(name, ""))


def _dicts(answer: Json, name: str) -> list[Json]:
    found = answer.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
