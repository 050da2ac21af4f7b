"""The prices of models: the only table of them. Pure.

They are those by which Claude Code itself counts the cost of a session (its catalogue of models),
at the date below. A model that is not in the table has no price, which is not the same as 0.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

AS_OF = "28 November 2026"
SOURCE = "Claude Code 2.1.330"

US_FACTOR = Decimal("1.1")
"""A request that is bound to the United States costs so much more, searches excepted."""
SEARCH_PICO = 10_000_000_000
"""One web search, in trillionths of a dollar: a cent."""
_PICO_PER_TOKEN = 1_000_000
"""A dollar per million tokens, in trillionths of a dollar per token."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input: Decimal
    output: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    cache_read: Decimal

    def per_token(self, *, is_us: bool = False) -> tuple[int, int, int, int, int]:
        """Trillionths of a dollar for one token: input, output, cache read, written for 5 minutes
        and for an hour.
        """
        factor = _PICO_PER_TOKEN * (US_FACTOR if is_us else 1)
        figures = (
            *(self.input, self.output, self.cache_read),
            *(self.cache_write_5m, self.cache_write_1h),
        )
        return tuple(int(each * factor) for each in figures)  # type: ignore[return-value]


def _price(*figures: str) -> Price:
    """Input, output, cache written for 5 minutes and for an hour, cache read."""
    return Price(*map(Decimal, figures))


_HAIKU_3_5 = _price("0.8", "4", "1", "1.6", "0.08")
_HAIKU_4_5 = _price("1", "5", "1.25", "2", "0.1")
_HAIKU_5_5 = _price("0.1", "0.5", "0.125", "0.2", "0.01")
_SONNET_4 = _price("3", "15", "3.75", "6", "0.3")
_OPUS_4 = _price("15", "75", "18.75", "30", "1.5")
_OPUS_4_5 = _price("5", "25", "6.25", "10", "0.5")
_FABLE_5 = _price("10", "50", "12.5", "20", "1")
_FABLE_5_1 = _price("10", "50", "12.5", "20", "0.25")
_FABLE_5_2 = _price("8", "40", "10", "16", "0.2")

STANDARD: dict[str, Price] = {
    "claude-3-5-haiku": _HAIKU_3_5,
    "claude-haiku-4-5": _HAIKU_4_5,
    "claude-haiku-5-5": _HAIKU_5_5,
    "claude-3-5-sonnet": _SONNET_4,
    "claude-3-7-sonnet": _SONNET_4,
    "claude-sonnet-4-0": _SONNET_4,
    "claude-sonnet-4-5": _SONNET_4,
    "claude-sonnet-4-6": _SONNET_4,
    "claude-sonnet-5": _price("2", "10", "2.5", "4", "0.2"),
    "claude-sonnet-5-5": _price("2", "10", "2.5", "4", "0.1"),
    "claude-opus-4-0": _OPUS_4,
    "claude-opus-4-1": _OPUS_4,
    "claude-opus-4-5": _OPUS_4_5,
    "claude-opus-4-6": _OPUS_4_5,
    "claude-opus-4-7": _OPUS_4_5,
    "claude-opus-4-8": _OPUS_4_5,
    "claude-opus-5": _OPUS_4_5,
    "claude-opus-5-5": _price("4", "20", "5", "8", "0.2"),
    "claude-fable-5": _FABLE_5,
    "claude-fable-5-1": _FABLE_5_1,
    "claude-fable-5-2": _FABLE_5_2,
    "claude-mythos-5": _FABLE_5,
    "claude-mythos-5-1": _FABLE_5_1,
    "claude-mythos-5-2": _FABLE_5_2,
}
"""By the family of a model's id."""

_FAST_4_6 = _price("30", "150", "37.5", "60", "3")
_FAST_FABLE_5_2 = _price("16", "80", "20", "32", "0.4")
FAST: dict[str, Price] = {
    "claude-opus-4-6": _FAST_4_6,
    "claude-opus-4-7": _FAST_4_6,
    "claude-opus-4-8": _FABLE_5,
    "claude-opus-5": _FABLE_5,
    "claude-opus-5-5": _price("8", "40", "10", "16", "0.4"),
    "claude-fable-5-2": _FAST_FABLE_5_2,
    "claude-mythos-5-2": _FAST_FABLE_5_2,
}
"""In fast mode; the other models have no such mode."""

LONG_PROMPT: dict[str, Price] = {"claude-haiku-5-5": _price("0.5", "2.5", "0.625", "1", "0.05")}
"""Of prompts with more than 100,000 tokens."""

_ENDING = late_pattern(r"\[1m\]$|[-@]\d{8}$|-latest$|-v\d+(:\d+)?$|@default$")
_OLD_NAMES = {"claude-opus-4": "claude-opus-4-0", "claude-sonnet-4": "claude-sonnet-4-0"}


@lru_cache(maxsize=4096)
def family_of(model: str) -> str:
    """The family of a model's id, as the table has it: without the provider, region and date."""
    name = model.strip().lower()[:200]
    name = name[max(0, name.find("claude-")) :]
    while (shorter := _ENDING.sub("", name)) != name:
        name = shorter
    return _OLD_NAMES.get(name, name)


def price_of(model: str, *, is_fast: bool = False, is_long: bool = False) -> Price | None:
    """The price of a model; None where it is unknown."""
    family = family_of(model)
    standard = STANDARD.get(family)
    if is_fast and family in FAST:
        return FAST[family]
    return LONG_PROMPT.get(family, standard) if is_long else standard
