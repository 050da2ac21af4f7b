"""An independent count of usage: a plain JSON parser over history files, and prices of its own.

It shares no code with the index, whose sums are compared with it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

PRICES = {  # dollars per million tokens: input, output, cache read, written 5m, written 1h
    "claude-opus-5-5": (4, 20, "0.2", 5, 8),
    "claude-sonnet-5": (2, 10, "0.2", "2.5", 4),
    "claude-sonnet-4-5-20250929": (3, 15, "0.3", "3.75", 6),
}


def count(files: Iterable[Path]) -> tuple[Counter[str], Fraction]:
    """Tokens by kind, with `answers` and `unpriced`; and the cost. The oldest file comes first."""
    answers: dict[tuple[str, str], dict[str, Any]] = {}
    for path in files:
        own: dict[tuple[str, str], dict[str, Any]] = {}
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            message = entry.get("message") or {}
            if entry["type"] == "assistant" and message.get("usage"):
                own[message["id"], entry.get("requestId", "")] = message  # the last line counts
        answers = own | answers  # a copy in a newer file counts no more
    tokens, cost = Counter[str](), Fraction(0)
    for message in answers.values():
        usage = message["usage"]
        hour = usage.get("cache_creation", {}).get("ephemeral_1h_input_tokens", 0)
        names = ("input_tokens", "output_tokens", "cache_read_input_tokens")
        figures = [usage.get(name, 0) for name in names]
        figures += [usage.get("cache_creation_input_tokens", 0) - hour, hour]
        for name, figure in zip(("input", "output", "read", "5m", "1h"), figures, strict=True):
            tokens[name] += figure
        tokens["answers"] += 1
        if prices := PRICES.get(message["model"]):
            per = zip(figures, prices, strict=True)
            cost += sum(each * Fraction(str(price)) for each, price in per) / 1_000_000
        else:
            tokens["unpriced"] += 1
    return tokens, cost
