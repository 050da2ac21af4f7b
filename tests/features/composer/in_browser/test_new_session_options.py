"""The page of a new session in a real browser: commands, files, models and options of Claude."""

from __future__ import annotations

import pytest
from playwright.sync_api import FilePayload, expect

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from tests.features.composer.in_browser.page import box, chips, last_prompt, offered, png
from tests.features.composer.new_session import open_new
from tests.runs.capabilities.test_cache import from_a_terminal
from tests.support.environment import Sandbox, until
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def asked_project(shared_real_server: Server) -> Sandbox:
    """With a project for two tests: Claude is asked once what it offers there."""
    return shared_real_server.sandbox.with_own_project()


@pytest.fixture
def own_project(shared_real_server: Server) -> Sandbox:
    """With a project for one test of the shared server."""
    return shared_real_server.sandbox.with_own_project()


def test_commands_and_files_of_the_folder_are_completed_before_a_run(
    kept_real_phone: Phone, asked_project: Sandbox
) -> None:
    phone, sandbox = kept_real_phone, asked_project
    (sandbox.project / "apple tree.txt").write_text("x")
    (sandbox.project.parent / "pear.txt").write_text("x")
    open_new(phone, sandbox)
    box(phone).press_sequentially("/compac")
    expect(offered(phone).first).to_contain_text("/compact")
    box(phone).press("Enter")
    expect(box(phone)).to_have_value("/compact ")
    box(phone).press_sequentially("@apple")
    expect(offered(phone)).to_have_count(1)
    offered(phone).click()
    expect(box(phone)).to_have_value('/compact @"apple tree.txt" ')
    box(phone).press_sequentially("@pear")
    expect(phone.page.locator("#completions")).to_be_hidden()
    phone.page.get_by_role("button", name="Project:").click()
    phone.page.get_by_role("link", name=f"Use “{sandbox.project.parent.name}”").click()
    expect(phone.page.locator("#folder")).to_have_value(str(sandbox.project.parent))
    box(phone).press_sequentially(".txt")
    expect(offered(phone)).to_have_count(1)


def test_image_and_model_that_are_chosen_go_with_the_first_prompt(
    kept_real_phone: Phone, asked_project: Sandbox, shared_api: MessagesApi
) -> None:
    phone = kept_real_phone
    open_new(phone, asked_project)
    picker = phone.page.get_by_label("Attach images or files")
    for name in ("a.png", "wrong.png"):
        colour = name[:3].encode()
        content = FilePayload(name=name, mimeType="image/png", buffer=png(colour))
        picker.set_input_files(content)
        expect(chips(phone).filter(has_text=name)).to_have_count(1)
    phone.button("Remove wrong.png").click()
    expect(chips(phone)).to_have_count(1)
    phone.page.reload()
    expect(chips(phone)).to_have_count(1)
    phone.page.get_by_text("Options:").click()
    model = phone.page.get_by_label("Model")
    expect(model.get_by_role("option", name="Haiku 5.5")).to_have_count(1)
    expect(phone.page.get_by_text("being asked for its models")).to_have_count(0)
    model.select_option(label="Haiku 5.5")
    box(phone).fill("what is this?")
    phone.button("Send").click()
    expect(phone.page.locator(".block-prompt")).to_contain_text("what is this?")
    expect(phone.status).to_have_text("Ready for the next prompt")
    assert [part["type"] for part in last_prompt(shared_api)].count("image") == 1
    assert shared_api.requests[-1]["model"].startswith("claude-haiku")
    sends_options_that_were_chosen_before_htmx_loads(phone)
    phone.page.goto("/new")
    expect(chips(phone)).to_have_count(0)


def sends_options_that_were_chosen_before_htmx_loads(phone: Phone) -> None:
    held = []
    phone.page.route("**/later.bundle*", lambda route: held.append(route))
    phone.page.reload(wait_until="commit")
    until(lambda: phone.page.title() and held, "htmx is on its way")
    phone.page.locator("#options-d summary").click()
    phone.page.get_by_label("Mode", exact=True).select_option("plan")
    expect(phone.page.locator("#in-force")).to_contain_text("asks first")
    held[0].continue_()
    expect(phone.page.locator("#in-force")).to_contain_text("plans first")


def test_models_are_loaded_for_an_open_terminal_session(
    kept_real_phone: Phone, own_project: Sandbox
) -> None:
    phone = kept_real_phone
    phone.page.goto(from_a_terminal(own_project))
    phone.page.locator("#options-d summary").click()
    model = phone.page.get_by_label("Model")
    expect(model.get_by_role("option", name="Haiku 5.5")).to_have_count(1)
    box(phone).press_sequentially("/compac")
    expect(offered(phone).first).to_contain_text("/compact")
