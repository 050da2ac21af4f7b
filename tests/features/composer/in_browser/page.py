"""The composer of a session page in a browser: text, attachments, queue and completions."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Locator, expect

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from tests.support.environment import Sandbox, until
from tests.support.pages.browser import Phone
from tests.support.server import Server

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


def box(phone: Phone) -> Locator:
    return phone.page.get_by_role("textbox", name="Prompt")


def answered(phone: Phone, text: str) -> None:
    expect(phone.page.locator(".block-text").last).to_have_text(text)
    expect(phone.status).to_have_text("Ready for the next prompt")


def begin(phone: Phone, sandbox: Sandbox) -> None:
    """A session of the stand-in, which repeats what it is sent."""
    phone.begin(sandbox.project, "Hello")
    answered(phone, "Hello")


def prompts(phone: Phone) -> list[str]:
    """The prompts of the session that is looked at."""
    return phone.page.locator("#transcript .prompt-text").all_inner_texts()


def hold(phone: Phone) -> None:
    """Bring a session of the real CLI into the middle of an answer."""
    phone.send("hold on")
    expect(phone.page.locator(".block-text").last).to_contain_text("word30")


def drafts(server: Server, name: str = "*") -> list[str]:
    """The texts of all drafts, or of that of one session."""
    files = (server.sandbox.state / "drafts").glob(f"{name}/draft.json")
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
    """The completions in the list above the composer."""
    return phone.page.get_by_role("listbox", name="Completions").get_by_role("option")


def paste_image(phone: Phone, content: bytes) -> None:
    """The paste event of a browser for an image."""
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
