"""The pictures in the documents: taken by the tests, kept only with OPCODE_SCREENSHOTS=1."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import Locator, Page

from opcode_htmx.engines.claude.files.history import project_id
from tests.support.environment import ROOT, Sandbox

FOLDER = ROOT / "docs" / "screenshots"
QUALITY = 60
"""Of WebP, which is half as large as JPEG here."""
WANTED = os.environ.get("OPCODE_SCREENSHOTS") == "1"
PHONE = {
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 1.5,
    "reduced_motion": "reduce",
}
"""The context options of a browser that simulates a phone."""


def take(page: Page, name: str, sandbox: Sandbox, *parts: Locator) -> None:
    """Screenshot of the screen, or of the area from the first to the last of `parts`.

    The test's own folders are not in it.
    """
    if not WANTED:
        return
    hide_names(page, sandbox)
    page.mouse.move(0, 0)
    if not parts:
        save(page, name)
        return
    top, bottom = page.evaluate(
        """async parts => {
            document.querySelector(".topbar").style.position = "static";
            const frame = () => new Promise(requestAnimationFrame);
            await frame().then(frame);
            const boxes = parts.map(each => each.getBoundingClientRect());
            return [Math.min(...boxes.map(each => each.top)) + scrollY - 6,
                    Math.max(...boxes.map(each => each.bottom)) + scrollY + 6];
        }""",
        [part.element_handle() for part in parts],
    )
    top, width = max(0, top), page.evaluate("document.documentElement.clientWidth")
    clip = {"x": 0, "y": top, "width": width, "height": bottom - top}
    save(page, name, clip)
    page.evaluate("document.querySelector('.topbar').style.position = ''")


def hide_names(page: Page, sandbox: Sandbox) -> None:
    """Replace the test's own addresses and folders by usual ones."""
    page.evaluate(
        """names => {
            const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            while (texts.nextNode()) {
                const text = texts.currentNode;
                for (const [from, to] of names)
                    if (text.data.includes(from)) text.data = text.data.replaceAll(from, to);
            }
            for (const field of document.querySelectorAll("input, textarea"))
                for (const [from, to] of names)
                    if (field.value.includes(from)) field.value = field.value.replaceAll(from, to);
        }""",
        [
            [page.evaluate("location.origin"), "http://192.168.1.20:8080"],
            [str(sandbox.state), "~/.local/state/opcode-htmx"],
            [str(sandbox.home), "/home/sam"],
            [str(ROOT), "/home/sam/opcode-htmx"],
            [project_id(sandbox.home), "-home-sam"],
        ],
    )


def save(page: Page, name: str, clip: Mapping[str, float] | None = None) -> None:
    """Save the screen, or an area of the page, as `docs/screenshots/NAME.webp`.

    By the browser's protocol, because Playwright's own screenshots are PNG and JPEG only.
    """
    options: dict[str, object] = {"format": "webp", "quality": QUALITY}
    if clip:
        options |= {"clip": {**clip, "scale": 1}, "captureBeyondViewport": True}
    protocol = page.context.new_cdp_session(page)
    data = protocol.send("Page.captureScreenshot", options)["data"]
    protocol.detach()
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.webp").write_bytes(base64.b64decode(data))


def named_in(text: str) -> set[Path]:
    """The pictures that a document shows, by their names."""
    return {FOLDER / name for name in re.findall(r"screenshots/([\w.-]+\.(?:webp|png))", text)}
