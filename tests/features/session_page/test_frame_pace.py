"""Frames of a session's page: a few at once after a pause, one at a time in a stream."""

from __future__ import annotations

import pytest

from opcode_htmx.features.session_page.snapshots import (
    AT_ONCE_AFTER_A_PAUSE,
    FRAME_SECONDS,
    GATHER_SECONDS,
    FramePace,
)

WORK = 0.002
"""Seconds that a frame takes to be rendered."""


def begins(changes: list[float], pace: FramePace) -> list[float]:
    """When frames begin if changes come at these times, each shown in the first that it can be."""
    times: list[float] = []
    free_at = 0.0
    for change in changes:
        if times and change <= times[-1]:
            continue  # shown already
        began = max(change, free_at)
        free_at = began + WORK + pace.pause(began, began + WORK, FRAME_SECONDS)
        times.append(began)
    return times


def test_what_follows_a_prompt_at_once_is_shown_at_once() -> None:
    changes = [10.0, 10.01, 10.02]
    assert begins(changes, FramePace()) == changes


def test_changes_within_a_moment_are_shown_together() -> None:
    times = begins([10.0, 10.001, 10.0015, 10.002], FramePace())
    assert times == [10.0, pytest.approx(10.0 + WORK + GATHER_SECONDS)]


def test_a_stream_gets_one_frame_at_a_time() -> None:
    changes = [10.0 + number / 200 for number in range(400)]
    times = begins(changes, FramePace())
    assert len(times) <= 2 / FRAME_SECONDS + AT_ONCE_AFTER_A_PAUSE
    later = [after - before for before, after in zip(times[5:], times[6:], strict=False)]
    assert min(later) >= FRAME_SECONDS - 1e-9


def test_a_pause_is_not_saved_up() -> None:
    pace = FramePace()
    begins([10.0], pace)
    times = begins([500.0 + number / 1000 for number in range(100)], pace)
    assert len([time for time in times if time < 500.0 + FRAME_SECONDS]) == AT_ONCE_AFTER_A_PAUSE
