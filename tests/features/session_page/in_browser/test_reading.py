"""Reading a long session in a real browser: earlier blocks load on scrolling up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from opcode_htmx.transcript.conversation.window import FIRST, STEP
from tests.features.session_page.in_browser import long_session
from tests.support.environment import Sandbox, until
from tests.support.pages import dom
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PROMPTS = FIRST + STEP + 30

OpenPhone = Callable[..., Phone]


@pytest.fixture
def sandbox(server: Server) -> Sandbox:
    """With a project for one test."""
    return server.sandbox.with_own_project()


@pytest.fixture(scope="module")
def path(shared_server: Server) -> str:
    """The page of a session that has more blocks than two steps bring."""
    return long_session.write(shared_server.sandbox.with_own_project(), PROMPTS)


def ids(phone: Phone) -> list[str]:
    found: list[str] = phone.page.locator("#transcript > *").evaluate_all(
        "blocks => blocks.map(each => each.id)"
    )
    return found


def expected(begin: int) -> list[str]:
    return [f"b-prompt-{number}" for number in range(begin, PROMPTS)]


def place_of(phone: Phone, number: int) -> float:
    """The vertical position of a block on the screen."""
    box = phone.page.locator(f"#b-prompt-{number}").bounding_box()
    assert box is not None
    return box["y"]


def is_at(phone: Phone, number: int, place: float) -> bool:
    return abs(place_of(phone, number) - place) < 2


def read_up_to(phone: Phone, number: int) -> None:
    phone.page.locator(f"#b-prompt-{number}").evaluate("block => block.scrollIntoView()")


def test_earlier_blocks_load_on_scrolling_up_without_moving_the_text(
    kept_phone: Phone, path: str
) -> None:
    phone = kept_phone
    phone.page.goto(f"{path}#end")
    phone.page.locator("body[data-link=online]").wait_for()
    newest = PROMPTS - FIRST
    assert ids(phone) == expected(newest), "few blocks at first, and none before they are wanted"

    for begin in (newest, newest - STEP):
        read_up_to(phone, begin)
        before = place_of(phone, begin)
        more = phone.page.locator(f"#b-prompt-{max(0, begin - STEP)}")
        expect(more).to_be_attached()
        until(lambda: is_at(phone, begin, before), "it has not moved")  # noqa: B023
    assert ids(phone) == expected(0), "each once, in order"
    expect(phone.page.locator("#earlier")).to_be_empty()


def test_tap_loads_earlier_blocks_after_a_failed_try(kept_phone: Phone, path: str) -> None:
    phone = kept_phone
    phone.forgiven.append("ERR_FAILED")
    tries: list[str] = []

    def cut_off(route: Route) -> None:
        tries.append(route.request.url)
        route.abort()

    phone.page.route("**/earlier?*", cut_off)
    phone.page.goto(f"{path}#end")
    phone.page.locator("body[data-link=online]").wait_for()
    with phone.page.expect_event("requestfailed"):
        read_up_to(phone, PROMPTS - FIRST)
    phone.page.unroute("**/earlier?*")
    assert tries
    phone.page.get_by_role("link", name=f"Show {PROMPTS - FIRST} earlier messages").click()
    expect(phone.page.locator(f"#b-prompt-{PROMPTS - FIRST - STEP}")).to_be_attached()
    assert phone.page.url.endswith("#end"), "it stays the same page"


def test_without_javascript_a_link_shows_earlier_blocks_and_keeps_the_place(
    server: Server, path: str
) -> None:
    newest = PROMPTS - FIRST
    links = [each for each in dom.parse(server.get(path).text).walk() if each.tag == "a"]
    (link,) = (each for each in links if each.text == f"Show {newest} earlier messages")
    address, _, place = (link.attributes["href"] or "").partition("#")
    assert place == f"b-prompt-{newest}", "where one was is at the top"
    transcript = dom.parse(server.get(address).text).find("transcript")
    assert transcript
    assert [each.id for each in transcript.elements] == expected(newest - STEP)


def test_earlier_blocks_of_an_unknown_block_are_not_found(server: Server, path: str) -> None:
    assert server.get(f"{path}/earlier?before=nothing").status_code == 404
    assert server.get(f"{path}/earlier").status_code == 404


def test_changes_of_unloaded_blocks_are_present_once_loaded(
    kept_phone: Phone, sandbox: Sandbox, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    phone = kept_phone
    steps = [
        said("m0", {"type": "tool_use", "id": "task", "name": "Task", "input": {}}),
        *(
            said(f"m{number}", text(f"Word {number}. " + "On and on. " * 60))
            for number in range(1, FIRST + 10)
        ),
        ["wait", str(gate)],
        said("child", text("The subagent speaks."), parent="task"),
        said("last", text("The end.")),
    ]
    phone.begin(sandbox.project, json.dumps(steps))
    expect(phone.transcript).to_contain_text(f"Word {FIRST + 9}.")
    phone.page.reload()
    phone.page.locator("body[data-link=online]").wait_for()
    assert phone.page.locator("#b-task").count() == 0
    gate.touch()
    expect(phone.transcript).to_contain_text("The end.")
    expect(phone.status).to_have_text("Ready for the next prompt")
    expect(phone.page.locator(".block-summary")).to_be_attached()
    live = whole_dom(phone)
    expect(phone.page.locator("#b-task")).to_contain_text("The subagent speaks.")
    phone.page.reload()
    phone.page.locator("body[data-link=online]").wait_for()
    assert whole_dom(phone) == live


def whole_dom(phone: Phone) -> str:
    phone.page.evaluate("scrollTo(0, 0)")
    expect(phone.page.locator("#earlier")).to_be_empty()
    return phone.dom()


def text(words: str) -> dict[str, object]:
    return {"type": "text", "text": words}


def said(name: str, *content: dict[str, object], parent: str | None = None) -> list[object]:
    message = {"id": name, "role": "assistant", "content": content}
    entry = {"type": "assistant", "message": message, "parent_tool_use_id": parent, "uuid": name}
    return ["raw", json.dumps(entry) + "\n"]
