"""How fast the output of a terminal is read."""

from __future__ import annotations

from opcode_htmx.lib.pty.throttle import BURST, CEILING, FLOOR, WINDOW, Throttle


def read_in(seconds: float, viewer: bool, chunk: int = 4096) -> int:
    """The bytes that are read of a flood, after a burst, with or without a fast viewer."""
    now, end, offset = 0.0, seconds, 0
    throttle = Throttle(now)
    while now < end:
        wait = throttle.wait(offset, now)
        if wait:
            now += wait
            continue
        throttle.read(chunk)
        offset += chunk
        if viewer:
            throttle.seen(offset)
    return offset


def test_without_a_viewer_a_flood_is_read_at_the_floor() -> None:
    assert 0.9 * FLOOR * 10 <= read_in(10, viewer=False) <= 1.1 * FLOOR * 10 + BURST + WINDOW


def test_with_a_viewer_that_keeps_up_it_is_read_at_the_ceiling() -> None:
    assert 0.9 * CEILING * 10 <= read_in(10, viewer=True) <= 1.1 * CEILING * 10 + BURST


def test_what_comes_after_a_silence_is_read_at_once() -> None:
    throttle = Throttle(0.0)
    throttle.read(5 * BURST)
    assert throttle.wait(10 * WINDOW, 0.0) > 0
    assert throttle.wait(10 * WINDOW, 60.0) == 0
