"""Cross-origin access to the API: allowed origins, and their credentials."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from playwright.sync_api import Browser

from tests.support.clients.api import data, error
from tests.support.environment import PASSWORD, USER
from tests.support.server import Server

FRIEND, STRANGER = "https://friend.example", "https://evil.example"
PROMPT = "/api/settings/system-prompt"
RIGHT = (USER, PASSWORD)


class Page(SimpleHTTPRequestHandler):
    """An empty page at every address."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[str, str]]:
    """The origins of two servers of an empty page; the first one is allowed."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Page) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    one, other = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    yield one, other
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def shared_settings(elsewhere: tuple[str, str]) -> dict[str, str]:
    return {"OPCODE_ALLOWED_ORIGINS": f"{FRIEND},{elsewhere[0]}"}


@pytest.fixture
def server(shared_server: Server) -> Server:
    """With nothing in Claude's folder."""
    shared_server.sandbox.empty_config()
    return shared_server


def preflight(server: Server, origin: str, path: str = PROMPT) -> requests.Response:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return requests.options(server.url + path, headers=asked, timeout=20)


def shared(answer: requests.Response) -> dict[str, str]:
    return {
        name.lower().removeprefix("access-control-"): value
        for name, value in answer.headers.items()
        if name.lower().startswith("access-control-")
    }


def test_preflight_lists_the_rights_of_an_allowed_origin(server: Server) -> None:
    answer = preflight(server, FRIEND)
    assert (answer.status_code, answer.content) == (204, b"")
    found = shared(answer)
    assert found["allow-origin"] == FRIEND
    assert {"GET", "POST", "PUT"} <= set(found["allow-methods"].split(", "))
    assert found["allow-headers"] == "Authorization, Content-Type, X-CSRF-Token"
    assert "allow-credentials" not in found
    assert "Origin" in answer.headers["Vary"]
    assert "Set-Cookie" not in answer.headers


def test_preflight_of_another_origin_reveals_nothing(server: Server) -> None:
    for origin in (STRANGER, "null", f"{FRIEND}.evil.example", "http://friend.example", server.url):
        answer = preflight(server, origin)
        assert shared(answer) == {}, origin
        assert "Origin" in answer.headers["Vary"]
    # Existing and missing addresses look the same
    there, not_there = preflight(server, FRIEND), preflight(server, FRIEND, "/api/none")
    assert there.status_code == not_there.status_code
    assert shared(there) == shared(not_there)
    assert shared(preflight(server, FRIEND, "/")) == {}
    assert requests.options(server.url + PROMPT, timeout=20).status_code == 401


def test_an_allowed_origin_reads_answers_and_refusals(server: Server) -> None:
    headers = {"Origin": FRIEND}
    answer = requests.get(server.url + PROMPT, auth=RIGHT, headers=headers, timeout=20)
    assert data(answer) == ""
    assert shared(answer)["allow-origin"] == FRIEND
    refused = requests.get(server.url + PROMPT, headers=headers, timeout=20)
    error(refused, 401)
    assert shared(refused)["allow-origin"] == FRIEND
    page = requests.get(server.url + "/", auth=RIGHT, headers=headers, timeout=20)
    assert shared(page) == {}


def test_other_origins_may_not_read_responses(server: Server) -> None:
    for origin in (STRANGER, "null", server.url):
        headers = {"Origin": origin}
        answer = requests.get(server.url + PROMPT, auth=RIGHT, headers=headers, timeout=20)
        assert shared(answer) == {}


def put(server: Server, origin: str, **more: str) -> requests.Response:
    headers = {"Origin": origin, "Content-Type": "application/json", **more}
    body = json.dumps({"content": "from afar"})
    return requests.put(server.url + PROMPT, data=body, headers=headers, auth=RIGHT, timeout=20)


def test_page_of_an_allowed_origin_may_write_with_its_credentials(server: Server) -> None:
    answer = put(server, FRIEND, **{"Sec-Fetch-Site": "cross-site"})
    assert data(answer) == "from afar"
    assert shared(answer)["allow-origin"] == FRIEND


def test_a_page_of_another_origin_writes_nothing(server: Server) -> None:
    for origin in (STRANGER, "null"):
        assert "another site" in error(put(server, origin), 403)
    assert "another site" in error(put(server, STRANGER, **{"Sec-Fetch-Site": "cross-site"}), 403)
    assert data(server.get(PROMPT)) == ""


def test_request_without_preflight_needs_the_token(server: Server) -> None:
    login = requests.get(server.url + "/", auth=RIGHT, timeout=20)
    cookie = "; ".join(f"{name}={value}" for name, value in login.cookies.items())
    # A cookie, whose site a page can choose, and the types that forms have
    assert "X-CSRF-Token" in error(put(server, FRIEND, Cookie=cookie), 403)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {"Origin": FRIEND, "Content-Type": kind}
        answer = requests.post(
            server.url + "/api/none", data="{}", headers=headers, auth=RIGHT, timeout=20
        )
        assert "X-CSRF-Token" in error(answer, 403), kind
    answer = requests.post(
        server.url + "/sessions", json={}, headers={"Origin": FRIEND}, auth=RIGHT, timeout=20
    )
    assert answer.status_code == 403, "only the API is shared"
    assert data(server.get(PROMPT)) == ""


def test_our_own_pages_send_the_token(server: Server) -> None:
    assert "X-CSRF-Token" in error(put(server, server.url), 403)


def test_script_that_keeps_cookies_receives_none_and_stays_authenticated(server: Server) -> None:
    with requests.Session() as script:
        script.auth = RIGHT
        first = script.get(server.url + PROMPT, timeout=20)
        assert "Set-Cookie" not in first.headers
        second = script.put(server.url + PROMPT, json={"content": "again"}, timeout=20)
        assert data(second) == "again"


ASK = """async ([address, credentials, method, include]) => {
  const headers = credentials ? {Authorization: `Basic ${btoa(credentials)}`} : {};
  const options = {method, headers, credentials: include ? "include" : "same-origin"};
  if (method !== "GET") {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify({content: "from a page"});
  }
  try {
    return (await (await fetch(address, options)).json()).data;
  } catch (error) {
    return String(error.name);
  }
}"""


@pytest.mark.browser
def test_a_browser_lets_pages_of_allowed_origins_in_and_others_not(
    browser: Browser, server: Server, elsewhere: tuple[str, str]
) -> None:
    friend, stranger = elsewhere
    address, login = server.url + PROMPT, f"{USER}:{PASSWORD}"
    with browser.new_context() as context:
        page = context.new_page()
        # The browser is logged in, as that of the owner is
        page.goto(f"{server.url}/login")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Home", exact=True).wait_for()
        page.goto(f"{stranger}/")
        for credentials, method, include in (
            (login, "GET", False),
            (login, "PUT", False),
            ("", "GET", True),
            ("", "PUT", True),
        ):
            asked = page.evaluate(ASK, [address, credentials, method, include])
            assert asked == "TypeError", (credentials, method)
        assert data(server.get(PROMPT)) == ""
        page.goto(f"{friend}/")
        assert page.evaluate(ASK, [address, "", "PUT", True]) == "TypeError"
        assert data(server.get(PROMPT)) == ""
        assert page.evaluate(ASK, [address, login, "PUT", False]) == "from a page"
        assert page.evaluate(ASK, [address, login, "GET", False]) == "from a page"
        assert page.evaluate(ASK, [address, "", "GET", False]) is None
