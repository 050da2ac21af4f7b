"""Logins are stored, listed and ended: a copy of a cookie ends with its login."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.web.auth.devices import device
from opcode_htmx.web.auth.logins import (
    MAX_BASIC_LOGINS,
    MAX_LOGINS,
    USE_SECONDS,
    Logins,
)
from opcode_htmx.web.http import errors, filters, headers
from opcode_htmx.web.origin import own_addresses
from tests.support.apps.gate import DAY, access
from tests.support.clients.json_client import connected
from tests.support.environment import (
    PASSWORD,
    ROOT,
    USER,
    Sandbox,
    Server,
)

HOST = "192.168.1.5:8080"
PHONE = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Mobile Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
)
BASIC = ("opcode", "right")


def make_app(state: Path, password: str = BASIC[1]) -> Flask:
    app = Flask(
        __name__, template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static")
    )
    gate, app.extensions["logins"] = access(state, "opcode", password)
    gate.init_app(app)
    headers.register(app)
    filters.register(app)
    errors.register(app, {})
    app.add_url_rule("/", "home", lambda: "home")
    return app


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return make_app(tmp_path / "state")


class Browser(FlaskClient):
    """A client that keeps cookies, in the local network."""

    user_agent = ""
    address = "192.168.1.7"

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        always = {"Host": HOST, "User-Agent": self.user_agent}
        kwargs["headers"] = {**always, **(kwargs.get("headers") or {})}
        return super().open(*args, environ_base={"REMOTE_ADDR": self.address}, **kwargs)


def browser(app: Flask, user_agent: str = PHONE, *, use_cookies: bool = True) -> Browser:
    client = Browser(app, app.response_class, use_cookies=use_cookies)
    client.user_agent = user_agent
    return client


def log_in(app: Flask, user_agent: str = PHONE) -> Browser:
    client = browser(app, user_agent)
    form = {"user": "opcode", "password": "right"}
    assert client.post("/login", data=form).status_code == 303
    return client


def token(client: FlaskClient) -> str:
    found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', client.get("/logins").text)
    assert found
    return found[1]


def cookie(client: FlaskClient) -> str:
    found = client.get_cookie("opcode_8080", domain=HOST.partition(":")[0])
    assert found
    return found.value


def thief_of(client: FlaskClient, app: Flask) -> Browser:
    """A browser with a copy of the cookie."""
    thief = browser(app)
    thief.set_cookie("opcode_8080", cookie(client), domain=HOST.partition(":")[0])
    assert thief.get("/").status_code == 200
    return thief


def files(app: Flask) -> list[Path]:
    logins: Logins = app.extensions["logins"]
    return sorted(logins.folder.glob("*.json"))


# Ending -----------------------------------------------------------------------------------------


def test_a_copy_of_the_cookie_opens_nothing_after_logging_out(app: Flask) -> None:
    client = log_in(app)
    thief = thief_of(client, app)
    assert client.post("/logout", data={"csrf_token": token(client)}).status_code == 303
    assert thief.get("/").status_code == 401
    assert client.get("/").status_code == 401
    assert files(app) == []


def test_a_login_that_was_ended_opens_no_page_and_leaves_the_others(app: Flask) -> None:
    client, other = log_in(app), log_in(app, IPHONE)
    (ended,) = re.findall(r'id="login-([0-9a-f]{32})">Safari on iPhone', client.get("/logins").text)
    answer = client.post(f"/logins/{ended}/end", data={"csrf_token": token(client)})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/logins")
    assert other.get("/").status_code == 401
    assert client.get("/").status_code == 200
    again = client.post(f"/logins/{ended}/end", data={"csrf_token": token(client)})
    assert again.status_code == 404
    assert "has ended already" in again.text


def test_ending_the_own_login_logs_out(app: Flask) -> None:
    client = log_in(app)
    own = files(app)[0].stem
    answer = client.post(f"/logins/{own}/end", data={"csrf_token": token(client)})
    assert answer.headers["Location"] == "/login"
    assert client.get("/").status_code == 401


def test_log_out_everywhere_ends_every_login(app: Flask) -> None:
    clients = [log_in(app) for _ in range(3)]
    thief = thief_of(clients[1], app)
    answer = clients[0].post("/logins/end-all", data={"csrf_token": token(clients[0])})
    assert answer.headers["Location"] == "/login"
    assert {each.get("/").status_code for each in (*clients, thief)} == {401}


def test_ending_needs_the_token_of_the_own_login(app: Flask) -> None:
    client, other = log_in(app), log_in(app)
    for path in ("/logout", "/logins/end-all", f"/logins/{files(app)[0].stem}/end"):
        for given in ("", token(other)):
            assert client.post(path, data={"csrf_token": given}).status_code == 403
    assert len(files(app)) == 2


def test_logging_in_again_ends_the_login_that_the_browser_had(app: Flask) -> None:
    client = log_in(app)
    thief = thief_of(client, app)
    client.post("/login", data={"user": "opcode", "password": "right"})
    assert client.get("/").status_code == 200
    assert thief.get("/").status_code == 401


def test_a_login_outlives_the_server_and_ends_with_the_password(tmp_path: Path) -> None:
    state = tmp_path / "state"
    client = log_in(make_app(state))
    assert thief_of(client, make_app(state)).get("/").status_code == 200
    changed = make_app(state, "other")
    later = browser(changed)
    later.set_cookie("opcode_8080", cookie(client), domain=HOST.partition(":")[0])
    assert later.get("/").status_code == 401
    assert changed.extensions["logins"].all() == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"version": 9}',
        b'{"a": ' + b"[" * 100_000,
        b"\xff",
        b'{"token": 1}',
    ],
    ids=range(8),
)
def test_a_login_file_that_is_damaged_ends_that_login_only(app: Flask, content: bytes) -> None:
    client, other = log_in(app), log_in(app)
    damaged = app.extensions["logins"].folder / f"{cookie(client)[:32]}.json"
    damaged.write_bytes(content)
    assert client.get("/").status_code == 401
    page = other.get("/logins")
    assert page.status_code == 200
    assert page.text.count('class="row-title') == 1
    log_in(app)  # which tidies up, and leaves alone what cannot be read
    assert damaged.exists()


# Other ports of this host -----------------------------------------------------------------------


@pytest.fixture
def interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine in a local network, with containers."""

    def found() -> dict[str, list[SimpleNamespace]]:
        return {
            "eth0": [SimpleNamespace(address="192.168.1.5", netmask="255.255.255.0")],
            "docker0": [SimpleNamespace(address="172.17.0.1", netmask="255.255.0.0")],
            "eth1": [
                SimpleNamespace(address="fe80::5%eth1", netmask="ffff:ffff:ffff:ffff::"),
                SimpleNamespace(address="00:11:22:33:44:55", netmask=None),
            ],
        }

    monkeypatch.setattr("psutil.net_if_addrs", found)
    monkeypatch.setattr(own_addresses, "_known", own_addresses._Known())


@pytest.mark.usefixtures("interfaces")
@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:192.168.1.5", True),
        ("192.168.1.5", True),
        ("172.17.3.4", True),
        ("fe80::5", True),
        ("192.168.1.7", False),
        ("fe80::6", False),
        ("", False),
    ],
)
def test_the_addresses_of_this_machine_and_its_containers_are_known(
    address: str, is_own: bool
) -> None:
    assert own_addresses.is_own(address) is is_own


@pytest.mark.usefixtures("interfaces")
def test_a_server_on_another_port_cannot_use_the_cookie_that_it_was_sent(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    client = log_in(app)
    thief = thief_of(client, app)
    for thief.address in ("127.0.0.1", "192.168.1.5", "172.17.0.2"):
        assert thief.get("/").status_code == 401
    assert caplog.text.count("came from this machine itself") == 1
    thief.address = "10.8.0.3"  # the phone, in another network
    assert thief.get("/").status_code == 200


@pytest.mark.usefixtures("interfaces")
def test_a_browser_on_this_machine_or_behind_a_proxy_on_it_uses_its_own_cookie(
    app: Flask,
) -> None:
    client = browser(app)
    client.address = "127.0.0.1"
    assert client.post("/login", data={"user": "opcode", "password": "right"}).status_code == 303
    assert client.get("/").status_code == 200
    client.address = "192.168.1.5"
    assert client.get("/").status_code == 200


# Stored data ------------------------------------------------------------------------------------


def test_neither_the_cookie_nor_the_password_is_in_the_state_folder(
    app: Flask, tmp_path: Path
) -> None:
    client = log_in(app)
    browser(app).get("/", auth=BASIC)
    secret = cookie(client).partition(".")[2]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert secret.encode() not in kept
    assert b"right" not in kept
    for path in files(app):
        assert path.stat().st_mode & 0o777 == 0o600
    assert files(app)[0].parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("changed", ["id", "token", "short", "long", "newline"])
def test_a_cookie_that_was_changed_is_refused(app: Flask, changed: str) -> None:
    client = log_in(app)
    login_id, _, secret = cookie(client).partition(".")
    value = {
        "id": f"{'0' * 32}.{secret}",
        "token": f"{login_id}.{'A' * len(secret)}",
        "short": f"{login_id}.",
        "long": f"{login_id}.{secret * 9}",
        "newline": f"../{login_id}.{secret}",
    }[changed]
    answer = browser(app, use_cookies=False).get("/", headers={"Cookie": f"opcode_8080={value}"})
    assert answer.status_code == 401


def test_a_cookie_that_another_port_added_does_not_hide_ours(app: Flask) -> None:
    value = cookie(log_in(app))
    header = {"Cookie": f"opcode_8080=junk; opcode_8080={value}"}
    assert browser(app, use_cookies=False).get("/", headers=header).status_code == 200


def test_over_https_the_cookie_can_be_set_by_https_only(app: Flask) -> None:
    client = browser(app)
    over_https = {"wsgi.url_scheme": "https"}
    answer = client.get("/", auth=BASIC, environ_overrides=over_https)
    header = answer.headers["Set-Cookie"]
    assert header.startswith("__Host-opcode_8080=")
    assert all(part in header for part in ("; Secure", "HttpOnly", "Path=/", "SameSite=Strict"))
    assert "Domain" not in header


def test_basic_in_a_browser_makes_one_login_whatever_it_asks_for(app: Flask) -> None:
    cookies = set()
    for _ in range(3):
        answer = browser(app).get("/", auth=BASIC)
        cookies.add(answer.headers["Set-Cookie"].partition(";")[0])
    assert len(cookies) == 1
    assert len(files(app)) == 1
    header = {"Cookie": cookies.pop()}
    assert browser(app, use_cookies=False).get("/", headers=header).status_code == 200
    assert len(files(app)) == 1


def test_the_cookie_of_a_login_by_basic_that_ended_stays_ended(app: Flask) -> None:
    client = browser(app)
    client.get("/", auth=BASIC)
    thief = thief_of(client, app)
    client.post("/logout", data={"csrf_token": token(client)})
    browser(app).get("/", auth=BASIC)  # as the browser does by itself
    assert thief.get("/").status_code == 401


def test_the_api_makes_no_login_of_basic(app: Flask) -> None:
    answer = browser(app, "curl/8").get("/api/none", auth=BASIC)
    assert answer.status_code == 404
    assert files(app) == []


# Time -------------------------------------------------------------------------------------------


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


# The page ---------------------------------------------------------------------------------------


def test_the_list_names_device_address_and_which_one_this_is(app: Flask) -> None:
    log_in(app, IPHONE)
    client = log_in(app)
    text = client.get("/logins").text
    assert "Safari on iPhone" in text
    assert "Chrome on Android · this device" in text
    assert "from 192.168.1.7" in text


def rename(client: Browser, login_id: str, name: str) -> TestResponse:
    form = {"name": name, "csrf_token": token(client)}
    return client.post(f"/logins/{login_id}/rename", data=form)


def test_a_login_is_renamed_and_takes_its_name_back(app: Flask) -> None:
    client = log_in(app)
    (login,) = files(app)
    before = login.stat().st_mtime_ns, login.read_bytes()
    assert rename(client, login.stem, " Work\u202e\u200b  phone ").status_code == 303
    text = client.get("/logins").text
    assert "“Work phone” now" in text
    assert "Work phone · this device" in text
    assert "Chrome on Android" in text
    assert "“Work phone” now" not in client.get("/logins").text, "it is said once"
    assert (login.stat().st_mtime_ns, login.read_bytes()) == before
    assert login.with_suffix(".name").stat().st_mode & 0o777 == 0o600
    rename(client, login.stem, "")
    assert "Work" not in client.get("/logins").text.partition('<ul class="list">')[2]


def test_a_name_ends_with_its_login(app: Flask) -> None:
    client, other = log_in(app), log_in(app, IPHONE)
    theirs = cookie(other)[:32]
    rename(client, theirs, "<b>Tablet</b>")
    form = {"csrf_token": token(client)}
    client.post(f"/logins/{theirs}/end", data=form)
    text = client.get("/logins").text
    assert "“&lt;b&gt;Tablet&lt;/b&gt;” was logged out." in text
    assert rename(client, theirs, "Back").status_code == 404
    folder = files(app)[0].parent
    assert list(folder.glob("*.name")) == []
    (folder / f"{'0' * 32}.name").write_text('{"name": "named while it ended"}')
    log_in(app)
    assert list(folder.glob("*.name")) == []


def test_what_was_ended_is_said_once(app: Flask) -> None:
    client = log_in(app)
    client.post("/logout", data={"csrf_token": token(client)})
    assert "You are logged out." in client.get("/login").text
    assert "You are logged out." not in client.get("/login").text
    client = log_in(app)
    client.post("/logins/end-all", data={"csrf_token": token(client)})
    assert "Every device was logged out." in client.get("/login").text


def test_the_list_says_how_each_device_logged_in(app: Flask) -> None:
    client = log_in(app)
    browser(app, IPHONE).get("/", auth=BASIC)
    old = files(app)[0].parent / f"{'a' * 32}.json"
    content = json.loads(files(app)[0].read_bytes())
    content.pop("how")  # as earlier versions wrote it
    old.write_text(json.dumps(content))
    text = client.get("/logins").text
    assert text.count('class="row-title') == 3
    assert [text.count(way) for way in ("with the password", "browser&#39;s dialog")] == [1, 1]


def test_device_name_is_escaped(app: Flask) -> None:
    client = log_in(app, "<b>Edg\u202e</b>/1")
    text = client.get("/logins").text
    assert "<b>" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (PHONE, "Chrome on Android"),
        (IPHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64) Gecko/2010 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 CriOS/140.0 Safari/604.1", "Chrome on iPhone"),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.34.2", "python-requests"),
        ("", "Unknown device"),
        ("\u202e\u200b/1", "Unknown device"),
        ("x" * 5000, "x" * 40),
    ],
)
def test_a_device_is_named_in_a_few_words(user_agent: str, words: str) -> None:
    assert device(user_agent) == words


# A real server ----------------------------------------------------------------------------------


@contextmanager
def socket_of(server: Server, person: requests.Session) -> Iterator[Any]:
    (pair,) = person.cookies.items()
    header = [f"Cookie: {'='.join(map(str, pair))}"]
    options: dict[str, Any] = {"origin": server.url, "suppress_origin": False, "header": header}
    with connected(server, **options) as client:
        yield client


def test_the_sockets_of_an_ended_login_are_closed_in_every_worker(
    sandbox: Sandbox, stand_in: Path, start_server: Callable[..., Server]
) -> None:
    server = start_server(sandbox, stand_in, OPCODE_WORKERS="2")
    with requests.Session() as person, requests.Session() as other:
        for each in (person, other):
            form = {"user": USER, "password": PASSWORD}
            assert each.post(f"{server.url}/login", data=form, timeout=20).ok
        page = other.get(f"{server.url}/logins", timeout=20).text
        found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page)
        assert found
        own = str(next(iter(person.cookies.values()))).partition(".")[0]
        with socket_of(server, person) as one, socket_of(server, person) as two:
            url = f"{server.url}/logins/{own}/end"
            assert other.post(url, data={"csrf_token": found[1]}, timeout=20).ok
            assert [one.close_code(), two.close_code()] == [1008, 1008]
        assert person.get(server.url, timeout=20).status_code == 401
    kept = [json.loads(path.read_bytes()) for path in (sandbox.state / "logins").glob("*.json")]
    assert [each["device"] for each in kept] == ["python-requests"]
