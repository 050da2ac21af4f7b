"""A check is isolated: what it raises, and that it takes too long, are findings like others."""

from __future__ import annotations

import gevent
from gevent.event import Event

from opcode_htmx.sessions.health.check import (
    Check,
    Checker,
    Finding,
    Result,
    State,
    has_problem,
)

FINE = Finding(State.OK, "Fine.")


def fine() -> Finding:
    return FINE


def test_results_come_in_the_order_of_the_checks_and_from_thread_and_greenlet() -> None:
    found = Checker().run([Check("a", "A", fine), Check("b", "B", fine, in_greenlet=True)])
    assert found == (Result("a", "A", FINE), Result("b", "B", FINE))


def test_an_exception_is_a_finding_without_its_text_and_the_others_go_on() -> None:
    def fails() -> Finding:
        raise ValueError("the password is hunter2")

    def refused() -> Finding:
        raise PermissionError(13, "Permission denied", "/secret")

    checks = [Check("a", "A", fails), Check("b", "B", refused, in_greenlet=True)]
    first, second, third = Checker().run([*checks, Check("c", "C", fine)])
    assert first.finding == Finding(State.UNKNOWN, "This could not be checked: ValueError.")
    assert second.finding.summary == "This could not be checked: Permission denied."
    assert third.finding is FINE
    assert not has_problem([first, second, third])


def test_a_check_that_takes_too_long_is_a_finding_and_is_not_begun_again_while_it_hangs() -> None:
    checker, goes_on, begun = Checker(), Event(), list[int]()

    def hangs() -> Finding:
        begun.append(1)
        goes_on.wait()
        return FINE

    check = Check("disk", "Disk", hangs, seconds=0.01, in_greenlet=True)
    # as a thread would, which cannot be ended
    checker._hanging["disk"] = gevent.spawn(lambda _: hangs(), check)
    gevent.sleep(0)
    (result,) = checker.run([check])
    assert "an earlier check of it has not ended" in result.finding.summary
    assert len(begun) == 1
    goes_on.set()
    gevent.sleep(0)
    (result,) = checker.run([check])
    assert result.finding is FINE


def test_a_greenlet_that_takes_too_long_is_ended() -> None:
    ended = list[str]()

    def hangs() -> Finding:
        try:
            gevent.sleep(60)
        finally:
            ended.append("yes")
        return FINE

    (result,) = Checker().run([Check("a", "A", hangs, seconds=0.01, in_greenlet=True)])
    assert "no answer within 0.01 seconds" in result.finding.summary
    assert ended == ["yes"]


def test_a_result_survives_json() -> None:
    finding = Finding(State.PROBLEM, "s", "m", "c", {"a": "b"})
    result = Result("name", "Title", finding)
    assert Result.from_json(result.as_json()) == result
    assert has_problem([result])
