"""The page of a new session in a real browser: its words are kept until they are sent."""

from __future__ import annotations

import json
import shutil
import uuid

import pytest
from playwright.sync_api import FilePayload, expect

from opcode_htmx.engines.claude.files import history
from tests.features.composer.in_browser.page import answered, box, chips, drafts, kept, png
from tests.features.composer.new_session import open_new
from tests.features.composer.test_composer_forms import typed
from tests.support.clients import api
from tests.support.environment import Sandbox
from tests.support.pages.browser import CUT_OFF, Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
def sandbox(shared_server: Server) -> Sandbox:
    """With a project for one test, and without the drafts and sessions of another one."""
    found = shared_server.sandbox
    found.empty_config()
    for each in (found.state / "drafts").glob("*"):
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    return found.with_own_project()


@pytest.fixture
def server(shared_server: Server, sandbox: Sandbox) -> Server:
    """With the stand-in for Claude, which repeats what it is sent."""
    shared_server.ensure_started()
    return shared_server


@pytest.fixture
def phone(server: Server, kept_phone: Phone) -> Phone:
    return kept_phone


def test_draft_of_a_new_session_survives_reload_and_restart_until_sent(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    open_new(phone, sandbox)
    box(phone).press_sequentially("half a thought")
    kept(server, "half a thought")
    phone.forgiven += CUT_OFF
    server.stop()
    server.start()
    phone.page.goto("/new")
    expect(box(phone)).to_have_value("half a thought")
    expect(phone.page.locator("#folder")).to_have_value(str(sandbox.project))
    phone.button("Send").dblclick()
    answered(phone, "half a thought")
    expect(phone.page.locator(".block-prompt")).to_have_count(1)
    phone.page.goto("/new")
    expect(box(phone)).to_have_value("")
    assert set(drafts(server)) == {""}


def test_sent_prompt_takes_no_options_along_and_is_not_restored_by_the_back_button(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    open_new(phone, sandbox)
    box(phone).fill("only once")
    box(phone).press("Control+Enter")
    answered(phone, "only once")
    sent: list[str] = []
    phone.page.on("request", lambda request: sent.append(request.url))
    phone.page.reload()
    phone.page.locator("body[data-link=online]").wait_for()
    assert not [each for each in sent if each.endswith("/options")], "nothing was chosen"
    phone.page.go_back()
    expect(phone.page.get_by_role("heading", name="New session")).to_be_visible()
    expect(box(phone)).to_have_value("")
    assert set(drafts(server)) == {""}


def test_each_project_has_a_draft_of_its_own(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    api.session(sandbox.config_dir, sandbox.project, api.prompt("Hello", sandbox.project))
    project = f"/projects/{history.project_id(sandbox.project)}/new"
    for address, words in (("/new", "anywhere"), (project, "in the orchard")):
        phone.page.goto(address)
        box(phone).press_sequentially(words)
        kept(server, words)
    assert typed(server, "/new") == "anywhere"
    phone.page.reload()
    expect(box(phone)).to_have_value("in the orchard")
    phone.button("Send").click()
    answered(phone, "in the orchard")
    assert (typed(server, "/new"), typed(server, project)) == ("anywhere", "")


def test_unsent_prompt_is_kept_without_javascript(server: Server, sandbox: Sandbox) -> None:
    fields = {
        "folder": "/no/such",
        "prompt": "keep my words",
        "session_id": str(uuid.uuid4()),
        "prompt_id": str(uuid.uuid4()),
    }
    refused = server.post("/sessions", fields)
    assert refused.status_code == 422
    assert "keep my words" in refused.text
    assert typed(server, "/new") == "keep my words"
    assert "/no/such" not in server.get("/new").text
    fields["folder"] = str(sandbox.project)
    assert server.post("/sessions", fields).status_code == 303
    assert typed(server, "/new") == ""
    assert json.dumps(drafts(server)) == '[""]'


@pytest.mark.parametrize(
    ("sent", "rest"),
    [
        ({"prompt": "first markdown"}, ""),
        ({"prompt": "", "suggested": "Explain this"}, ""),
        ({"prompt": "first markdown", "suggested": "Explain this"}, "first markdown"),
    ],
    ids=["typed on", "cleared", "beside a suggestion"],
)
def test_draft_that_is_older_than_what_was_sent_does_not_stay(
    server: Server, sandbox: Sandbox, sent: dict[str, str], rest: str
) -> None:
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    assert server.post("/new/draft", {"prompt": "first", **ids}).status_code == 204
    fields = {"folder": str(sandbox.project), **sent, **ids}
    assert server.post("/sessions", fields).status_code == 303
    assert typed(server, "/new") == rest


def test_draft_of_another_device_survives_the_send(server: Server, sandbox: Sandbox) -> None:
    there = {"prompt": "from the desk", "prompt_id": str(uuid.uuid4())}
    assert server.post("/new/draft", there).status_code == 204
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    fields = {"folder": str(sandbox.project), "prompt": "from the sofa", **ids}
    assert server.post("/sessions", fields).status_code == 303
    assert typed(server, "/new") == "from the desk"


SAVE_NOTHING = """() => {
    window.fetch = () => Promise.reject(new TypeError("Failed to fetch"));
}"""
"""As where the browser discards the page before it is online again."""


def test_prompt_that_cannot_be_sent_offline_stays_on_the_page_and_is_sent_once_later(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    open_new(phone, sandbox)
    phone.forgiven += (*CUT_OFF, "ERR_INTERNET_DISCONNECTED")
    image = FilePayload(name="map.png", mimeType="image/png", buffer=png())
    phone.page.locator("#files").set_input_files(image)
    expect(chips(phone)).to_have_count(1)
    box(phone).press_sequentially("saved part")
    kept(server, "saved part")
    phone.page.context.set_offline(True)
    phone.page.locator("#folder").dispatch_event("input")  # another one was chosen
    box(phone).fill("A saved part and more")
    phone.button("Send").click()
    expect(phone.page.locator("#flash")).to_contain_text("Not sent: no connection.")
    expect(box(phone)).to_have_value("A saved part and more")
    expect(chips(phone)).to_have_count(1)
    phone.page.evaluate(SAVE_NOTHING)
    phone.page.context.set_offline(False)
    assert drafts(server) == ["saved part"]
    phone.page.goto("/new")
    expect(box(phone)).to_have_value("A saved part and more")
    kept(server, "A saved part and more")
    phone.page.context.set_offline(True)
    phone.button("Send").click()
    expect(phone.page.locator("#flash")).to_contain_text("Not sent: no connection.")
    phone.page.context.set_offline(False)
    expect(phone.page.locator("#flash")).to_have_text("The connection is back. Press Send again.")
    phone.button("Send").dblclick()
    phone.page.wait_for_url("**/sessions/**")
    expect(phone.page.locator(".block-prompt .prompt-text")).to_contain_text(
        "A saved part and more"
    )
    expect(phone.page.locator(".block-prompt")).to_have_count(1)
    phone.page.goto("/new")
    expect(phone.page.get_by_role("heading", name="New session")).to_be_visible()
    expect(box(phone)).to_have_value("")
    expect(chips(phone)).to_have_count(0)


ANSWER_AS_A_PROXY = """(status) => {
    window.fetch = async () => new Response("<p>Somebody else's page</p>", { status });
}"""


def test_words_stay_whatever_a_proxy_answers_in_place_of_the_server(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    open_new(phone, sandbox)
    complaint = phone.page.locator("#flash .error-note")
    for status in (503, 403, 200):
        phone.page.evaluate(ANSWER_AS_A_PROXY, status)
        phone.page.locator("#flash").evaluate("(flash) => flash.replaceChildren()")
        box(phone).fill(f"Kept in spite of a {status}")
        phone.button("Send").click()
        expect(complaint).to_contain_text("Not sent: no connection.")
        expect(box(phone)).to_have_value(f"Kept in spite of a {status}")
    assert drafts(server) in ([], [""])
    phone.page.goto("/new")
    expect(box(phone)).to_have_value("Kept in spite of a 200")
    phone.button("Send").click()
    phone.page.wait_for_url("**/sessions/**")
    expect(phone.page.locator(".block-prompt .prompt-text")).to_contain_text("in spite of a 200")


@pytest.mark.parametrize("path", ["/projects/none/new", "/projects/none/new/complete?q=/"])
def test_a_project_that_does_not_exist_is_404(shared_server: Server, path: str) -> None:
    assert shared_server.get(path).status_code == 404


def test_forbidden_folders_reveal_nothing(shared_server: Server) -> None:
    for folder in ("/etc", "/no/such", "", "x" * 3_000):
        answer = shared_server.get("/new/complete", params={"q": "@", "folder": folder})
        assert (answer.status_code, answer.text) == (200, "")
