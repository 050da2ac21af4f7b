"""All checks of a page that is shown: each width, light and dark, large letters, its parts.

The same checks as those of page_checks.py, with few calls of the browser. Light and dark differ in
their colours only (see the tests of the appearance), so a width is measured in one of them; the
colours of another width than the first are those of both unless it changes the look of a text
as was not met.

axe-core would take most of the time and finds the same in most settings. So it looks at all that
is shown once, and in another width or scheme if there

- an element is shown, or scrolls, that was not met like that, nor its like in the navigation of
  an earlier page: at all again;
- a text has a look that was not met, on this page or an earlier one: at its colours. Its look are
  its colour, its letters and all that its parents paint behind it, by value. What lies over other
  parts of the page and shows them has a look of its own on each page, in each width.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.support.pages import page_checks

SCREEN = {"width": 390, "height": 800}
"""The one that a page is opened on, and is left on."""
OTHER = {"light": "dark", "dark": "light"}
"""The other scheme, by each of them."""


class PageAudit:
    """The checks of one page of a browser, whatever it loads from now on."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._settings = page.context.new_cdp_session(page)
        self._width, self._scheme = SCREEN["width"], "light"
        self._sound = set[str]()
        page.add_init_script(_script())
        page.set_viewport_size(SCREEN)  # type: ignore[arg-type]

    def looks(self) -> dict[str, object]:
        """What is wrong, by the check: in each width, light and dark, and with large letters."""
        self._set(SCREEN["width"])
        wrong = dict[str, object]()
        for width in (390, 320, 1280):
            self._set(width)
            found = self._look(wrong)
            wrong[f"letters smaller than 16 px, {width}"] = found["letters"]
            wrong[f"wider than the screen, {width}"] = found["wider"]
            wrong[f"smaller than a thumb, {width}"] = found["small"]
            if found["changes"] or width == SCREEN["width"]:
                self._set(width, OTHER[self._scheme])
                other = self._look(wrong)
                if not found["violations"] and not other["violations"]:
                    self._sound.update(found["changes"], other["changes"])
        self._set(SCREEN["width"])
        return {**wrong, **self._large_letters()}

    def _look(self, wrong: dict[str, object]) -> dict[str, Any]:
        """All but the sizes goes to `wrong`."""
        given = {"thumb": page_checks.THUMB, "known": sorted(self._sound)}
        found: dict[str, Any] = self._ask("look", given)
        if not found["violations"]:
            self._sound.update(found["looks"])
        wrong[f"axe, {self._width}, {self._scheme}"] = found["violations"]
        return found

    def lost_without_scripts(self, html: str) -> set[str] | None:
        """The lines of the main part that only scripts put there, into this HTML of the server.

        None if its stylesheets ask whether scripts run, which is seen in another browser only."""
        if self._ask("asksForScripts"):
            return None
        text = self._ask("texts", html)
        return page_checks.lines_of(text["scripts"]) - page_checks.lines_of(text["without"])

    def structure(self) -> dict[str, Any]:
        """The number of first `headings`, the `title`, the navigation's `entries` and `marked`."""
        found: dict[str, Any] = self._ask("structure")
        return found

    def _large_letters(self) -> dict[str, object]:
        """Of 24 and 32 px, as a page's root and as the browser's setting."""
        found = dict[str, dict[str, object]]()
        largest = max(page_checks.LARGE_LETTERS)
        found[f"root of {largest} px"] = self._ask("fitsRoot", largest)
        with self._settings_of_letters() as choose:
            for letters in page_checks.LARGE_LETTERS:
                choose(letters, letters)
                found[f"browser set to {letters} px"] = self._ask("fits")
        names = {"wider": "wider than the screen", "away": "out of view", "words": "a word a line"}
        return {
            f"{names[check]}, {setting}": what
            for setting, each in found.items()
            for check, what in each.items()
        }

    @contextmanager
    def _settings_of_letters(self) -> Iterator[Callable[[int, int], None]]:
        """Sets the sizes of proportional and of fixed letters, in pixels; meanwhile only."""

        def choose(standard: int, fixed: int) -> None:
            sizes = {"standard": standard, "fixed": fixed}
            self._settings.send("Page.setFontSizes", {"fontSizes": sizes})

        yield choose
        choose(16, 13)

    def _set(self, width: int, scheme: str = "") -> None:
        scheme = scheme or self._scheme
        if width != self._width:
            self._page.set_viewport_size({**SCREEN, "width": width})  # type: ignore[typeddict-item]
        if scheme != self._scheme:
            self._page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        self._width, self._scheme = width, scheme

    def _ask(self, name: str, given: object = None) -> Any:
        return self._page.evaluate("([name, given]) => opcodeAudit[name](given)", [name, given])


def _script() -> str:
    """What a page runs when it is loaded, but for the frames within it."""
    values = {
        **{"targets": page_checks.TARGETS, "fields": page_checks.FIELDS},
        "alwaysInView": page_checks.ALWAYS_IN_VIEW,
        "mayBeNarrow": page_checks.MAY_BE_NARROW,
        "colours": page_checks.COLOURS,
    }
    functions = {
        "violations": page_checks.VIOLATIONS,
        "smallerThanAThumb": page_checks.SMALLER_THAN_A_THUMB,
        "tooSmallToTypeIn": page_checks.TOO_SMALL_TO_TYPE_IN,
        "outOfView": page_checks.OUT_OF_VIEW,
        "wordALine": page_checks.WORD_A_LINE,
        "currentEntries": page_checks.CURRENT_ENTRIES,
        "openCards": page_checks.OPEN_CARDS,
        "mainText": page_checks.MAIN_TEXT,
    }
    known = [f"const {name} = {json.dumps(value)};" for name, value in values.items()]
    known += [f"const {name} = {function};" for name, function in functions.items()]
    own = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    return (
        f"if (window === top) {{ {page_checks.axe()}\n;(() => {{ {' '.join(known)}\n{own} }})(); }}"
    )
