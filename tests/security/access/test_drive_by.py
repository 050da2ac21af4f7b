"""A page on another port of the same computer, in a browser that is logged in here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession

from tests.support.environment import PASSWORD
from tests.support.server import Server

pytestmark = pytest.mark.browser

ACTS = "/api/sessions/11111111-1111-4111-8111-111111111111/cancel"


@pytest.fixture
def page_elsewhere() -> Iterator[Callable[[str], str]]:
    """Serves a page on a port of its own; the page's address."""
    html = [""]

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html[0].encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def serve(text: str) -> str:
        html[0] = text
        return f"http://127.0.0.1:{server.server_port}/"

    yield serve
    server.shutdown()
    server.server_close()


def statuses_of(session: CDPSession) -> Callable[[], list[tuple[str, int]]]:
    """The addresses and statuses of all answers, those among them that the page does not get."""
    urls: dict[str, str] = {}
    found: dict[str, int] = {}

    def asked(event: dict[str, Any]) -> None:
        urls[event["requestId"]] = event["request"]["url"]

    def answered(event: dict[str, Any]) -> None:
        found[event["requestId"]] = event["statusCode"]

    session.on("Network.requestWillBeSent", asked)
    session.on("Network.responseReceivedExtraInfo", answered)
    session.send("Network.enable")
    return lambda: [(urls[each], status) for each, status in found.items() if each in urls]


def test_a_page_on_another_port_causes_nothing_and_its_links_open_pages(
    browser: Browser, shared_server: Server, page_elsewhere: Callable[[str], str]
) -> None:
    ours = shared_server.url
    hostile = page_elsewhere(
        f"""<meta name="referrer" content="no-referrer">
        <img src="{ours}{ACTS}"><img src="{ours}/new/complete?q=@&folder=/">
        <script src="{ours}/api/projects"></script><iframe src="{ours}/runs"></iframe>
        <link rel="stylesheet" href="{ours}/logins">
        <form method="post" action="{ours}/runs/stop-all"><button>Post</button></form>
        <a href="{ours}/runs">Open</a><a href="{ours}{ACTS}">Act</a>
        <script>fetch("{ours}/new/options", {{mode: "no-cors", credentials: "include"}})</script>"""
    )
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{ours}/login")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Home", exact=True).wait_for()
        page.wait_for_load_state("networkidle")  # What Home loads later is not the page elsewhere's
        statuses = statuses_of(context.new_cdp_session(page))
        page.goto(hostile, wait_until="networkidle")
        answers = {
            url.removeprefix(ours).partition("?")[0]: status
            for url, status in statuses()
            if url.startswith(ours)
        }
        paths = (ACTS, "/new/complete", "/api/projects", "/runs", "/logins", "/new/options")
        assert answers == dict.fromkeys(paths, 403)

        def follow(name: str, role: str = "link") -> int:
            page.goto(hostile)
            with page.expect_navigation() as navigation:
                page.get_by_role(role, name=name).click()  # type: ignore[arg-type]
            answer = navigation.value
            assert answer
            return answer.status

        assert follow("Post", "button") == 403
        assert follow("Act") == 403
        assert follow("Open") == 200
