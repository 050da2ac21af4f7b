"""Amounts of US dollars: as a person types them, and in sentences."""

from __future__ import annotations

import math

LONGEST_AMOUNT = 12
"""Characters of an amount that a person types."""
NEGLIGIBLE = 1e-9
"""By which sums of floats may differ."""
_THOUSANDS = 3


def typed_amount(text: str) -> float | None:
    """An amount of dollars that a person typed; None for none. Raises ValueError.

    A comma that may be meant to separate thousands is none of a decimal: `1,234` is refused.
    """
    text = text.strip().removeprefix("$").strip()
    if not text:
        return None
    whole, _, cents = text.replace(",", ".").partition(".")
    is_number = text.isascii() and f"{whole}{cents}".isdecimal()
    if len(text) > LONGEST_AMOUNT or not is_number or ("," in text and len(cents) == _THOUSANDS):
        raise ValueError("no amount of dollars")
    return float(f"{whole or 0}.{cents or 0}")


def as_typed(amount: float) -> str:
    """An amount as a person types it: `5`, `2.50`, `0.125`."""
    whole = round(amount)
    if abs(amount - whole) < NEGLIGIBLE:
        return str(whole)
    return f"{amount:.2f}" if _is_cents(amount) else f"{amount:.9f}".rstrip("0")


def limit_words(amount: float) -> str:
    """A budget in a sentence, as exact as it was typed: `$5.00`, `$1,234.50`, `$0.125`."""
    return f"${amount:,.2f}" if _is_cents(amount) else f"${as_typed(amount)}"


def dollars(amount: float) -> str:
    """What was spent: `$2.00`; `$0.004` where cents do not show it."""
    is_small = 0 < amount < 0.1 and not _is_cents(amount)
    return f"${amount:.3f}" if is_small else f"${amount:,.2f}"


def whole_cents(amount: float) -> float:
    """An amount, rounded up to a cent, as a person would choose it."""
    return math.ceil(round(amount * 100, 6)) / 100


def _is_cents(amount: float) -> bool:
    return abs(amount - round(amount, 2)) < NEGLIGIBLE
