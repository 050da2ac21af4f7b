"""A person's thumb: taps what can be tapped, and counts."""

from __future__ import annotations

from playwright.sync_api import Locator

from tests.support.pages.browser import Phone


class Thumb:
    """Counts the taps on one phone since `taps` was set to 0; `highest`: the least y of any."""

    def __init__(self, phone: Phone) -> None:
        self.page = phone.page
        self.taps = 0
        self.highest = float("inf")

    def tap(self, target: Locator) -> None:
        target.click(trial=True)  # brings it into view
        box = target.bounding_box()
        assert box is not None
        self.highest = min(self.highest, box["y"] + box["height"] / 2)
        target.click()
        self.taps += 1

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)
