"""The main job through nginx and Caddy as deploy/ configures them, at the root and below a path."""

from __future__ import annotations

import base64
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pytest
import requests
from playwright.sync_api import expect
from urllib3.exceptions import InsecureRequestWarning

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text
from tests.support.clients.json_client import JsonClient
from tests.support.environment import PASSWORD, PATIENCE, USER, Sandbox
from tests.support.outside.proxies import WALL, in_front_of, untrusting
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

WORDS = " ".join(f"word{number}" for number in range(120))
BASES = ("", "/team/opcode")
WALL_HEADER = f"Basic {base64.b64encode(':'.join(WALL).encode()).decode()}"


@pytest.fixture(scope="module")
def gates() -> dict[str, threading.Event]:
    """By the last word of a prompt: what lets the second half of its answer go on."""
    return {}


@pytest.fixture(scope="module")
def shared_api(gates: dict[str, threading.Event]) -> Iterator[MessagesApi]:
    hold = Scene(
        "hold", "hold", [lambda request: (Text(WORDS, gate=gates[request.prompt.split()[-1]]),)]
    )
    with MessagesApi((hold,)) as api:
        yield api


@pytest.fixture(scope="module", params=BASES, ids=["root", "base"])
def server(
    request: pytest.FixtureRequest,
    claude: Path,
    shared_api: MessagesApi,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    sandbox = Sandbox(tmp_path_factory.mktemp("proxied") / "home").make()
    settings = {"OPCODE_BASE_PATH": request.param, "OPCODE_TRUSTED_PROXIES": "127.0.0.1"}
    server = Server(sandbox, claude, shared_api.url, OPCODE_ASK_AHEAD="0", **settings)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def front(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp(request.param)
    with in_front_of(server, request.param, folder / "proxy") as front:
        yield front


def wrong_passwords(front: Server, times: int) -> list[int]:
    """The answers to logins from an address of this machine that is no proxy's.

    They claim to forward others. Each proxy of a server has another stranger.
    """
    context, here = untrusting(), (f"127.0.{front.port >> 8}.{front.port & 255}", 0)
    found = []
    for number in range(times):
        with closing(
            HTTPSConnection("localhost", front.port, context=context, source_address=here)
        ) as stranger:
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Forwarded-For": f"203.0.113.{number}",
            }
            form = urlencode({"user": USER, "password": "wrong"})
            stranger.request("POST", f"{front.base_path}/login", form, headers)
            found.append(stranger.getresponse().status)
    return found


def status(front: Server, path: str, headers: Mapping[str, str], method: str = "GET") -> int:
    """The status of an answer to headers that no body follows."""
    with closing(
        HTTPSConnection("localhost", front.port, timeout=PATIENCE, context=untrusting())
    ) as stranger:
        stranger.putrequest(method, path)
        for name, value in headers.items():
            stranger.putheader(name, value)
        stranger.endheaders()
        return stranger.getresponse().status


def test_a_login_leads_on_and_only_the_stranger_who_guesses_is_locked_out(front: Server) -> None:
    answers = wrong_passwords(front, 11)
    assert (answers[0], answers[-1]) == (401, 429)
    form = {"user": USER, "password": PASSWORD}
    with (
        requests.Session() as session,
        warnings.catch_warnings(action="ignore", category=InsecureRequestWarning),
    ):
        session.verify = session.trust_env = False
        answer = session.post(f"{front.url}/login", form, allow_redirects=False, timeout=PATIENCE)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{front.base_path}/")
    cookie = f"{answer.headers['Set-Cookie']};"
    assert "; Secure;" in cookie
    assert f"; Path={front.base_path or '/'};" in cookie


def test_a_socket_opens(front: Server) -> None:
    JsonClient(front, sslopt={"cert_reqs": ssl.CERT_NONE}).ws.close()


# Each proxy at one of the two, for it says the same of all paths
@pytest.mark.parametrize(
    ("server", "front"), [("", "caddy"), ("/team/opcode", "nginx")], indirect=True
)
def test_log_in_start_a_session_watch_it_and_stop_it(
    front: Server,
    server: Server,
    open_phone: Callable[..., Phone],
    gates: dict[str, threading.Event],
) -> None:
    gates[name := f"prompt-{front.port}"] = threading.Event()
    phone = open_phone(front, logged_in=False, ignore_https_errors=True)
    phone.forgiven.append("401")  # the page in whose place the login stands
    asked = list[str]()
    phone.page.on("request", lambda request: asked.append(request.url))
    phone.page.on("websocket", lambda opened: asked.append(opened.url))
    folder = quote(str(front.sandbox.with_own_project().project))
    phone.page.goto(f"{front.url}/new?folder={folder}")
    phone.page.get_by_label("Password").fill(PASSWORD)
    phone.button("Log in").click()

    phone.page.get_by_role("textbox", name="Prompt").fill(f"hold {name}")
    phone.button("Send").click()
    phone.page.wait_for_url(f"{front.url}/projects/**/sessions/**")
    phone.page.locator("body[data-link=online]").wait_for()
    # half of the answer is on the page while the other half is not written: nothing buffers
    expect(phone.page.locator(".block-text")).to_contain_text("word30")
    expect(phone.page.locator(".block-text")).not_to_contain_text("word119")
    phone.button("Stop").click()
    expect(phone.page.locator("#transcript")).to_contain_text("Request interrupted by user.")
    gates[name].set()

    phone.button("Session menu").click()
    phone.page.get_by_role("link", name="Running sessions", exact=True).click()
    phone.page.get_by_role("heading", level=1, name="Running").wait_for()
    phone.page.go_back()
    phone.page.locator("a.back").click()
    phone.page.get_by_role("heading", level=1).wait_for()

    sockets = [url for url in asked if url.startswith("wss:")]
    assert sockets
    inside = (f"{front.url}/", f"{front.url.replace('https:', 'wss:')}/", "data:")
    assert [url for url in asked if not url.startswith(inside)] == []
    base = urlsplit(front.url).path
    phone.page.wait_for_function("() => document.cookie.includes('opcode_styles')", polling=500)
    for cookie in phone.page.context.cookies():
        assert cookie["secure"], cookie
        assert f"{cookie['path']}/".startswith(f"{base}/"), cookie
    prefix = "__Secure-" if base else "__Host-"
    assert any(each["name"].startswith(prefix) for each in phone.page.context.cookies())
    assert server.get("/healthz").ok


@pytest.mark.parametrize("server", ["/team/opcode"], indirect=True)
def test_a_wall_of_caddy_keeps_its_password_to_itself(server: Server, tmp_path: Path) -> None:
    with in_front_of(server, "caddy", tmp_path / "proxy", wall=True) as front:
        page = f"{front.base_path}/login"
        assert status(front, page, {}) == 401
        for _ in range(12):  # the app would count them as failed logins
            assert status(front, page, {"Authorization": WALL_HEADER}) == 200
        assert status(front, f"{front.base_path}/runs", {"Authorization": WALL_HEADER}) == 401


@pytest.mark.parametrize("front", ["nginx"], indirect=True)
def test_nginx_refuses_what_is_too_large(front: Server) -> None:
    headers = {"Content-Length": "68000000", "Content-Type": "text/plain"}
    assert status(front, f"{front.base_path}/login", headers, "POST") == 413
