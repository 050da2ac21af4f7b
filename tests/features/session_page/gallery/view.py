"""A view of the gallery: a screen of some size, and what is measured on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from playwright.sync_api import Error, Locator, Page, expect

from tests.features.session_page.gallery.gallery import Gallery
from tests.support.pages import screenshots
from tests.support.pages.browser import Phone
from tests.support.pages.page_checks import (
    FIELDS,
    SMALLER_THAN_A_THUMB,
    TARGETS,
    THUMB,
    TOO_SMALL_TO_TYPE_IN,
    wait_until_pressable,
)

READY = "Ready for the next prompt"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZES = {"small": (360, 740), "phone": (390, 844), "wide": (1280, 800)}

PHASES = {
    "starting": "Starting Claude…",
    "working": "Writing…",
    "ask-command": "Waiting for your answer",
    "files": READY,
    "stopping": "Stopping…",
    "events": "Stopped by you.",
    "failed": "Claude was ended from outside by SIGKILL.",
    "past": "Not running. Ask to continue.",
}

DOCK = "#composer :is(.button, textarea), #options-d summary"


# A view, and what is measured in it
@dataclass
class View:
    """A phone that visits the gallery, and the problems found."""

    phone: Phone
    gallery: Gallery
    size: str
    measured: tuple[str, ...] = ()
    """The sizes of which something is measured besides its own."""
    wrong: list[str] = field(default_factory=list)
    phases: set[str] = field(default_factory=set)
    """Those whose status line was checked."""

    @property
    def page(self) -> Page:
        return self.phone.page

    @property
    def width(self) -> int:
        return SIZES[self.size][0]

    def sizes(self) -> Iterator[str]:
        """Be of its own size first, then of the others that are measured, and then as before."""
        yield self.size
        for name in self.measured:
            self.resize(*SIZES[name])
            yield name
        if self.measured:
            self.resize(*SIZES[self.size])

    def resize(self, width: int, height: int) -> None:
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.evaluate("() => new Promise(requestAnimationFrame)")

    def themes(self) -> Iterator[str]:
        """Be in one theme after the other."""
        for theme in THEMES:
            self.page.emulate_media(color_scheme=theme)
            yield theme

    @contextmanager
    def looking_at(self, what: str) -> Iterator[None]:
        """Record a failure within the block, and go on."""
        try:
            yield
        except (AssertionError, Error) as error:
            self.wrong.append(f"{what}: {str(error).strip()[:400]}")

    def open(self, name: str) -> None:
        """Open the page of a session with all of its blocks, and check its status."""
        self.page.goto(f"{self.gallery.address[name]}#end")
        self.page.locator("body[data-link=online]").wait_for()
        while self.page.locator("#earlier a").count():
            self.page.evaluate("scrollTo(0, 0)")
            self.page.wait_for_timeout(20)
        if name in PHASES and name not in self.phases:
            self.check_status(name)

    def check_status(self, name: str) -> None:
        """Wait for the status of a phase."""
        self.phases.add(name)
        with self.looking_at(f"status: {name}"):
            expect(self.phone.status).to_have_text(PHASES[name])
        self.picture(f"status-{name}", self.page.locator(".state"))

    def picture(self, name: str, *parts: Locator, views: str = "phone") -> None:
        """A picture for the documents, where this view is one of those it is wanted of."""
        if not screenshots.WANTED or self.size not in views.split():
            return
        size = "" if self.size == "phone" else f"-{self.size}"
        for theme in self.themes():
            # the pages around the cards look alike enough in dark to be shown once
            if (self.size, theme) == ("small", "dark"):
                continue
            file = f"{name}{size}-{theme}"
            with self.looking_at(f"picture {file}"):
                screenshots.take(self.page, file, self.gallery.sandbox, *parts)

    def card(self, line: str) -> Locator:
        """The card with this line."""
        return self.page.locator("#transcript > .block", has_text=line).last

    def shows(self, what: str, where: Locator, *words: str) -> None:
        """Check that these are to be read there; a look for all of them costs what one does."""
        with self.looking_at(what):
            unseen = where.evaluate(UNSEEN, words)
            assert not unseen, f"not to be seen: {unseen}"

    def fits(self, what: str, selector: str, *, narrower: int = 0) -> None:
        """Check what MEASURED does in each size; in a screen of the width `narrower` as well."""
        wait_until_pressable(self.page)
        for size in self.sizes():
            self.fits_in(f"{what}, {size}", SIZES[size][0], selector)
            if narrower and size == "small":
                self.resize(narrower, SIZES[size][1])
                self.fits_in(f"{what} at {narrower} px", narrower, selector)

    def fits_in(self, what: str, width: int, selector: str) -> None:
        given = {"thumb": THUMB, "targets": TARGETS, "fields": FIELDS}
        with self.looking_at(what):
            found = self.page.evaluate(MEASURED, {"width": width, "selector": selector, **given})
            assert not any(found.values()), {name: what for name, what in found.items() if what}


IS_SEEN = """(root, words) => {
    const plain = text => text.replace(/\\s+/g, " ").toLowerCase();
    const has = each => plain(each.textContent).includes(plain(words));
    return [root, ...root.querySelectorAll("*")].some(
        each => has(each) && ![...each.children].some(has) && each.checkVisibility());
}"""
UNSEEN = f"(root, words) => words.filter(each => !({IS_SEEN})(root, each))"

WIDEST = """width => [...document.body.querySelectorAll("*")]
    .filter(each => each.checkVisibility() && each.getBoundingClientRect().right > width + 1)
    .map(each => each.outerHTML.slice(0, 100)).slice(0, 4)"""

WIDE = """width => [...document.querySelectorAll(
    ".block, .block pre, .block table, .block img, .todos, .dock, .queue li, .topbar, main > *")]
    .filter(each => each.checkVisibility())
    .filter(each => !each.parentElement.closest(".scroll, pre, .numbered"))
    .filter(each => { const box = each.getBoundingClientRect();
        return box.right > width + 1 || box.left < -1; })
    .map(each => each.outerHTML.slice(0, 100))"""

HIDDEN = """async controls => {
    const covered = each => {
        each.scrollIntoView({ block: "center", behavior: "instant" });
        const box = each.getBoundingClientRect();
        const on = (x, y) => each.contains(document.elementFromPoint(x, y));
        const middle = (box.top + box.bottom) / 2;
        return !(box.left >= 0 && box.right <= innerWidth
            && box.top >= 0 && box.bottom <= innerHeight
            && on(box.left + 6, middle) && on(box.right - 6, middle)
            && on((box.left + box.right) / 2, box.top + 4)
            && on((box.left + box.right) / 2, box.bottom - 4));
    };
    const frame = () => new Promise(requestAnimationFrame);
    const found = [];
    // what is disabled takes no press, so that one on it leaves the keyboard open
    const pressable = each => each.checkVisibility() && !each.matches(":disabled");
    for (const each of controls.filter(pressable)) {
        // what floats over the page goes out of the way as the page is moved
        if (!covered(each) || (await frame().then(frame), !covered(each))) continue;
        if (!each.checkVisibility()) continue; // it went as another one was brought into view
        const box = each.getBoundingClientRect();
        const above = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        found.push([above?.outerHTML.slice(0, 100), each.outerHTML.slice(0, 100)]);
    }
    return found;
}"""

MEASURED = f"""async ({{ width, selector, thumb, targets, fields }}) => {{
    const all = each => [...document.querySelectorAll(each)];
    const by = document.documentElement.scrollWidth - width, controls = all(selector);
    return {{
        "the page is wider than the screen": by > 0 ? [by, ...({WIDEST})(width)] : [],
        "wider than the screen": ({WIDE})(width),
        "there is no": controls.length ? [] : [selector],
        "covered": await ({HIDDEN})(controls),
        "smaller than a thumb": ({SMALLER_THAN_A_THUMB})(all(targets), thumb),
        "letters smaller than 16 px": ({TOO_SMALL_TO_TYPE_IN})(all(fields)),
    }};
}}"""
"""Nothing is wider than the screen, except in boxes that scroll; the controls are as large as a
thumb, and nothing lies over those of `selector`. Empty lists are none."""
