"""Failed logins are counted across workers, by network, and survive floods of addresses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opcode_htmx.web.auth.rate_limit import RateLimiter, network
from tests.support.environment import ROOT

Make = Callable[..., RateLimiter]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(tmp_path: Path, clock: Clock) -> Iterator[Make]:
    made = []

    def make_(known: tuple[str, ...] = (), **limits: int) -> RateLimiter:
        made.append(RateLimiter(tmp_path / "failures", lambda: known, clock=clock, **limits))
        return made[-1]

    yield make_
    for each in made:
        each.close()


def fail(limiter: RateLimiter, address: str, times: int) -> None:
    for _ in range(times):
        limiter.failed(address)


def test_failures_of_one_worker_count_in_the_others_and_after_a_restart(make: Make) -> None:
    left, right = make(), make()
    fail(left, "10.0.0.1", 5)
    assert right.wait("10.0.0.1") == 0
    fail(right, "10.0.0.1", 5)
    assert left.wait("10.0.0.1") == right.wait("10.0.0.1") == make().wait("10.0.0.1") == 6
    assert left.wait("10.0.0.2") == 0


def test_failures_of_another_process_count(make: Make, tmp_path: Path) -> None:
    limiter = make()
    code = (
        "import sys; from pathlib import Path;"
        "from opcode_htmx.web.auth.rate_limit import RateLimiter;"
        "each = RateLimiter(Path(sys.argv[1]), clock=lambda: 1000.0);"
        "[each.failed('10.0.0.1') for _ in range(10)]"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "failures")]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    assert limiter.wait("10.0.0.1") == 6


def test_endless_login_failures_are_limited_to_ten_a_minute(make: Make, clock: Clock) -> None:
    limiter = make()
    tried = 0
    for _ in range(600):
        clock.now += 1
        if limiter.wait("10.0.0.1") == 0:
            limiter.failed("10.0.0.1")
            tried += 1
    assert 100 <= tried <= 111


def test_the_wait_ends_and_a_success_clears_it(make: Make, clock: Clock) -> None:
    limiter = make()
    fail(limiter, "10.0.0.1", 10)
    clock.now += 5.5
    assert limiter.wait("10.0.0.1") == 1
    clock.now += 0.5
    assert limiter.wait("10.0.0.1") == 0
    limiter.succeeded("10.0.0.1")
    fail(limiter, "10.0.0.1", 9)
    assert limiter.wait("10.0.0.1") == 0


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.168.1.7", "192.168.1.7"),
        ("::ffff:192.168.1.7", "192.168.1.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("@", "@"),
    ],
)
def test_an_address_counts_with_its_network(address: str, counts_as: str) -> None:
    assert network(address) == counts_as


def test_the_addresses_of_one_ipv6_network_count_together(make: Make) -> None:
    limiter = make()
    for each in range(10):
        limiter.failed(f"2001:db8::{each:x}")
    assert limiter.wait("2001:db8::ffff") == 6
    assert limiter.wait("2001:db8:0:1::1") == 0


def test_address_flood_does_not_reset_an_attacker(make: Make) -> None:
    limiter = make(slots=16)
    fail(limiter, "10.0.0.1", 10)
    for each in range(200):
        limiter.failed(f"10.1.0.{each}")
    assert limiter.wait("10.0.0.1") > 0


def test_a_slot_whose_failures_have_leaked_away_is_used_again(make: Make, clock: Clock) -> None:
    limiter = make(slots=4)
    for each in range(4):
        fail(limiter, f"10.1.0.{each}", 1)
    clock.now += 6.1
    fail(limiter, "10.0.0.1", 10)
    assert limiter.wait("10.0.0.1") == 6


def test_login_flood_throttles_strangers_and_no_known_network(make: Make, clock: Clock) -> None:
    limiter = make(known=("192.168.1.7",), ceiling=30)
    for each in range(30):
        limiter.failed(f"10.1.0.{each}")
    assert limiter.wait("10.2.0.1") == 2
    assert limiter.wait("192.168.1.7") == 0
    clock.now += 2
    assert limiter.wait("10.2.0.1") == 0
    fail(limiter, "192.168.1.7", 10)
    assert limiter.wait("192.168.1.7") == 6


def test_failures_of_known_networks_slow_down_no_stranger(make: Make) -> None:
    limiter = make(known=("192.168.1.7",), ceiling=5)
    fail(limiter, "192.168.1.7", 20)
    assert limiter.wait("10.2.0.1") == 0


def test_a_file_of_another_size_is_replaced(make: Make, tmp_path: Path) -> None:
    earlier = make(slots=4)
    later = make(slots=8)
    fail(later, "10.0.0.1", 10)
    fail(earlier, "10.0.0.1", 1)  # which still has its own file in memory
    assert later.wait("10.0.0.1") == 6
    (tmp_path / "failures").write_bytes(b"damaged")
    assert make(slots=8).wait("10.0.0.1") == 0


def test_times_of_an_earlier_boot_are_ignored(make: Make, clock: Clock) -> None:
    limiter = make()
    fail(limiter, "10.0.0.1", 10)
    clock.now = 5.0
    assert limiter.wait("10.0.0.1") == 0
