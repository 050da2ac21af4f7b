"""A session exported as HTML makes no request when it is opened."""

from __future__ import annotations

import base64
import re
import uuid
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from opcode_htmx.markup import sanitizer
from opcode_htmx.markup.addresses import rules
from opcode_htmx.sessions.export.standalone_html import POLICY
from tests.features.composer.test_forks import PIXEL
from tests.support.cli.supervision import steps
from tests.support.environment import until
from tests.support.server import Server

HOST = "host.invalid"
ADDRESSES = [
    f"//{HOST}/x",
    f"///{HOST}/x",
    f"/\\{HOST}/x",
    f"\\\\{HOST}\\x",
    f"file://{HOST}/x",
    f"file:////{HOST}/x",
    f"smb://{HOST}/x",
    f"http:/\\{HOST}/x",
    f"https:{HOST}/x",
    f"javascript:fetch('//{HOST}')",
    f"data:text/html,<img src=//{HOST}>",
    f"\t//{HOST}/x",
    f"ht\ntp://{HOST}/x",
]
"""Addresses that a browser, or the system behind it, would ask another computer for."""

MARKUP = [
    "[link]({0})",
    "![image]({0})",
    "<{0}>",
    "[![image]({0})]({0})",
    "[ref]\n\n[ref]: {0}",
    '<img src="{0}">',
    '<link rel="stylesheet" href="{0}">',
    '<a href="{0}">x</a>',
    '<meta http-equiv="refresh" content="0;url={0}">',
    '<style>@import "{0}";</style>',
]
TEXT = "\n\n".join(each.format(address) for each in MARKUP for address in ADDRESSES)


def said(number: int, *content: dict[str, Any]) -> list[object]:
    message = {"id": f"m{number}", "role": "assistant", "content": list(content)}
    return ["say", {"type": "assistant", "uuid": str(uuid.uuid4()), "message": message}]


def result(tool: str, content: list[dict[str, Any]]) -> list[object]:
    part = {"type": "tool_result", "tool_use_id": tool, "content": content}
    message = {"role": "user", "content": [part]}
    return ["say", {"type": "user", "uuid": str(uuid.uuid4()), "message": message}]


def hostile_turn() -> str:
    """A prompt at which a session fills up with addresses wherever one may stand."""
    image = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PIXEL).decode()}
    linked = [{"type": "resource_link", "uri": each, "name": "x"} for each in ADDRESSES]
    pictures = [{"type": "image", "source": {"type": "url", "url": each}} for each in ADDRESSES]
    calls = [
        {"type": "tool_use", "id": "t1", "name": "mcp__x__y", "input": {"url": ADDRESSES[0]}},
        {"type": "tool_use", "id": "t2", "name": "WebFetch", "input": {"url": ADDRESSES[0]}},
    ]
    begin = {"type": "system", "subtype": "init", "cwd": "/", "model": "m", "tools": []}
    return steps(
        ["say", {**begin, "session_id": "first"}],
        said(1, {"type": "text", "text": TEXT}),
        said(2, {"type": "thinking", "thinking": TEXT}),
        said(3, *calls),
        result("t1", [*linked, *pictures, {"type": "image", "source": image}]),
        result("t2", [{"type": "text", "text": TEXT}]),
        ["say", {**begin, "session_id": f"/{HOST}/x"}],
        ["text", "All is said."],
    )


class Addresses(HTMLParser):
    """The addresses in the attributes of a page, and its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        for name, value in attrs:
            if name in ("href", "src", "action", "formaction", "poster", "srcset", "data"):
                self.found.append((tag, name, value or ""))


@pytest.fixture(scope="module")
def exported(shared_server: Server) -> str:
    form = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    folder = str(shared_server.sandbox.project)
    answer = shared_server.post("/sessions", {**form, "folder": folder, "prompt": hostile_turn()})
    assert answer.status_code == 303, answer.text
    address = answer.headers["Location"].partition("#")[0]

    def whole() -> str:
        html = shared_server.get(f"{address}/export.html").text
        return html if ">All is said.</p>" in html else ""

    return until(whole, "the session is exported whole")


def test_a_link_in_it_leads_to_the_web_or_into_the_file(exported: str) -> None:
    found = Addresses(exported).found
    assert found
    for tag, name, address in found:
        inside = address.startswith("data:") if tag in ("img", "link") else False
        download = tag == "a" and address.startswith(("data:application/octet", "data:image/png"))
        assert inside or download or rules.is_absolute(address), (tag, name, address)
    assert "a session of its own" in exported, "without the link that the page has there"


def test_its_policy_comes_before_all_that_it_could_load(exported: str) -> None:
    tags = [tag for tag in Addresses(exported).tags if tag[0] not in ("html", "head")]
    policy = {"http-equiv": "Content-Security-Policy", "content": POLICY}
    assert tags[0] == ("meta", policy)
    assert "'unsafe-inline'" not in POLICY
    assert POLICY.startswith("default-src 'none'")
    assert not re.search(r"<(?:script|style|form|iframe|object|embed|base)\b", exported)
    assert not [attrs for _, attrs in tags if "style" in attrs]


REFUSED = """host => new Promise(done => {
    const refused = [];
    document.addEventListener("securitypolicyviolation", event => {
        refused.push(event.blockedURI);
        if (refused.length === 4) done(refused);
    });
    for (const tag of ["img", "script", "iframe"]) {
        const element = document.createElement(tag);
        element.src = `http://${host}/${tag}`;
        document.body.append(element);
    }
    fetch(`http://${host}/fetch`).catch(() => 0);
})"""
"""The resources of four kinds that the policy of a page refuses to load."""


@pytest.mark.browser
def test_nothing_is_requested_when_it_is_opened_from_a_disk(
    exported: str, browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "session.html"
    file.write_text(exported, encoding="utf-8")
    context = browser.new_context()
    requested: list[str] = []
    complaints: list[str] = []
    page = context.new_page()
    context.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(file.as_uri(), wait_until="load")
    page.mouse.wheel(0, 100_000)
    try:
        assert [url for url in requested if not url.startswith("data:")] == [file.as_uri()]
        assert complaints == []
        # what belongs to it is there all the same
        assert page.evaluate("document.styleSheets.length") == 1
        assert page.evaluate("getComputedStyle(document.body).margin") == "0px"
        image = page.locator("img").first
        image.scroll_into_view_if_needed()
        page.wait_for_function("document.querySelector('img').naturalWidth === 1")
        # and the policy holds where something else should ever get in
        refused = {"/img", "/script", "", "/fetch"}  # the browser reports only the host of a frame
        assert set(page.evaluate(REFUSED, HOST)) == {f"http://{HOST}{path}" for path in refused}
    finally:
        context.close()


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("html", ['<a href="{}">x</a>', '<p><a title="t" href="{}">x</a></p>'])
def test_no_address_without_a_protocol_of_the_web_passes_the_cleaner(
    html: str, address: str
) -> None:
    assert HOST not in sanitizer._clean(html.format(address))
