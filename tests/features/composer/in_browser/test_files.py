"""Images and files go with a prompt."""

from __future__ import annotations

import pytest
from playwright.sync_api import FilePayload, Route, expect

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from tests.features.composer.in_browser.page import (
    chips,
    last_prompt,
    paste_image,
    png,
)
from tests.support.environment import until
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def choose_files(phone: Phone) -> None:
    """One that stays, and one that is removed again."""
    picker = phone.page.get_by_label("Attach images or files")
    picker.set_input_files(
        [
            FilePayload(name="notes of mine.txt", mimeType="text/plain", buffer=b"a magic word"),
            FilePayload(name="wrong.txt", mimeType="text/plain", buffer=b"no"),
        ]
    )
    expect(chips(phone)).to_have_count(2)
    phone.button("Remove wrong.txt").click()
    expect(chips(phone)).to_have_count(1)


def test_pasted_image_and_chosen_file_reach_claude_which_reads_it_without_asking(
    idle_phone: Phone, shared_api: MessagesApi, shared_real_server: Server
) -> None:
    phone, before = idle_phone, len(idle_phone.texts())
    paste_image(phone, png())
    expect(chips(phone)).to_have_count(1)
    assert (
        chips(phone)
        .locator("img")
        .evaluate("image => image.decode().then(() => image.naturalWidth)")
        == 48
    )
    phone.page.reload()
    expect(chips(phone)).to_have_count(1)
    phone.send("what is this?")
    expect(chips(phone)).to_have_count(0)
    expect(phone.page.locator("#transcript .block-prompt").last).to_contain_text("what is this?")
    expect(phone.page.locator(".block-text")).to_have_count(before + 1)
    content = last_prompt(shared_api)
    (image,) = [part for part in content if part["type"] == "image"]
    assert image["source"]["media_type"] == "image/png"
    assert any("what is this?" in part.get("text", "") for part in content)
    expect(phone.page.locator("#composer[data-just-sent]")).to_have_count(0)  # takes presses again
    choose_files(phone)
    phone.send("read it")
    expect(phone.page.locator(".block-text").last).to_contain_text("a magic word")
    assert phone.page.locator(".block-ask").count() == 0
    expect(phone.status).to_have_text("Ready for the next prompt")
    phone.stays_after_a_reload()
    state = shared_real_server.sandbox.state
    stored = next((state / "attached" / phone.session_id).glob("*/notes of mine.txt"))
    assert list((state / "attached").glob("*/*/wrong.txt")) == []
    assert stored.stat().st_mode & 0o077 == 0


def test_send_waits_until_a_file_has_arrived(composing: Phone) -> None:
    phone = composing
    held: list[Route] = []
    phone.page.route("**/attachments", lambda route: held.append(route))
    paste_image(phone, png())
    expect(phone.button("Send")).to_be_disabled()
    until(lambda: phone.page.evaluate("1") and held, "it is on its way")
    held[0].continue_()
    expect(phone.button("Send")).to_be_enabled()
    expect(chips(phone)).to_have_count(1)
    phone.button("Remove image.png").click()
    expect(chips(phone)).to_have_count(0)


def test_words_that_bring_a_picture_of_themselves_are_pasted_as_words(composing: Phone) -> None:
    phone = composing
    left_to_the_browser = phone.page.evaluate(
        """() => {
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File(["x"], "image.png", { type: "image/png" }));
            clipboardData.setData("text/plain", "words");
            return document.getElementById("prompt").dispatchEvent(
                new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }"""
    )
    assert left_to_the_browser
    expect(chips(phone)).to_have_count(0)
