"""The amounts of limits in words."""

from __future__ import annotations

from opcode_htmx.lib.formatting import format_bytes, format_duration, round_to_one_digit


def test_amounts_are_formatted_in_words() -> None:
    assert [format_bytes(size) for size in (10, 12_345, 3_400_000, 2_100_000_000)] == [
        "1 KB",
        "12 KB",
        "3.4 MB",
        "2.1 GB",
    ]
    assert [format_duration(s) for s in (0.5, 1, 45, 60, 90, 7200, 3600, 2_592_000)] == [
        "0.5 seconds",
        "1 second",
        "45 seconds",
        "1 minute",
        "90 seconds",
        "2 hours",
        "1 hour",
        "30 days",
    ]
    assert [round_to_one_digit(size) for size in (0, 9, 3_456, 99_999_999)] == [
        0,
        9,
        3_000,
        90_000_000,
    ]
