"""Due times: in every zone and over the beginning and the end of summer time."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from opcode_htmx.sessions.schedules import zones
from opcode_htmx.sessions.schedules.timing import (
    InvalidTiming,
    Kind,
    Timing,
    Unit,
    checked,
    day_words,
    once,
    once_at,
)

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def cron(expression: str, zone: str = BERLIN) -> Timing:
    return checked(Timing(Kind.CRON, zone, expression=expression))


def every(number: int, unit: Unit, start: str, zone: str = BERLIN) -> Timing:
    return checked(Timing(Kind.EVERY, zone, at=start, every=number, unit=unit))


def due(timing: Timing, after: str, number: int = 3, zone: str = "") -> list[str]:
    """The next due times as the clocks of the zone show them, with their offset from UTC."""
    where = ZoneInfo(zone or timing.zone)
    found = timing.next(at(after, zone or timing.zone), number)
    return [datetime.fromtimestamp(each, where).strftime("%d %H:%M %z") for each in found]


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        # 29 March 2026: the clock skips from 02:00 to 03:00
        ("30 2 * * *", "2026-03-28T12:00", ["29 03:00 +0200", "30 02:30 +0200", "31 02:30 +0200"]),
        ("0 7 * * *", "2026-03-28T12:00", ["29 07:00 +0200", "30 07:00 +0200", "31 07:00 +0200"]),
        (
            "*/30 * * * *",
            "2026-03-29T01:15",
            ["29 01:30 +0100", "29 03:00 +0200", "29 03:30 +0200"],
        ),
        # 25 October 2026: the hour from 02:00 to 03:00 comes twice
        ("30 2 * * *", "2026-10-24T12:00", ["25 02:30 +0200", "26 02:30 +0100", "27 02:30 +0100"]),
        ("0 7 * * *", "2026-10-24T12:00", ["25 07:00 +0100", "26 07:00 +0100", "27 07:00 +0100"]),
        ("30 * * * *", "2026-10-25T01:45", ["25 02:30 +0200", "25 02:30 +0100", "25 03:30 +0100"]),
    ],
)
def test_a_cron_expression_is_due_once_a_day_over_the_ends_of_summer_time(
    expression: str, after: str, expected: list[str]
) -> None:
    assert due(cron(expression), after, len(expected)) == expected


def test_what_was_due_in_a_repeated_hour_is_not_due_again_in_its_second_half() -> None:
    timing = cron("30 2 * * *")
    first = at("2026-10-25T02:30", BERLIN)
    between = first + 45 * 60  # 02:15 again
    assert timing.next(between, 1)[0] > first + 3600


def test_days_keep_the_time_of_day_and_hours_the_elapsed_time() -> None:
    days = every(1, Unit.DAYS, "2026-03-28T07:00")
    assert due(days, "2026-03-28T08:00", 2) == ["29 07:00 +0200", "30 07:00 +0200"]
    hours = every(24, Unit.HOURS, "2026-03-28T07:00")
    assert due(hours, "2026-03-28T08:00", 2) == ["29 08:00 +0200", "30 08:00 +0200"]
    weeks = every(2, Unit.WEEKS, "2026-10-12T07:00")
    assert due(weeks, "2026-10-12T07:00", 2) == ["26 07:00 +0100", "09 07:00 +0100"]


def test_a_skipped_time_is_later_and_a_repeated_one_is_the_first() -> None:
    before = "2026-01-01T00:00"
    assert due(once("2026-03-29T02:30", BERLIN), before) == ["29 03:30 +0200"]
    assert due(once("2026-10-25T02:30", BERLIN), before) == ["25 02:30 +0200"]
    assert due(once("2026-03-08T02:30", NEW_YORK), before) == ["08 03:30 -0400"]


def test_an_interval_begins_at_its_first_time_and_has_no_memory() -> None:
    timing = every(90, Unit.MINUTES, "2026-11-30T07:00")
    assert due(timing, "2026-11-01T00:00", 2) == ["30 07:00 +0100", "30 08:30 +0100"]
    assert due(timing, "2026-11-30T07:00", 1) == ["30 08:30 +0100"]
    assert due(timing, "2031-11-30T07:01", 1) == ["30 08:30 +0100"]


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
def test_due_times_rise_and_do_not_depend_on_when_one_looks(zone: str) -> None:
    chance = random.Random(zone)  # noqa: S311
    for timing in (
        cron("*/20 1-3 * * *", zone),
        cron("15 2 * * *", zone),
        every(1, Unit.DAYS, "2026-01-01T02:30", zone),
        every(45, Unit.MINUTES, "2026-01-01T02:30", zone),
    ):
        for month in (3, 4, 10, 11):
            start = at(f"2026-{month:02d}-01T00:00")
            whole = list(islice(timing.due_after(start), 300))
            assert whole == sorted(set(whole))
            for _ in range(20):
                look = chance.uniform(start, whole[-2])
                assert next(timing.due_after(look)) == next(each for each in whole if each > look)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 7 * * mon-fri", "At 07:00 on Monday through Friday"),
        ("*/15 * * * *", "Every 15th minute of every hour"),
        ("0 9 1 * *", "At 09:00 on the first day of every month"),
    ],
)
def test_a_cron_expression_is_put_into_words(expression: str, words: str) -> None:
    assert cron(expression).words() == words


def test_other_times_are_put_into_words() -> None:
    assert once("2026-11-30T07:00", BERLIN).words() == "Once, Mon 30 Nov 2026 07:00"
    assert every(1, Unit.DAYS, "2026-11-30T07:00").words() == "Every day"
    assert every(3, Unit.HOURS, "2026-11-30T07:00").words() == "Every 3 hours"
    now = at("2026-11-29T23:30", BERLIN)
    for text, expected in (
        ("2026-11-29T23:45", "Today 23:45"),
        ("2026-11-30T07:00", "Tomorrow 07:00"),
        ("2026-12-04T07:00", "Fri 4 Dec 07:00"),
        ("2027-01-01T07:00", "Fri 1 Jan 2027 07:00"),
    ):
        assert day_words(at(text, BERLIN), BERLIN, now) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* * 30 2 *",
        "*/0 * * * *",
        "@reboot",
        "a b c d e",
    ],
)
def test_a_cron_expression_that_is_none_is_refused(expression: str) -> None:
    with pytest.raises(InvalidTiming):
        cron(expression)


def test_a_cron_expression_that_is_due_in_leap_years_only_is_found() -> None:
    assert due(cron("0 0 29 2 *", "UTC"), "2026-01-01T00:00", 2) == ["29 00:00 +0000"] * 2


@pytest.mark.parametrize(
    "timing",
    [
        Timing(Kind.ONCE, "Mars/Base", at="2026-11-30T07:00"),
        Timing(Kind.ONCE, BERLIN, at="tomorrow"),
        Timing(Kind.ONCE, BERLIN, at="2026-11-30T07:00+01:00"),
        Timing(Kind.ONCE, BERLIN, at="9999-12-31T23:59"),
        Timing(Kind.EVERY, BERLIN, at="2026-11-30T07:00", every=0),
        Timing(Kind.EVERY, BERLIN, at="2026-11-30T07:00", every=10**9),
        Timing(Kind.CRON, "../etc/passwd", expression="0 7 * * *"),
    ],
)
def test_a_timing_that_cannot_be_used_is_refused(timing: Timing) -> None:
    with pytest.raises(InvalidTiming):
        checked(timing)


def test_a_moment_is_rounded_up_to_the_minute() -> None:
    moment = at("2026-11-30T07:00") + 1
    found = once_at(moment, BERLIN)
    assert found.at == "2026-11-30T08:01"
    assert found.next(0.0)[0] - moment == 59


def test_zone_of_the_computer_is_that_of_the_variable_or_of_the_system() -> None:
    assert zones.of_server(BERLIN) == BERLIN
    assert zones.of_server(f":{BERLIN}") == BERLIN
    assert zones.of_server("") in zones.names()
    assert zones.of_server("no/such/zone") in zones.names()
    assert datetime.now(UTC).astimezone(zones.zone(BERLIN)).tzinfo == ZoneInfo(BERLIN)
