"""What the entries of a history file say of usage: tokens, recorded costs, lines changed.

Pure: a parsed entry in, values out. No entry is an error.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from opcode_htmx.lib.coerce import Json, as_dict, as_list, as_str

PICO = 1_000_000_000_000
"""Amounts are in trillionths of a US dollar: the price of a token is a whole number of them."""
MOST_TOKENS = 10_000_000
"""Of one answer; a larger number is none."""
MOST_RECORDED = 100_000.0
"""US dollars of a recorded cost."""
_MOST_LINES = 1_000_000
LONGEST_MODEL = 200
"""Characters of the name of a model; the rest is cut."""


class Usage(NamedTuple):
    """What one answer of the model has used: tokens, and web searches."""

    key: str
    """The id of the message and of the request: several entries of one answer repeat both."""
    model: str
    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    """Tokens written into the cache, to be kept for 5 minutes; the next ones for an hour."""
    cache_write_1h: int
    searches: int
    is_fast: bool
    is_us: bool
    """Whether the request was bound to the United States, which costs more."""
    recorded: int | None
    """What the CLI has recorded as the cost, in trillionths of a dollar; only old versions did."""

    @property
    def prompt_tokens(self) -> int:
        """All tokens of the request."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h


def usage_of(entry: Json) -> Usage | None:
    """The usage of the answer that this entry is a part of; None where it names none.

    Several entries of one answer repeat its figures; the last one is complete.
    """
    if entry.get("type") != "assistant":
        return None
    message = as_dict(entry.get("message"))
    figures, message_id = message.get("usage"), as_str(message.get("id"))
    if not message_id or not isinstance(figures, dict):
        return None
    written = _count(figures.get("cache_creation_input_tokens"))
    by_age, searched = figures.get("cache_creation"), figures.get("server_tool_use")
    for_an_hour = min(written, _count(as_dict(by_age).get("ephemeral_1h_input_tokens")))
    found = Usage(
        f"{message_id}:{as_str(entry.get('requestId')) or as_str(entry.get('requestRef'))}",
        model_of(message),
        _count(figures.get("input_tokens")),
        _count(figures.get("output_tokens")),
        _count(figures.get("cache_read_input_tokens")),
        written - for_an_hour,
        for_an_hour,
        _count(as_dict(searched).get("web_search_requests")),
        figures.get("speed") == "fast",
        figures.get("inference_geo") == "us",
        pico_dollars(entry.get("costUSD")) if "costUSD" in entry else None,
    )
    return found if found.prompt_tokens or found.output or found.recorded else None


def is_cut(entry: Json) -> bool:
    """Whether the answer was interrupted while it was written; the figures are those of its begin.

    The entry with its last words says so.
    """
    return entry.get("isAbortedMidStream") is True


def units_of(entry: Json) -> int:
    """How much an entry has of an answer, in UTF-16 units: see `output_of_cut`."""
    return sum(map(_units_in, as_list(as_dict(entry.get("message")).get("content"))))


def output_of_cut(units: int) -> int:
    """The tokens that Claude Code counts for a cut answer with so many units over all entries."""
    return (2 * units + 3) // 6  # a third, rounded


def _units_in(part: object) -> int:
    found = as_dict(part)
    texts = [as_str(found.get(name)) for name in ("text", "thinking", "name")]
    if "input" in found:
        texts.append(json.dumps(found["input"], ensure_ascii=False))
    return sum(len(each.encode("utf-16-le", "surrogatepass")) // 2 for each in texts)


def model_of(message: Json) -> str:
    """The name of the model that has written a message; empty where it says none."""
    return as_str(message.get("model"))[:LONGEST_MODEL]


def session_cost(entry: Json) -> int | None:
    """What a `cost-state` entry says the session has cost so far, in trillionths of a dollar."""
    return pico_dollars(entry.get("totalCostUSD")) if entry.get("type") == "cost-state" else None


def lines_changed(entry: Json) -> tuple[int, int]:
    """The lines that the tool whose result this entry holds has added and removed."""
    result = as_dict(entry.get("toolUseResult"))
    added = removed = 0
    hunks = as_list(result.get("structuredPatch"))
    for hunk in hunks:
        for line in as_list(as_dict(hunk).get("lines")):
            mark = as_str(line)[:1]
            added += mark == "+"
            removed += mark == "-"
    if not hunks and result.get("type") == "create":
        added = len(as_str(result.get("content")).splitlines())
    return min(added, _MOST_LINES), min(removed, _MOST_LINES)


def pico_dollars(value: object) -> int | None:
    """An amount of US dollars in trillionths; None if it is none."""
    is_amount = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_amount or not 0 <= value <= MOST_RECORDED:  # type: ignore[operator]
        return None
    return round(value * PICO)  # type: ignore[operator]


def _count(value: object) -> int:
    is_count = type(value) is int  # and no bool
    return value if is_count and 0 <= value <= MOST_TOKENS else 0  # type: ignore[operator, return-value]
