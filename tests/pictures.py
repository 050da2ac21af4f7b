"""The pictures in the documents: taken by the tests, kept only with OPCODE_SCREENSHOTS=1."""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.sync_api import Locator, Page

from .support import ROOT, Sandbox

FOLDER = ROOT / "docs" / "screenshots"
QUALITY = 72
WANTED = os.environ.get("OPCODE_SCREENSHOTS") == "1"
PHONE = {
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
    "reduced_motion": "reduce",
}
"""How a browser is opened that stands for a phone."""


def take(page: Page, name: str, sandbox: Sandbox, of: Locator | None = None) -> None:
    """A picture of the page as it is, or `of` a part of it, without the test's own folders."""
    if not WANTED:
        return
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
        [[str(sandbox.state), "~/.local/state/opcode-htmx"], [str(sandbox.home), "/home/sam"]],
    )
    path = FOLDER / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    (of or page).screenshot(path=path, type="jpeg", quality=QUALITY)


def named_in(text: str) -> set[Path]:
    """The pictures that a document shows, by their names."""
    return {FOLDER / name for name in re.findall(r"screenshots/([\w.-]+\.(?:jpg|png))", text)}
