"""Anonymous connections are bounded, and do not lock out logged-in clients."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from types import SimpleNamespace

import gevent
import psutil
import pytest
import requests

from opcode_htmx.web.server import connections
from opcode_htmx.web.server.connections import Connections
from opcode_htmx.web.server.trusted_proxies import TrustedProxies
from opcode_htmx.web.server.url_rules import LateMap
from tests.support.environment import PASSWORD, USER, until
from tests.support.server import Server

FLOOD = 1100
"""More than the 1,000 connections that one worker used to serve in all."""
SLOW_FORM = (
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4000\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\nuser=a"
)
SLOW_HEADERS = b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "


@pytest.fixture(scope="module")
def server(shared_server: Server) -> Server:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * FLOOD
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this user may have {hard} files open, and these tests need {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return shared_server


@pytest.fixture
def opened(server: Server) -> Iterator[Callable[..., list[socket.socket]]]:
    """Opens connections that have sent something, and closes them at the end."""
    with contextlib.ExitStack() as stack:

        def open_(count: int, sent: bytes, source: str = "127.0.0.1") -> list[socket.socket]:
            found = []
            for _ in range(count):
                sock = stack.enter_context(socket.socket())
                sock.settimeout(20)
                sock.bind((source, 0))
                sock.connect(("127.0.0.1", server.port))
                with contextlib.suppress(OSError):  # it may have been cut already
                    sock.sendall(sent)
                found.append(sock)
            return found

        yield open_


@pytest.fixture
def person(server: Server) -> Iterator[requests.Session]:
    """Somebody who has logged in by the form."""
    with requests.Session() as session:
        form = {"user": USER, "password": PASSWORD}
        assert session.post(f"{server.url}/login", data=form, timeout=20).ok
        yield session


def is_open(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        while sock.recv(1 << 16):
            pass
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False


@pytest.mark.parametrize("sent", [SLOW_FORM, SLOW_HEADERS], ids=["bodies", "headers"])
def test_slow_anonymous_requests_do_not_lock_out_logged_in_clients(
    server: Server,
    opened: Callable[..., list[socket.socket]],
    person: requests.Session,
    sent: bytes,
) -> None:
    held = opened(FLOOD, sent)
    for _ in range(5):
        assert person.get(f"{server.url}/runs/badge", timeout=20).ok
    # a connection of its own, from the address of the flood
    cookies = person.cookies
    assert requests.get(f"{server.url}/runs/badge", cookies=cookies, timeout=20).ok
    until(lambda: sum(map(is_open, held)) <= connections.MOST, "the flood is cut")
    # an incomplete form is no login attempt, so it causes no delay
    form = {"user": USER, "password": PASSWORD}
    assert requests.post(f"{server.url}/login", data=form, timeout=20).ok


def test_slow_requests_of_one_address_do_not_keep_out_a_login_from_another(
    server: Server, opened: Callable[..., list[socket.socket]]
) -> None:
    opened(FLOOD, SLOW_FORM, "127.0.0.66")
    form = {"user": USER, "password": PASSWORD}
    answer = requests.post(f"{server.url}/login", data=form, timeout=20, allow_redirects=False)
    assert answer.status_code == 303


def test_steady_body_without_a_login_is_cut_at_the_deadline(
    server: Server, opened: Callable[..., list[socket.socket]]
) -> None:
    (sock,) = opened(1, SLOW_FORM)

    def is_cut() -> bool:
        with contextlib.suppress(OSError):
            sock.send(b"a")
        return not is_open(sock)

    until(is_cut, "it is cut", 5 * connections.DEADLINE_SECONDS, lambda: time.sleep(0.2))


def test_logged_in_request_may_exceed_the_deadline(
    server: Server, person: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Connections(deadline=0.0)
    left, right = socket.socketpair()
    with left, right, table.opened(left, "127.0.0.1"):
        connections.prove()
        table.sweep()
        assert is_open(right)
        connections.request_begins()
        table.sweep()
        assert not is_open(right)


def test_the_deadline_is_one_for_each_request_and_not_for_the_connection() -> None:
    now = [0.0]
    table = Connections(deadline=10.0, clock=lambda: now[0])
    left, right = socket.socketpair()
    with left, right, table.opened(left, "127.0.0.1"):
        for _ in range(5):
            now[0] += 6
            connections.request_begins()
            table.sweep()
        assert is_open(right)
        now[0] += 11
        table.sweep()
        assert not is_open(right)


def test_a_stall_of_the_event_loop_does_not_count_for_the_deadline() -> None:
    now = [0.0]
    time_of = connections.ServingTime(lambda: now[0])
    table = Connections(deadline=10.0, most_per_network=1, clock=time_of)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            left, right = map(stack.enter_context, socket.socketpair())
            stack.enter_context(table.opened(left, "127.0.0.1"))
            now[0] += 30
        time_of.tick()
        table.sweep()
        assert is_open(right), "both are new, for they could not be read"
        for _ in range(25):
            now[0] += 0.5
            time_of.tick()
        table.sweep()
        assert not is_open(right)


def test_a_request_that_waits_for_its_routes_to_be_loaded_comes_no_nearer_to_its_deadline() -> None:
    now = [0.0]
    time_of = connections.ServingTime(lambda: now[0])
    table = Connections(deadline=10.0, clock=time_of)

    def half_a_minute() -> None:
        for _ in range(60):
            now[0] += 0.5
            time_of.tick()
            table.sweep()

    routes, (left, right) = LateMap(), socket.socketpair()
    routes.add_late(("/claude",), half_a_minute)
    with left, right, table.opened(left, "127.0.0.1"):
        routes.add_below("/claude")
        assert is_open(right)
        half_a_minute()
        assert not is_open(right), "time counts again"


@pytest.mark.parametrize("path", ["/", "/sessions", "/api/sessions/execute", "/new/attachments"])
def test_a_large_body_without_a_login_is_refused_before_it_is_read(
    server: Server, opened: Callable[..., list[socket.socket]], path: str
) -> None:
    (worker,) = server.worker_processes()
    before = psutil.Process(worker.pid).memory_info().rss
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3900000\r\n\r\n"
    for sock in opened(30, head.encode() + b"a" * 100_000):
        answer = sock.recv(4096)
        assert answer.startswith(b"HTTP/1.1 401")
        assert b"Connection: close" in answer
    assert psutil.Process(worker.pid).memory_info().rss - before < 30_000_000


def test_the_login_form_takes_8_kb(server: Server) -> None:
    for body in (b"user=" + b"a" * 9000, iter([b"user=", b"a" * 9000])):
        answer = requests.post(
            f"{server.url}/login",
            data=body,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            timeout=20,
        )
        assert answer.status_code == 413
        assert "too large" in answer.text


# The bounds themselves --------------------------------------------------------------------------


class Table:
    """Connections whose other ends a test can look at."""

    def __init__(self, **bounds: int) -> None:
        self.now = 0.0
        self.table = Connections(**bounds, clock=lambda: self.now)
        self.stack = contextlib.ExitStack()

    def open(self, address: str) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.stack.enter_context(ours)
        self.stack.enter_context(theirs)
        self.stack.enter_context(self.table.opened(ours, address))
        return theirs


@pytest.fixture
def table() -> Iterator[Table]:
    made = Table(most=6, most_per_network=3)
    with made.stack:
        yield made


def test_network_beyond_its_share_loses_its_oldest_connection(table: Table) -> None:
    first = table.open("10.0.0.1")
    others = [table.open("10.0.0.2"), *(table.open("10.0.0.1") for _ in range(2))]
    table.now = 2.0
    last = table.open("10.0.0.1")
    assert [is_open(each) for each in (first, *others, last)] == [False, True, True, True, True]


def test_new_connection_is_spared(table: Table) -> None:
    found = [table.open("10.0.0.1") for _ in range(5)]
    assert all(map(is_open, found))
    table.now = 2.0
    table.table.sweep()
    assert [is_open(each) for each in found] == [False, False, True, True, True]


def test_largest_network_loses_its_oldest_connection_at_the_total_limit(table: Table) -> None:
    alone = table.open("10.0.0.1")
    found = [table.open(f"2001:db8::{each}") for each in range(6)]
    assert is_open(alone)
    assert [is_open(each) for each in found] == [False, True, True, True, True, True]


def test_cuts_for_a_limit_are_logged_once_a_minute_with_the_network_and_the_number(
    table: Table, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: table.now))

    def logged_after(count: int, at: float) -> list[str]:
        table.now = at
        for _ in range(count):
            table.open("10.0.0.1")
        caplog.clear()
        table.table.sweep()
        return [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]

    table.open("10.0.0.2")
    assert logged_after(3, at=1.0) == []
    words = "as more than 3 of a network or 6 in all were open"
    (first,) = logged_after(2, at=3.0)
    assert first == f"cut 2 connections without a login, {words}; 2 of them came from 10.0.0.1"
    assert logged_after(3, at=5.0) == []
    (second,) = logged_after(0, at=63.0)
    assert second.startswith("cut 3 connections without a login")
    assert logged_after(0, at=200.0) == []


def test_cuts_are_logged_in_time_also_where_nobody_comes_any_more(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WARN_SECONDS", 0.3)
    monkeypatch.setattr(connections, "_SWEEP_SECONDS", 0.01)
    made = Table(most=6, most_per_network=1)
    sweeper = gevent.spawn(made.table.run)

    def until_logged(times: int) -> None:
        def are_logged() -> bool:
            return caplog.text.count("without a login") == times

        until(are_logged, "logged", pause=gevent.sleep)

    try:
        with made.stack:
            for times in (1, 2):
                made.open("10.0.0.1")
                made.now += 2.0
                made.open("10.0.0.1")
                if times == 1:
                    until_logged(1)
        assert len(made.table) == 0
        until_logged(2)
    finally:
        sweeper.kill()


def test_authenticated_connections_do_not_count(table: Table) -> None:
    proved = []
    for _ in range(10):
        proved.append(table.open("10.0.0.1"))
        connections.prove()
    table.now = 2.0
    others = [table.open("10.0.0.1") for _ in range(3)]
    assert all(map(is_open, [*proved, *others]))
    assert len(table.table) == 3


def test_clients_of_a_trusted_proxy_count_for_their_own_networks(table: Table) -> None:
    app = TrustedProxies(lambda environ, start_response: [], (ip_network("127.0.0.1"),))
    found = []
    for number in range(6):
        found.append(table.open("127.0.0.1"))
        sent = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": f"203.0.113.{number // 4}"}
        app(sent, lambda *_: lambda data: None)
    table.now = 2.0
    table.table.sweep()
    # of the four of one client the oldest is cut, and none of the proxy's for being its
    assert [is_open(each) for each in found] == [False, True, True, True, True, True]


def test_a_proved_connection_is_not_counted_again_for_its_client(table: Table) -> None:
    table.open("127.0.0.1")
    connections.prove()
    connections.comes_from("203.0.113.1")
    assert len(table.table) == 0
