"""What MCP servers ask the person: a real server, the real CLI, forms without a script, REST."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from tests.features.permissions.asked import Asked, Asking, repeated
from tests.support.environment import PASSWORD, ROOT, USER, Sandbox, until
from tests.support.pages import dom
from tests.support.pages.browser import Phone
from tests.support.pages.page_checks import (
    smaller_than_a_thumb,
    violations,
)
from tests.support.server import Server

pytestmark = pytest.mark.timeout(180)

Ask = Callable[[str], Asked]


@pytest.fixture(scope="module")
def shared_api() -> Iterator[MessagesApi]:
    scenes = [
        Scene(name, name, [ToolUse(f"mcp__orchard__{name}", {}), repeated])
        for name in ("form", "page", "fleeting")
    ]
    with MessagesApi([*scenes, Scene("anything", "", [Text("Yes.")])]) as api:
        yield api


@pytest.fixture(scope="module")
def shared_settings() -> dict[str, str]:
    return {"OPCODE_ASK_AHEAD": "0", "OPCODE_WORKERS": "2"}


@pytest.fixture
def server(shared_home: Sandbox, shared_real_server: Server) -> Server:
    command = {
        "command": sys.executable,
        "args": [str(ROOT / "tests/support/cli/asking_server.py")],
    }
    config_file = shared_home.config_dir / ".claude.json"
    config = json.loads(config_file.read_text()) if config_file.exists() else {}
    config["mcpServers"] = {"orchard": command}
    config_file.write_text(json.dumps(config), encoding="utf-8")
    settings = {"permissions": {"allow": ["mcp__orchard"]}}
    (shared_home.config_dir / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    return shared_real_server


@pytest.fixture(scope="module")
def asking(shared_real_server: Server) -> Asking:
    return Asking(shared_real_server)


@pytest.fixture
def ask(server: Server, asking: Asking) -> Ask:
    """Has the server ask, in a session that a test before has left."""
    return asking.ask


def test_a_form_is_checked_kept_and_sent_without_a_script(server: Server, ask: Ask) -> None:
    asked = ask("form")
    assert asked.request["server_name"] == "orchard"
    asks = "orchard: How shall the harvest be?"
    until(lambda: asks in server.get("/").text, "each of the workers may show Home")

    def buttons() -> set[str]:
        return {n.text for n in dom.parse(asked.page()).walk() if n.tag == "button"}

    until(lambda: buttons() >= {"Accept", "Decline", "Cancel"}, "the page has the form")
    refused = asked.send("accept", f0="", f1="nobody", f2="12", f3=asked.secret, f7="2026-02-30")
    assert refused.status_code == 422
    again = dom.parse(refused.text)
    problems = {
        n.id[-9:]: n.text
        for n in again.walk()
        if "asked-problem" in (n.attributes.get("class") or "") and n.text
    }
    assert problems == {
        "0-problem": "This is needed.",
        "1-problem": "Use an email address, such as name@example.com.",
        "2-problem": "Use 9 or less.",
        "3-problem": "Use a number.",
        "5-problem": "This is needed.",
        "7-problem": "Use a date, such as 2026-05-31.",
    }
    kept = {n.attributes.get("name"): n.attributes.get("value") for n in again.walk()}
    assert kept[asked.name(1)] == "nobody"
    assert kept[asked.name(3)] == asked.secret
    assert asked.open, "it is still asked"
    answer = asked.send("accept", f0=asked.secret, f2="4", f4="true", f5="1", f6=["0", "1"])
    assert (answer.status_code, asked.got()) == (
        303,
        {
            "action": "accept",
            "content": {
                "name": asked.secret,
                "count": 4,
                "ripe": True,
                "fruit": "p",
                "tools": ["s", "l"],
            },
        },
    )

    def sent() -> str:
        return asked.card().partition("What was sent")[2].partition("</details>")[0]

    card = until(sent, "the page shows what was sent")
    assert "Pears" in card
    assert "Saw, Ladder" in card
    assert asked.secret not in card
    assert asked.secret not in server.log.read_text(encoding="utf-8")
    late = asked.send("decline")
    assert (late.status_code, "answered already" in late.text) == (409, True)
    assert "accepted" in late.text


def test_a_program_answers_over_rest_and_what_does_not_fit_is_refused(
    server: Server, ask: Ask
) -> None:
    asked = ask("form")
    path = f"{server.url}{asked.elicitations}/{asked.request['request_id']}"

    def post(**body: Any) -> requests.Response:
        return requests.post(path, json=body, auth=(USER, PASSWORD), timeout=30)

    refused = post(action="accept", content={"name": "x", "fruit": "a", "count": 2, "song": 1})
    assert refused.status_code == 422
    assert refused.json()["problems"] == {
        "song": "The server has not asked for this.",
        "name": "Use at least 2 characters: there are 1.",
    }
    answer = post(action="decline")
    assert answer.json()["data"]["action"] == "decline"
    assert asked.got() == {"action": "decline"}
    until(asked.is_over, "it is not asked any more")
    assert post(action="cancel").status_code == 409
    until(lambda: "Declined" in asked.card(), "the page says so")


def test_of_two_phones_that_answer_at_once_one_is_told_what_the_other_did(
    server: Server, ask: Ask
) -> None:
    asked = ask("form")
    with ThreadPoolExecutor(4) as phones:
        decisions = ("accept", "decline", "cancel", "accept")
        sent = [
            phones.submit(asked.send, decision, f0=f"{asked.secret}-{number}", f2="4", f5="1")
            for number, decision in enumerate(decisions)
        ]
        answers = [each.result() for each in sent]
    assert sorted(each.status_code for each in answers) == [303, 409, 409, 409]
    (first,) = (number for number, each in enumerate(answers) if each.status_code == 303)
    got = asked.got()
    assert got["action"] == decisions[first]
    if got["action"] == "accept":
        assert got["content"]["name"] == f"{asked.secret}-{first}"
    for each in answers[:first] + answers[first + 1 :]:
        assert "answered already" in each.text
        assert asked.secret not in each.text
    assert asked.secret not in server.log.read_text(encoding="utf-8")


def test_an_answer_after_the_question_was_withdrawn_goes_nowhere(server: Server, ask: Ask) -> None:
    asked = ask("fleeting")
    mark = server.sandbox.project / "withdraw"
    try:
        mark.touch()
        until(asked.is_over, "it is not asked any more")
        assert asked.got() == {"action": "withdrawn"}
        until(lambda: "No longer asked" in asked.card(), "the page says so")
        for decision in ("accept", "decline", "cancel"):
            late = asked.send(decision, f0=asked.secret, f2="4", f5="1")
            assert (late.status_code, "no longer asks this" in late.text) == (409, True)
            assert asked.secret not in late.text
        invalid = asked.send("accept", f0="", f2="x")
        assert invalid.status_code == 409, "no form is shown again"
        path = f"{server.url}{asked.elicitations}/{asked.request['request_id']}"
        content = {"name": asked.secret, "fruit": "a", "count": 3}
        body: dict[str, Any] = {"action": "accept", "content": content}
        assert requests.post(path, json=body, auth=(USER, PASSWORD), timeout=30).status_code == 409
        until(lambda: "No longer asked" in asked.card(), "the page still says so")
        assert asked.secret not in server.log.read_text(encoding="utf-8")
    finally:
        mark.unlink()


def test_answers_that_meet_the_withdrawal_break_nothing(server: Server) -> None:
    """Whoever comes first: the tool ends, and the page says one thing only."""
    mark, asking = server.sandbox.project / "withdraw", Asking(server)
    for _ in range(2):
        asked = asking.ask("fleeting")
        with ThreadPoolExecutor(3) as phones:
            withdrawn = phones.submit(mark.touch)
            sent = [
                phones.submit(asked.send, decision, f0="Anna", f2="4", f5="1")
                for decision in ("accept", "decline")
            ]
            answers = [each.result() for each in sent]
            withdrawn.result()
        try:
            got = asked.got()
        finally:
            mark.unlink()
        statuses = sorted(each.status_code for each in answers)
        assert statuses in ([303, 409], [409, 409])
        until(asked.is_over, "it is not asked any more")

        # by whichever worker, which may not have read it yet
        found = until(asked.verdicts, "the page says what became of it")
        assert len(found) == 1, (found, got, statuses)


@pytest.mark.browser
def test_a_page_is_a_link_and_a_form_shows_its_problems_on_a_phone(
    server: Server, ask: Ask, open_phone: Callable[..., Phone]
) -> None:
    asked = ask("page")
    link = 'href="https://orchard.example/sign-in?x=1" target="_blank"'
    until(lambda: link in asked.card(), "each of the workers may show the page")
    assert asked.send("cancel").status_code == 303
    assert asked.got() == {"action": "cancel"}
    until(lambda: "Cancelled" in asked.card(), "the page says so")
    phone = open_phone(server)
    phone.forgiven.append("422")
    page, card = phone.page, phone.page.locator(".block-ask[data-state=open]")
    asked = ask("form")
    page.goto(asked.address)
    expect(card).to_have_count(1)
    assert violations(page) == []
    card.get_by_label("Your name").fill("A")
    card.get_by_label("weight").fill("heavy")
    card.get_by_label("weight").press("Enter")
    card.get_by_role("button", name="Accept").click()
    expect(card.locator(".asked-problem").first).to_have_text(
        "Use at least 2 characters: there are 1."
    )
    expect(card.get_by_label("Your name")).to_have_value("A")
    expect(card.get_by_label("weight")).to_have_value("heavy")
    card.get_by_label("Your name").fill("Anna")
    card.get_by_label("weight").fill("2,5")
    card.get_by_label("Apples").check()
    card.get_by_role("button", name="Accept").click()
    expect(page.locator(".block-ask .verdict").last).to_contain_text("Accepted")
    content = {"name": "Anna", "weight": 2.5, "fruit": "a", "count": 3}
    assert asked.got() == {"action": "accept", "content": content}
    expect(page.get_by_text("What was sent").last).to_be_visible()
    assert smaller_than_a_thumb(page) == []
