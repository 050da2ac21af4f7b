"""Logins over time: they expire, and their number is bounded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from opcode_htmx.web.auth.logins import MAX_BASIC_LOGINS, MAX_LOGINS, USE_SECONDS, Logins
from tests.security.access.logins.browsers import browser, cookie, log_in
from tests.support.apps.gate import DAY


class Store:
    """Logins with a clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_800_000_000.0
        self.logins = Logins(
            folder, lambda: "fingerprint", 90 * DAY, 30 * DAY, clock=lambda: self.now
        )

    def pass_days(self, days: float, cookie: str = "") -> None:
        """Let time go by; somebody uses the login each day."""
        for _ in range(int(days)):
            self.now += DAY
            login = self.logins.of_cookie(cookie) if cookie else None
            if login:
                self.logins.used(login)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "logins")


def created(store: Store, **more: Any) -> str:
    login, value = store.logins.create("Chrome on Android", "192.168.1.7", **more)
    path = store.logins.folder / f"{login.id}.json"
    os.utime(path, (store.now, store.now))  # the system's clock is another one
    return value


def test_no_use_extends_the_lifetime_of_a_login(store: Store) -> None:
    value = created(store)
    store.pass_days(89, value)
    assert store.logins.of_cookie(value)
    store.pass_days(1, value)
    assert store.logins.of_cookie(value) is None


def test_unused_login_expires(store: Store) -> None:
    value = created(store)
    store.pass_days(29)
    assert store.logins.of_cookie(value)
    store.pass_days(1)
    assert store.logins.of_cookie(value) is None
    assert store.logins.all() == []


def test_the_last_use_is_written_rarely_and_cannot_bring_an_ended_login_back(
    store: Store,
) -> None:
    login = store.logins.of_cookie(created(store))
    assert login
    path = store.logins.folder / f"{login.id}.json"
    written = path.stat().st_mtime_ns
    store.now += USE_SECONDS - 1
    store.logins.used(login)
    assert path.stat().st_mtime_ns == written
    store.now += 2
    store.logins.used(login)
    assert path.stat().st_mtime == store.now
    store.logins.end(login.id)
    store.now += USE_SECONDS * 2
    store.logins.used(login)
    assert not path.exists()


def test_the_number_of_logins_is_bounded(store: Store) -> None:
    first = created(store)
    for _ in range(MAX_LOGINS):
        store.now += 1
        newest = created(store)
    assert len(store.logins.all()) == MAX_LOGINS
    assert store.logins.of_cookie(first) is None
    assert store.logins.of_cookie(newest)
    store.pass_days(31)
    created(store)
    assert len(list(store.logins.folder.iterdir())) == 1, "those that are over are removed"


def test_programs_that_log_in_by_basic_end_no_login_of_a_browser(store: Store) -> None:
    first = created(store)
    for number in range(MAX_LOGINS + 5):
        store.now += 1
        client = f"client {number}"
        login, _ = store.logins.create("a program", "127.0.0.1", client, lambda id_: id_ * 2)
        os.utime(store.logins.folder / f"{login.id}.json", (store.now, store.now))
    assert store.logins.of_cookie(first)
    assert len(store.logins.all()) == MAX_BASIC_LOGINS + 1


def test_cookies_of_another_port_do_not_block_login(app: Flask) -> None:
    own = f"opcode_8080={cookie(log_in(app))}"
    junk = "; ".join(f"opcode_8080=junk{number}" for number in range(20))
    answer = browser(app, use_cookies=False).get("/", headers={"Cookie": f"{junk}; {own}"})
    assert answer.status_code == 200


def test_login_ended_by_one_worker_is_ended_in_another(store: Store, tmp_path: Path) -> None:
    other = Logins(
        tmp_path / "logins", lambda: "fingerprint", 90 * DAY, 30 * DAY, lambda: store.now
    )
    value = created(store)
    login = other.of_cookie(value)
    assert login
    store.logins.end(login.id)
    assert other.of_cookie(value) is None


def test_full_disk_does_not_prevent_login(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("opcode_htmx.lib.files.atomic_files.write", full)
    login, value = store.logins.create("Chrome on Android", "192.168.1.7")
    assert store.logins.of_cookie(value)
    assert [each.id for each in store.logins.all()] == [login.id]
    store.logins.end(login.id)
    assert store.logins.of_cookie(value) is None
