"""What a person says, in a real browser: real gunicorn, the real Claude CLI, a scripted model."""

from __future__ import annotations

import base64
import json
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, Route, expect

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Request,
    Scene,
    Text,
    ToolUse,
    Turn,
)
from tests.support.browser import CUT_OFF, Phone
from tests.support.environment import Sandbox, Server, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

WORDS = " ".join(f"word{number}" for number in range(120))


def png(colour: bytes = b"\x20\x90\xa0", size: int = 48) -> bytes:
    """A small image of one colour."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + colour * size) * size)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture
def gate() -> threading.Event:
    """Holds the answer to "hold" in its middle until it is set."""
    return threading.Event()


@pytest.fixture
def api(gate: threading.Event) -> Iterator[MessagesApi]:
    scenes = (
        Scene("hold", "hold", [Text(WORDS, gate=gate)]),
        Scene("file", "Attached files", [_read, _have_read]),
        Scene("anything", "", [lambda request: (Text(f"You said: {request.prompt}"),)]),
    )
    with MessagesApi(scenes, keep_requests=100) as running:
        yield running
        gate.set()


def _read(request: Request) -> Turn:
    return (ToolUse("Read", {"file_path": request.prompt.rpartition("- ")[2].strip()}),)


def _have_read(request: Request) -> Turn:
    return (Text(f"It says: {request.last_tool_result and request.last_tool_result.text}"),)


@pytest.fixture
def server_settings() -> dict[str, str]:
    return {"OPCODE_ASK_AHEAD": "0"}


@pytest.fixture
def server(real_server: Server) -> Server:
    return real_server


def box(phone: Phone) -> Locator:
    return phone.page.get_by_role("textbox", name="Prompt")


def answered(phone: Phone, text: str) -> None:
    expect(phone.page.locator(".block-text").last).to_have_text(text)
    expect(phone.status).to_have_text("Ready for the next prompt")


def begin(phone: Phone, sandbox: Sandbox, prompt: str = "Hello") -> None:
    phone.begin(sandbox.project, prompt)
    answered(phone, f"You said: {prompt}")


def begin_and_hold(phone: Phone, sandbox: Sandbox) -> None:
    """A session in the middle of an answer."""
    phone.begin(sandbox.project, "hold on")
    expect(phone.page.locator(".block-text").last).to_contain_text("word30")


def drafts(server: Server) -> list[str]:
    files = (server.sandbox.state / "drafts").glob("*/draft.json")
    return [json.loads(file.read_text())["text"] for file in files]


def kept(server: Server, text: str) -> None:
    until(lambda: text in drafts(server), f"the server keeps “{text}”")


def last_prompt(api: MessagesApi) -> list[Mapping[str, Any]]:
    """The content of the newest user message that the model was sent."""
    for body in reversed(api.requests):
        if body.get("tools"):
            users = [m for m in body["messages"] if m["role"] == "user"]
            content = users[-1]["content"]
            return [{"type": "text", "text": content}] if isinstance(content, str) else content
    return []


def chips(phone: Phone) -> Locator:
    return phone.page.locator("#attached li")


def offered(phone: Phone) -> Locator:
    """What the list above the composer offers to complete."""
    return phone.page.get_by_role("listbox", name="Completions").get_by_role("option")


def paste_image(phone: Phone, content: bytes) -> None:
    """What the browser tells a page when an image is pasted."""
    phone.page.evaluate(
        """data => {
            const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([bytes], "image.png", { type: "image/png" }));
            document.getElementById("prompt").dispatchEvent(
                new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }""",
        base64.b64encode(content).decode(),
    )


# The draft -----------------------------------------------------------------------------------


def test_a_draft_is_there_after_a_reload_and_gone_once_it_is_sent(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    begin(phone, sandbox)
    box(phone).press_sequentially("half a thought\nand more")
    kept(server, "half a thought\nand more")
    phone.page.reload()
    expect(box(phone)).to_have_value("half a thought\nand more")
    phone.button("Send").click()
    expect(box(phone)).to_have_value("")
    answered(phone, "You said: half a thought\nand more")
    phone.page.reload()
    expect(box(phone)).to_have_value("")
    assert set(drafts(server)) == {""}


def test_what_was_typed_last_is_kept_when_the_page_is_left(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    begin(phone, sandbox)
    box(phone).press_sequentially("on my way out")
    phone.page.goto("/")
    kept(server, "on my way out")


def test_another_phone_shows_the_draft_as_it_grows_and_loses_it_when_it_is_sent(
    phone: Phone, server: Server, sandbox: Sandbox, open_phone: Callable[..., Phone]
) -> None:
    begin(phone, sandbox)
    other = open_phone(server)
    other.page.goto(phone.page.url)
    other.page.locator("body[data-link=online]").wait_for()
    box(phone).press_sequentially("from the sofa")
    expect(box(other)).to_have_value("from the sofa")
    box(other).press_sequentially(", and from the desk")
    expect(box(phone)).to_have_value("from the sofa, and from the desk")
    phone.button("Send").click()
    expect(box(other)).to_have_value("")


def test_what_is_being_typed_is_never_replaced_by_what_is_typed_elsewhere(
    phone: Phone, server: Server, sandbox: Sandbox, open_phone: Callable[..., Phone]
) -> None:
    begin(phone, sandbox)
    other = open_phone(server)
    other.page.goto(phone.page.url)
    other.page.locator("body[data-link=online]").wait_for()
    # the server cannot be told what is typed here
    other.forgiven.append("ERR_FAILED")
    other.page.route("**/draft", lambda route: route.abort())
    box(other).press_sequentially("mine")
    box(phone).press_sequentially("yours")
    expect(other.page.locator("#draft")).to_have_value("yours")
    expect(box(other)).to_have_value("mine")


def test_a_prompt_that_could_not_be_sent_stays_and_is_kept_when_the_server_is_back(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    begin(phone, sandbox)
    phone.forgiven += CUT_OFF
    server.kill()
    phone.send("Do not lose this")
    expect(phone.page.locator("#flash")).to_contain_text("could not be sent")
    expect(box(phone)).to_have_value("Do not lose this")
    server.start()
    kept(server, "Do not lose this")
    phone.page.reload()
    expect(box(phone)).to_have_value("Do not lose this")


# Sending -------------------------------------------------------------------------------------


def test_a_double_tap_sends_once(phone: Phone, sandbox: Sandbox) -> None:
    begin(phone, sandbox)
    box(phone).fill("only once")
    phone.button("Send").dblclick()
    answered(phone, "You said: only once")
    expect(box(phone)).to_have_value("")
    phone.send("afterwards")
    answered(phone, "You said: afterwards")
    prompts = phone.page.locator(".block-prompt .prompt-text").all_inner_texts()
    assert prompts == ["Hello", "only once", "afterwards"]


def test_enter_is_a_new_line_and_ctrl_enter_sends(phone: Phone, sandbox: Sandbox) -> None:
    begin(phone, sandbox)
    box(phone).press_sequentially("one")
    box(phone).press("Enter")
    box(phone).press_sequentially("two")
    expect(box(phone)).to_have_value("one\ntwo")
    expect(phone.page.locator(".block-prompt")).to_have_count(1)
    box(phone).press("Control+Enter")
    answered(phone, "You said: one\ntwo")


def test_keys_of_an_input_method_neither_send_nor_choose(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    (sandbox.project / "nihongo.txt").write_text("x")
    begin(phone, sandbox)
    box(phone).press_sequentially("@ni")
    expect(offered(phone)).to_have_count(1)
    for modifier in ("ctrlKey", "shiftKey"):
        prevented = phone.page.evaluate(
            """modifier => !document.getElementById("prompt").dispatchEvent(
                new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true,
                                               cancelable: true, [modifier]: true }))""",
            modifier,
        )
        assert prevented is False
    expect(box(phone)).to_have_value("@ni")
    expect(phone.page.locator(".block-prompt")).to_have_count(1)


def test_the_composer_grows_to_a_third_of_the_screen(phone: Phone, sandbox: Sandbox) -> None:
    begin(phone, sandbox)
    one_line = box(phone).bounding_box()
    box(phone).fill("line\n" * 60)
    many = box(phone).bounding_box()
    assert one_line is not None
    assert many is not None
    assert one_line["height"] < 60
    assert 0.3 < many["height"] / 844 <= 0.34
    assert box(phone).evaluate("each => getComputedStyle(each).fontSize") == "16px"


# The queue -----------------------------------------------------------------------------------


def test_a_prompt_that_waits_can_be_removed_and_never_reaches_the_model(
    phone: Phone, sandbox: Sandbox, api: MessagesApi, gate: threading.Event
) -> None:
    begin_and_hold(phone, sandbox)
    phone.send("not after all")
    expect(phone.page.locator("#queue")).to_contain_text("not after all")
    phone.send("but this")
    expect(phone.page.locator("#queue li")).to_have_count(2)
    phone.page.locator("#queue li").first.get_by_role("button", name="Remove").click()
    expect(phone.page.locator("#queue li")).to_have_count(1)
    gate.set()
    answered(phone, "You said: but this")
    assert "not after all" not in json.dumps(list(api.requests))
    assert phone.page.locator(".block-prompt .prompt-text").all_inner_texts() == [
        "hold on",
        "but this",
    ]


def test_a_prompt_that_waits_can_be_edited_in_front_of_what_is_being_typed(
    phone: Phone, sandbox: Sandbox, gate: threading.Event
) -> None:
    begin_and_hold(phone, sandbox)
    phone.send("first wording")
    expect(phone.page.locator("#queue")).to_contain_text("first wording")
    box(phone).fill("and more")
    phone.page.locator("#queue").get_by_role("button", name="Edit").click()
    expect(box(phone)).to_have_value("first wording\n\nand more")
    expect(phone.page.locator("#queue li")).to_have_count(0)
    phone.page.reload()
    expect(box(phone)).to_have_value("first wording\n\nand more")
    phone.send("second wording")
    gate.set()
    answered(phone, "You said: second wording")


def test_an_image_comes_back_with_the_prompt_that_is_edited(
    phone: Phone, sandbox: Sandbox, gate: threading.Event
) -> None:
    begin_and_hold(phone, sandbox)
    paste_image(phone, png())
    expect(chips(phone)).to_have_count(1)
    phone.send("look at this")
    expect(phone.page.locator("#queue")).to_contain_text("look at this")
    expect(chips(phone)).to_have_count(0)
    phone.page.locator("#queue").get_by_role("button", name="Edit").click()
    expect(box(phone)).to_have_value("look at this")
    expect(chips(phone)).to_have_count(1)


def test_what_a_stopped_run_left_can_be_sent_again_or_removed(
    phone: Phone, sandbox: Sandbox
) -> None:
    begin_and_hold(phone, sandbox)
    for words in ("do it later", "or never"):
        phone.send(words)
        expect(phone.page.locator("#queue")).to_contain_text(words)
    phone.button("Stop").click()
    expect(phone.status).to_have_text("Stopped by you.")
    left = phone.page.locator("#queue li")
    expect(left).to_have_count(2)
    expect(left.first).to_contain_text("Was not taken up")
    left.last.get_by_role("button", name="Remove").click()
    expect(left).to_have_count(1)
    left.first.get_by_role("button", name="Send again").click()
    answered(phone, "You said: do it later")
    expect(left).to_have_count(0)
    phone.page.reload()
    expect(left).to_have_count(0)


# Files ---------------------------------------------------------------------------------------


def test_a_pasted_image_goes_to_the_model_and_stands_in_the_transcript(
    phone: Phone, sandbox: Sandbox, api: MessagesApi
) -> None:
    begin(phone, sandbox)
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
    expect(phone.page.locator(".block-prompt").last).to_contain_text("what is this?")
    expect(phone.page.locator(".block-text")).to_have_count(2)
    content = last_prompt(api)
    (image,) = [part for part in content if part["type"] == "image"]
    assert image["source"]["media_type"] == "image/png"
    assert any("what is this?" in part.get("text", "") for part in content)
    expect(phone.status).to_have_text("Ready for the next prompt")
    seen = phone.dom()
    phone.page.reload()
    assert phone.dom() == seen


def test_files_are_chosen_removed_and_read_by_claude_without_asking(
    phone: Phone, sandbox: Sandbox, server: Server
) -> None:
    begin(phone, sandbox)
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
    phone.send("read it")
    expect(phone.page.locator(".block-text").last).to_contain_text("a magic word")
    assert phone.page.locator(".block-ask").count() == 0
    (stored,) = (server.sandbox.state / "attached").glob("*/*/*")
    assert stored.name == "notes of mine.txt"
    assert stored.stat().st_mode & 0o077 == 0


def test_a_file_that_is_too_large_is_refused_with_a_sentence(
    phone: Phone, sandbox: Sandbox
) -> None:
    begin(phone, sandbox)
    phone.page.evaluate("document.getElementById('files').dataset.most = 100")
    picker = phone.page.get_by_label("Attach images or files")
    picker.set_input_files(FilePayload(name="a.bin", mimeType="x/y", buffer=b"x" * 101))
    expect(phone.page.locator("#flash")).to_contain_text("“a.bin” is too large")
    expect(chips(phone)).to_have_count(0)


def test_send_waits_until_a_file_has_arrived(phone: Phone, sandbox: Sandbox) -> None:
    begin(phone, sandbox)
    held: list[Route] = []
    phone.page.route("**/attachments", lambda route: held.append(route))
    paste_image(phone, png())
    expect(phone.button("Send")).to_be_disabled()
    until(lambda: phone.page.evaluate("1") and held, "it is on its way")
    held[0].continue_()
    expect(phone.button("Send")).to_be_enabled()
    expect(chips(phone)).to_have_count(1)


def test_words_that_bring_a_picture_of_themselves_are_pasted_as_words(
    phone: Phone, sandbox: Sandbox
) -> None:
    begin(phone, sandbox)
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


def test_without_javascript_files_go_with_the_form_and_the_queue_has_buttons(
    server: Server,
    sandbox: Sandbox,
    open_phone: Callable[..., Phone],
    api: MessagesApi,
    gate: threading.Event,
) -> None:
    phone = open_phone(server, java_script_enabled=False)

    def press(name: str) -> None:
        with phone.page.expect_navigation():
            phone.button(name).click()

    phone.begin(sandbox.project, "hold on")
    phone.reload_until(lambda: "word30" in "".join(phone.texts()), "it answers")
    box(phone).fill("look")
    picker = phone.page.get_by_label("Attach images or files")
    picker.set_input_files(FilePayload(name="a.png", mimeType="image/png", buffer=png()))
    press("Send")
    expect(phone.page.locator("#queue")).to_contain_text("look")
    press("Edit")
    expect(box(phone)).to_have_value("look")
    expect(chips(phone)).to_have_count(1)
    press("Send")
    gate.set()
    until(lambda: any(p["type"] == "image" for p in last_prompt(api)), "the model sees the image")


# Completion ----------------------------------------------------------------------------------


def test_a_slash_lists_claudes_own_commands_and_filters_them(
    phone: Phone, sandbox: Sandbox
) -> None:
    commands = sandbox.project / ".claude" / "commands"
    commands.mkdir(parents=True)
    (commands / "prune.md").write_text(
        "---\ndescription: Prune the trees\nargument-hint: [tree]\n---\nPrune $ARGUMENTS\n"
    )
    begin(phone, sandbox)
    box(phone).press_sequentially("/")
    options = offered(phone)
    expect(options.filter(has_text="/compact")).to_have_count(1)
    box(phone).press_sequentially("pru")
    expect(options).to_have_count(1)
    expect(options).to_contain_text("Prune the trees")
    box(phone).press("Enter")
    expect(box(phone)).to_have_value("/prune ")
    expect(phone.page.locator("#completions")).to_be_hidden()


def test_an_at_sign_completes_files_of_the_project_by_key_and_by_tap(
    phone: Phone, sandbox: Sandbox
) -> None:
    for path in ("src/app.py", "src/apple.py", "docs/grape juice.md"):
        file = sandbox.project / path
        file.parent.mkdir(exist_ok=True)
        file.write_text("x")
    begin(phone, sandbox)
    options = offered(phone)
    box(phone).press_sequentially("look at @app")
    expect(options).to_have_count(2)
    box(phone).press("ArrowDown")
    active = box(phone).get_attribute("aria-activedescendant")
    expect(phone.page.locator(f"#{active}")).to_contain_text("apple.py")
    box(phone).press("Tab")
    expect(box(phone)).to_have_value("look at @src/apple.py ")
    box(phone).press_sequentially("and @juice")
    options.click()
    expect(box(phone)).to_have_value('look at @src/apple.py and @"docs/grape juice.md" ')
    expect(box(phone)).to_be_focused()
    box(phone).press_sequentially("@ap")
    expect(options.first).to_be_visible()
    box(phone).press("Escape")
    expect(phone.page.locator("#completions")).to_be_hidden()
