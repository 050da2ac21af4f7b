"""Events are delivered to the subscribed handlers, and a failing handler affects no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from gevent.event import Event as Flag

from opcode_htmx.lib.identity import SYSTEM
from opcode_htmx.runs.events import bus as bus_module
from opcode_htmx.runs.events.bus import EventBus
from opcode_htmx.runs.events.journal import Journal
from opcode_htmx.runs.events.types import RunEvent, RunStarted, RunWarned
from tests.support.cli.supervision import BY, until
from tests.support.environment import PATIENCE

Make = Callable[[], EventBus]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Buses over one journal, as several workers have them."""
    made = []

    def make() -> EventBus:
        made.append(EventBus(Journal(tmp_path / "events")))
        return made[-1]

    yield make
    for bus in made:
        bus.close()


def started(number: int) -> RunStarted:
    return RunStarted(
        id=f"r.run_started.{number}", at=1.0, run_id="r", session_id="s", project_path="/p", by=BY
    )


def warned(number: int) -> RunWarned:
    return RunWarned(
        id=f"r.run_warned.{number}",
        at=1.0,
        run_id="r",
        session_id="s",
        project_path="/p",
        by=SYSTEM,
        about="output",
        text="Much.",
    )


def test_handler_receives_its_kind_of_event_only(make: Make) -> None:
    bus = make()
    starts: list[RunStarted] = []
    everything: list[RunEvent] = []
    bus.subscribe(RunStarted, starts.append)
    bus.subscribe(RunEvent, everything.append)
    bus.start()
    for event in (started(1), warned(2), started(3)):
        bus.emit(event)
    until(lambda: len(everything) == 3, "all are delivered")
    assert everything == [started(1), warned(2), started(3)]
    assert starts == [started(1), started(3)]


def test_event_is_handled_in_the_emitting_and_in_subscribed_workers(make: Make) -> None:
    one, other = make(), make()
    heard: dict[str, list[RunEvent]] = {name: [] for name in ("one", "one's", "other", "other's")}
    one.subscribe(RunEvent, heard["one"].append, every_worker=True)
    one.subscribe(RunEvent, heard["one's"].append)
    other.subscribe(RunEvent, heard["other"].append, every_worker=True)
    other.subscribe(RunEvent, heard["other's"].append)
    one.start()
    other.start()
    one.emit(started(1))
    other.emit(started(2))
    until(lambda: len(heard["one"]) == len(heard["other"]) == 2, "both hear both")
    until(lambda: heard["one's"] and heard["other's"], "each hears its own")
    assert (heard["one's"], heard["other's"]) == ([started(1)], [started(2)])


def test_only_events_of_this_worker_before_the_start_are_delivered(
    make: Make,
) -> None:
    make().emit(started(1))
    bus = make()
    heard: list[RunEvent] = []
    bus.emit(started(2))
    bus.subscribe(RunEvent, heard.append, every_worker=True)
    bus.start()
    bus.emit(started(3))
    until(lambda: len(heard) == 2, "they are delivered")
    assert heard == [started(2), started(3)]


def test_nothing_is_made_or_started_before_the_start(make: Make) -> None:
    bus = make()
    bus.subscribe(RunEvent, lambda event: None)
    assert not bus.journal.folder.exists()
    bus.start()
    bus.start()
    assert bus.journal.folder.exists()


def test_a_handler_that_raises_is_logged_and_goes_on(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    bus = make()
    heard: list[RunEvent] = []

    def bad(event: RunEvent) -> None:
        if event.id.endswith(".1"):
            raise RuntimeError("broken on purpose")
        heard.append(event)

    fine: list[RunEvent] = []
    bus.subscribe(RunEvent, bad)
    bus.subscribe(RunEvent, fine.append)
    bus.start()
    bus.emit(started(1))
    bus.emit(started(2))
    until(lambda: heard and len(fine) == 2, "both go on")
    assert "bad has failed at r.run_started.1" in caplog.text
    assert "broken on purpose" in caplog.text


def test_slow_handler_blocks_no_other_and_drops_excess_events(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bus_module, "QUEUE_SIZE", 2)
    bus = make()
    go_on, slow, fast = Flag(), list[str](), list[str]()

    def take_long(event: RunEvent) -> None:
        go_on.wait()
        slow.append(event.id[-1])

    bus.subscribe(RunEvent, take_long)
    bus.subscribe(RunEvent, lambda event: fast.append(event.id[-1]))
    bus.start()
    for number in range(6):
        bus.emit(started(number))
        until(lambda number=number: len(fast) == number + 1, "the fast one has it")  # type: ignore[misc]
    assert "take_long is too slow: events are lost to it" in caplog.text
    go_on.set()
    until(lambda: slow == ["0", "1", "2"], "the slow one has what was kept for it")
    bus.emit(started(7))
    until(lambda: slow[-1] == "7", "it goes on")
    assert "take_long has lost 3 events" in caplog.text
    assert fast == ["0", "1", "2", "3", "4", "5", "7"]


def test_a_line_that_is_no_event_is_left_out(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    bus = make()
    heard: list[RunEvent] = []
    bus.subscribe(RunEvent, heard.append)
    bus.start()
    with bus.writing() as writer:
        writer.append([b"{half a line\n", b'{"event": "of_tomorrow"}\n'])
    bus.emit(started(1))
    until(lambda: heard, "the next one is delivered")
    assert caplog.text.count("is left out") == 1


def test_a_close_lets_handlers_finish_and_delivers_nothing_more(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "CLOSE_SECONDS", PATIENCE)
    bus, other = make(), make()
    heard: list[RunEvent] = []

    def handle(event: RunEvent) -> None:
        gevent.sleep(0.05)
        heard.append(event)

    bus.subscribe(RunEvent, handle, every_worker=True)
    delivered: list[RunEvent] = []
    bus.subscribe(RunEvent, delivered.append, every_worker=True)
    bus.start()
    bus.emit(started(1))
    bus.emit(started(2))
    until(lambda: len(delivered) == 2, "both are in the queue")
    bus.close()
    assert heard == [started(1), started(2)]
    other.emit(started(3))
    gevent.sleep(0.1)
    assert len(heard) == 2
    bus.close()
