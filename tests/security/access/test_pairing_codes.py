"""Pairing codes: valid once, within two minutes, and stored as a hash only."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from opcode_htmx.web.auth.pairing import LIFETIME, MOST_CODES, PairingCodes, PairingState, grouped
from tests.security.access.stored import everything_in


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def codes(tmp_path: Path, clock: Clock) -> PairingCodes:
    return PairingCodes(tmp_path / "pairing", clock)


def test_a_code_is_redeemed_once(codes: PairingCodes) -> None:
    secret, code = codes.create("maker")
    assert codes.redeem(secret) == code
    assert codes.redeem(secret) is None


def test_of_many_that_redeem_a_code_at_the_same_time_one_gets_it(tmp_path: Path) -> None:
    each = 12
    for _ in range(10):
        folder = tmp_path / "pairing"
        secret, _ = PairingCodes(folder).create()
        barrier = Barrier(each)

        def redeem(folder: Path = folder, secret: str = secret, barrier: Barrier = barrier) -> bool:
            worker = PairingCodes(folder)
            barrier.wait()
            return worker.redeem(secret) is not None

        with ThreadPoolExecutor(each) as pool:
            won = [pool.submit(redeem) for _ in range(each)]
        assert sum(future.result() for future in won) == 1


def test_a_code_ends_after_two_minutes_and_not_later_by_a_clock_set_back(
    codes: PairingCodes, clock: Clock
) -> None:
    assert LIFETIME == 120
    (early, _), (late, _), (back, _) = (codes.create(str(number)) for number in range(3))
    clock.now += LIFETIME - 1
    assert codes.redeem(early)
    clock.now += 1
    assert codes.redeem(late) is None
    clock.now -= 2 * LIFETIME
    assert codes.redeem(back) is None


def test_only_the_hash_of_a_code_is_stored_privately(codes: PairingCodes, tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        secret, code = codes.create("maker")
        path = tmp_path / "pairing" / f"{code.id}.json"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert secret.encode() not in everything_in(tmp_path)
        codes.redeem(secret)
        codes.record_use(code, "Phone")
        assert path.with_suffix(".used").stat().st_mode & 0o777 == 0o600
        assert secret.encode() not in everything_in(tmp_path)
    finally:
        os.umask(previous)


def test_a_code_has_more_than_128_bits(codes: PairingCodes) -> None:
    secrets = {codes.create(str(number))[0] for number in range(50)}
    assert len(secrets) == 50
    letters = set("".join(secrets))
    assert len(letters) > 25
    assert min(map(len, secrets)) * 4.9 > 128  # 31 letters: 4.95 bits each


@pytest.mark.parametrize(
    "typed",
    [
        lambda secret: f"http://192.168.1.5:8080/pair#{secret}",
        lambda secret: grouped(secret).upper(),
        lambda secret: f" {secret}\n",
    ],
)
def test_a_code_may_be_typed_in_groups_or_pasted_as_a_link(codes: PairingCodes, typed) -> None:  # type: ignore[no-untyped-def]
    secret, code = codes.create()
    assert codes.redeem(typed(secret)) == code


@pytest.mark.parametrize("typed", ["", "x", "../password", "a" * 28, "#", "\0", "a" * 100_000])
def test_what_is_no_code_redeems_nothing(codes: PairingCodes, typed: str) -> None:
    secret, _ = codes.create()
    assert codes.redeem(typed) is None
    assert codes.redeem(secret[:-1]) is None
    assert codes.redeem(secret)


def test_a_new_code_replaces_that_of_the_same_login_and_the_oldest_beyond_the_limit(
    codes: PairingCodes, clock: Clock
) -> None:
    first, _ = codes.create("one")
    other, _ = codes.create("two")
    again, _ = codes.create("one")
    assert [bool(codes.redeem(each)) for each in (first, other, again)] == [False, True, True]
    many = []
    for number in range(MOST_CODES + 1):
        clock.now += 1
        many.append(codes.create(str(number))[0])
    assert [bool(codes.redeem(each)) for each in (many[0], many[1], many[-1])] == [
        *(False, True, True)
    ]


def test_the_use_of_a_code_is_remembered_for_the_page_that_shows_it(
    codes: PairingCodes, clock: Clock, tmp_path: Path
) -> None:
    secret, code = codes.create("one")
    assert codes.state(code.id) == PairingState("waiting")
    codes.redeem(secret)
    codes.record_use(code, "Phone")
    used = tmp_path / "pairing" / f"{code.id}.used"
    os.utime(used, (clock.now, clock.now))  # the system's clock is another one
    assert codes.state(code.id) == PairingState("used", "Phone")
    _, unused = codes.create("one")
    clock.now += LIFETIME
    for name in (unused.id, "0" * 64, "", "../logins", f"{code.id}\n"):
        assert codes.state(name) == PairingState("over")
    assert codes.state(code.id).kind == "used"
    clock.now += 500
    codes.create("two")
    assert codes.state(code.id) == PairingState("over")
    assert len(list((tmp_path / "pairing").iterdir())) == 1


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version": 2}', b'{"version": 1}', b"\xff"]
)
def test_a_damaged_code_is_not_valid(codes: PairingCodes, tmp_path: Path, content: bytes) -> None:
    secret, code = codes.create()
    (tmp_path / "pairing" / f"{code.id}.json").write_bytes(content)
    assert codes.redeem(secret) is None
    assert codes.state(code.id) == PairingState("over")
