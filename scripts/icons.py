"""Render static/icon.svg with Chromium to the PNG files that home screens need.

Run it when the drawing has changed; its output is committed.
"""

import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from scripts import chromium

STATIC = Path(__file__).resolve().parent.parent / "static"

# Pixels a side, and whether the system crops the icon to its own shape: then the background fills
# the square and the drawing stays in the middle.
ICONS = {
    "icon-192.png": (192, False),
    "icon-512.png": (512, False),
    "icon-maskable-512.png": (512, True),
    "apple-touch-icon.png": (180, True),
}
BACKGROUND = "#0a6c74"


def main() -> int:
    executable = chromium.find()
    if executable is None:
        print("Chromium was not found; install it to draw the icons.", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page()
        for name, (size, is_cropped) in ICONS.items():
            draw(page, size, is_cropped, STATIC / name)
        browser.close()
    return 0


def draw(page: Page, size: int, is_cropped: bool, target: Path) -> None:
    svg = (STATIC / "icon.svg").read_text(encoding="utf-8")
    background = BACKGROUND if is_cropped else "transparent"
    width = round(size * 0.8) if is_cropped else size
    page.set_viewport_size({"width": size, "height": size})
    page.set_content(
        f"<style>html,body{{margin:0;height:100%;display:grid;place-items:center;"
        f"background:{background}}}svg{{width:{width}px;height:{width}px}}</style>{svg}"
    )
    page.screenshot(path=target, omit_background=True)


if __name__ == "__main__":
    sys.exit(main())
