"""A mutex per key: one holder at a time, in the order of asking, and nothing is left of a key."""

from __future__ import annotations

import gevent

from opcode_htmx.lib.concurrency.keyed_lock import KeyedLock


def test_one_at_a_time_for_each_key() -> None:
    def hold(key: str, name: str) -> None:
        with locks.of(key):
            seen.append(f"{name} begins")
            gevent.sleep(0)
            seen.append(f"{name} ends")

    locks, seen = KeyedLock(), list[str]()
    gevent.joinall([gevent.spawn(hold, "a", name) for name in ("1", "2", "3")], raise_error=True)
    assert seen == [f"{name} {what}" for name in "123" for what in ("begins", "ends")]
    assert not locks._locks


def test_who_is_killed_while_it_waits_leaves_the_lock_to_the_others() -> None:
    def wait() -> None:
        with locks.of("a"):
            reached.append(True)

    locks, reached = KeyedLock(), list[bool]()
    with locks.of("a"):
        killed, other = gevent.spawn(wait), gevent.spawn(wait)
        gevent.sleep(0)
        killed.kill()
        assert not reached
    other.join()
    assert reached == [True]
    assert not locks._locks
