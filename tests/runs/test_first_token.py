"""The time to the first token is that from a prompt that opens a turn, once for each."""

from __future__ import annotations

import pytest

from opcode_htmx.engines.contents import TextContent
from opcode_htmx.engines.messages import Assistant, BlockDelta, BlockStart, Init, Message
from opcode_htmx.runs.following.first_token import FirstTokenTimer
from opcode_htmx.runs.model.lifecycle import Phase

WORDS = Assistant("m", "u", None, (TextContent("words"),), None)
OF_AN_AGENT = Assistant("m", "u", "toolu_1", (TextContent("words"),), None)
INIT = Init("s", "/work", "model", "default", ())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the timer reads; its only item may be replaced."""
    now = [100.0]
    monkeypatch.setattr("opcode_htmx.runs.following.first_token.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    "first",
    [WORDS, BlockStart("m", 0, TextContent(""), None), BlockDelta("m", 0, "words", None)],
    ids=lambda message: type(message).__name__,
)
def test_the_first_words_end_the_wait(clock: list[float], first: Message) -> None:
    timer = FirstTokenTimer()
    timer.prompted(Phase.IDLE)
    clock[0] = 102.5
    assert timer.wrote(INIT) is None
    assert timer.wrote(OF_AN_AGENT) is None
    assert timer.wrote(first) == (2.5, "running")
    assert timer.wrote(WORDS) is None, "later words are not the first ones"


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.STARTING])
def test_a_prompt_that_waits_for_the_start_is_told_apart(clock: list[float], phase: Phase) -> None:
    timer = FirstTokenTimer()
    timer.prompted(phase)
    clock[0] = 101.0
    timer.prompted(phase)  # a second one while it waits
    clock[0] = 103.0
    assert timer.wrote(WORDS) == (3.0, "new")


@pytest.mark.parametrize("phase", [Phase.WORKING, Phase.WAITING, Phase.STOPPING, Phase.ENDED])
def test_a_prompt_in_an_open_turn_is_not_measured(clock: list[float], phase: Phase) -> None:
    timer = FirstTokenTimer()
    timer.prompted(phase)
    assert timer.wrote(WORDS) is None


def test_a_turn_without_words_is_not_measured(clock: list[float]) -> None:
    timer = FirstTokenTimer()
    timer.prompted(Phase.IDLE)
    timer.turn_ended()
    assert timer.wrote(WORDS) is None
