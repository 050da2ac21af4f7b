"""Read and change the front matter of a Markdown file; what is not changed stays byte for byte.

Only the lines of a changed field are replaced, with YAML written by the library. So comments, the
order, unknown fields and the way in which they are written are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from opcode_htmx.engines.claude.config.slash_commands import split
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

if TYPE_CHECKING:
    import yaml

LONGEST = 32 * 1024
"""Characters of a header that is read here."""

_FENCE = "---"
_KEY = late_pattern(r"([^\s#:'\"&*!|>%@`\[\]{},?-][^\s:]{0,99})[ \t]{0,8}:(?:\s|$)")
_PLAIN = late_pattern(r"[^\W\d_]")
_UNUSABLE = late_pattern(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ANY_ERROR = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    RecursionError,
)
"""The library takes for granted that a value is what its tag says.

It is imported with the first header: with its patterns it would take 15 ms of every start.
"""


Fields = Mapping[str, object]


class HeaderRefused(Exception):
    """A front matter that cannot be changed field by field; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Document:
    """The parts of a file. `problem` says why the header could not be read as YAML."""

    header: str
    body: str
    fields: Fields
    problem: str = ""


def parse(text: str) -> Document:
    """The parts of a text; never raises."""
    header, body = split(text)
    if len(header) > LONGEST:
        return Document(header, body, {}, f"It is longer than {LONGEST:,} characters.")
    return Document(header, body, _fields(header), _problem(header))


def _fields(header: str) -> Fields:
    from opcode_htmx.engines.claude.config import command_header

    return command_header.fields(header)


def changed(text: str, fields: Mapping[str, str | None], body: str | None = None) -> str:
    """The text with other values of some fields, None to remove one, and another body if given.

    Raises HeaderRefused.
    """
    before = parse(text)
    if len(before.header) > LONGEST:
        raise HeaderRefused("The header is too long for this form. Edit the file as text.")
    for name, value in fields.items():
        if value is not None and _UNUSABLE.search(value):
            raise HeaderRefused(f"The field “{name}” holds a character that cannot be saved.")
    end = "\r\n" if "\r\n" in text else "\n"
    header = _with_fields(before.header, fields, end)
    after = _fields(header) if header.strip() else {}
    if fields and (
        _problem(header) or any(after.get(name) != value for name, value in fields.items())
    ):
        raise HeaderRefused("The header is not YAML as Claude expects it. Edit the file as text.")
    others = before.fields.keys() - fields.keys()
    if not before.problem and any(after.get(name) != before.fields[name] for name in others):
        raise HeaderRefused("The header is written unusually. Edit the file as text.")
    content = before.body if body is None else body.replace("\r\n", "\n").replace("\n", end)
    if not header.strip() and before.body == text:
        return content
    return f"{_FENCE}{end}{header}{_FENCE}{end}{content}"


def _with_fields(header: str, fields: Mapping[str, str | None], end: str) -> str:
    lines = header.splitlines(keepends=True)
    if lines and not lines[-1].endswith(("\n", "\r")):
        lines[-1] += end
    places: dict[str, list[range]] = {}
    for name, place in _places(header, lines):
        places.setdefault(name, []).append(place)
    replaced: dict[int, list[str]] = {}
    added: list[str] = []
    for name, value in fields.items():
        written = [] if value is None else [_line(name, value, end)]
        found = places.get(name, [])
        for place in found:
            replaced |= {number: [] for number in place}
        if found:
            replaced[found[0].start] = written
        else:
            added += written
    kept = [part for number, line in enumerate(lines) for part in replaced.get(number, [line])]
    return "".join([*kept, *added])


def _line(name: str, value: str, end: str) -> str:
    """A field on a line of its own, in quotes where a reader of YAML could take the value for
    something else than a text."""
    import yaml

    style = None if _PLAIN.match(value) and "\n" not in value else '"'
    quoted = yaml.safe_dump(
        value, allow_unicode=True, width=10**9, default_style=style, explicit_end=False
    )
    return f"{name}: {quoted.removesuffix('...' + chr(10)).rstrip()}{end}"


def _places(header: str, lines: list[str]) -> Iterator[tuple[str, range]]:
    """The lines of each field, without the comments and empty lines below it."""
    import yaml

    node = _node(header)
    if node is None:
        yield from _places_by_look(lines)
        return
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            end = value.end_mark.line + (value.end_mark.column > 0)
            yield str(key.value), _trimmed(lines, key.start_mark.line, end)


def _places_by_look(lines: list[str]) -> Iterator[tuple[str, range]]:
    """The same in a header that is no YAML: a field begins at the margin."""
    starts = [number for number, line in enumerate(lines) if _KEY.match(line)]
    for start, end in pairwise([*starts, len(lines)]):
        found = _KEY.match(lines[start])
        if found:
            yield found[1], _trimmed(lines, start, end)


def _trimmed(lines: list[str], start: int, end: int) -> range:
    end = min(max(end, start + 1), len(lines))
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    return range(start, end)


def _node(header: str) -> yaml.MappingNode | None:
    """The header as YAML; None if it is none, or no mapping with its fields on lines."""
    import yaml

    from opcode_htmx.engines.claude.config import command_header

    loader = command_header.Loader(header)
    try:
        node = loader.get_single_node()
    except (yaml.YAMLError, *_ANY_ERROR):
        return None
    finally:
        loader.dispose()
    return node if isinstance(node, yaml.MappingNode) and not node.flow_style else None


def _problem(header: str) -> str:
    if not header.strip() or _node(header) is not None:
        return ""
    return "It is not YAML with a field on each line."
