"""Whether the header of a command, skill or agent only describes the file."""

from __future__ import annotations

from opcode_htmx.lib.late.patterns import late_pattern

_HARMLESS = frozenset(
    {
        *("name", "description", "argument-hint", "model", "color", "version", "license", "author"),
        *("user-invocable", "disable-model-invocation", "when_to_use", "title", "tags", "category"),
    }
)
"""Of the header of a command, skill or agent. `tools` of an agent only takes tools away."""
_HEADER_LINE = late_pattern(r"([A-Za-z][\w-]{0,60}) ?:(?: .*)?")


def is_plain(text: str, *, of_agent: bool) -> bool:
    """Whether there is no header, or one that only describes the file.

    Claude reads a header as YAML, in which one key can be written in many ways. So the lines that
    are known to be harmless are recognised; a header with any other line is not plain.
    """
    start = text.lstrip("\ufeff \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029")
    if not start.startswith("---"):
        return True
    if not text.startswith("---"):
        return False
    first, *lines = text.splitlines()
    if first.rstrip(" \t") != "---":
        return False
    harmless = _HARMLESS | ({"tools"} if of_agent else set())
    has_key = False
    for line in lines:
        if line.rstrip(" \t") == "---":
            return True
        if not line.strip() or line.startswith("#"):
            continue
        if has_key and line.startswith((" ", "- ")):
            continue  # it belongs to the key above
        key = _HEADER_LINE.fullmatch(line)
        if key is None or key[1] not in harmless:
            return False
        has_key = True
    return False
