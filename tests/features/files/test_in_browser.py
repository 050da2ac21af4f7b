"""From a file's name in an answer to its lines, an edit and an upload, on a phone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, expect

from opcode_htmx.engines.claude.files.history import project_id
from tests.features.files.conftest import said
from tests.support import pdf
from tests.support.pages import page_checks
from tests.support.pages.browser import Phone
from tests.support.server import Server

pytestmark = pytest.mark.browser

SESSION = "5e551000-0000-4000-8000-0000000000f7"
LINES = "".join(f"value_{number} = {number}\n" for number in range(1, 511))
"""Two parts, as the page shows them; the second one has ten lines."""


@pytest.fixture
def folder(shared_server: Server) -> Path:
    sandbox = shared_server.sandbox
    folder = (sandbox.project / "files-on-a-phone").resolve()
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "src" / "values.py").write_text(LINES)
    said(sandbox, folder, SESSION, "I changed `src/values.py:505`.")
    return folder


def test_a_name_in_an_answer_leads_to_the_line_which_is_edited(
    kept_phone: Phone, folder: Path
) -> None:
    """That links and forms do the same: see test_links.py, test_pages.py and test_changes.py."""
    page = kept_phone.page
    page.goto(f"/projects/{project_id(folder)}/sessions/{SESSION}")
    page.get_by_role("link", name="src/values.py:505").click()
    line = page.locator("#L505")
    expect(line).to_be_in_viewport()
    expect(line).to_have_class(re.compile("marked"))
    expect(page.get_by_role("link", name="Back to the session")).to_be_visible()
    assert page_checks.sticks_out(page) <= 0
    assert not page_checks.smaller_than_a_thumb(page)
    assert not page_checks.violations(page)
    expect(page.locator("#file-picked")).to_contain_text("Line 505")
    page.locator("#L508").click(position={"x": 20, "y": 8})
    expect(page.locator("#file-picked")).to_contain_text("Lines 505–508")
    expect(page).to_have_url(re.compile("#L505-L508$"))
    page.goto(page.url.partition("?")[0] + "?path=src/values.py#L110-L111")
    expect(page.locator("#L111")).to_have_class(re.compile("marked"))
    expect(page.locator("#L111")).to_be_in_viewport()
    page.get_by_role("link", name="Edit").click()
    page.wait_for_url("**/edit?**")
    text = page.get_by_label("Text")
    assert text.input_value() == LINES
    text.fill(LINES.replace("value_505 = 505", "value_505 = 0"))
    (folder / "src" / "values.py").write_text(LINES.replace("value_1 =", "changed ="))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("has changed since you opened it")
    kept_phone.forgiven.append("409")
    assert "value_505 = 0" in page.get_by_label("Your text").input_value()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert "value_505 = 0" in (folder / "src" / "values.py").read_text()


def test_an_upload_whose_name_is_taken_is_decided_and_a_deletion_is_undone(
    kept_phone: Phone, folder: Path
) -> None:
    page = kept_phone.page
    page.goto(f"/projects/{project_id(folder)}/files?path=src")
    given = FilePayload(name="values.py", mimeType="text/plain", buffer=b"uploaded")
    page.get_by_label("Files of this device").set_input_files(given)
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("link", name="values (2).py").click()
    expect(page.locator("#L1")).to_have_text("uploaded\n")
    page.get_by_text("Rename or delete").click()
    page.get_by_role("button", name="Delete this file").click()
    expect(page.get_by_role("status")).to_contain_text("Deleted “src/values (2).py”")
    assert not (folder / "src" / "values (2).py").exists()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="values (2).py")).to_be_visible()
    page.get_by_label("Find a file").fill("src/val")
    expect(page.locator("#file-results").get_by_role("link")).to_have_count(2)
    page.get_by_label("Find a file").fill("")
    expect(page.get_by_role("button", name="Upload")).to_be_visible()


def test_hostile_files_run_nothing_when_they_are_opened_by_themselves(
    kept_phone: Phone, folder: Path
) -> None:
    script = "<script>document.documentElement.id = 'ran'; fetch('/api/settings')</script>"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" onload="this.id=\'ran\'">{script}</svg>'
    (folder / "a.svg").write_text(svg)
    (folder / "a.html").write_text(f"<!doctype html>{script}")
    (folder / "README.md").write_text("![a](a.svg)")
    kept_phone.forgiven += ["Content Security Policy", "sandboxed", "Content-Security-Policy"]
    page, asked = kept_phone.page, list[str]()
    page.on("request", lambda request: asked.append(request.url))
    files = f"/projects/{project_id(folder)}/files"
    for name in ("a.svg", "a.html"):
        page.goto(f"{files}/raw?path={name}")
        assert page.evaluate("document.documentElement.id") == ""
        assert page.evaluate("self.origin") == "null"
    assert page.locator("pre").inner_text().startswith("<!doctype html>")
    page.goto(f"{files}/view?path=README.md")
    expect(page.locator("article img")).to_be_visible()
    assert not [each for each in asked if "/api/" in each]


OTHER_PAGES = re.compile(r"/pdf-page\?.*\bpage=([2-9]|10)\b")
"""Those that need not be drawn to be looked at."""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


def test_the_pages_of_a_document_are_read_on_a_phone(kept_phone: Phone, folder: Path) -> None:
    (folder / "paper.pdf").write_bytes(pdf.document(11, box="0 0 595 842"))
    page = kept_phone.page
    page.route(OTHER_PAGES, lambda route: route.fulfill(content_type="image/svg+xml", body=SVG))
    page.goto(f"/projects/{project_id(folder)}/files?path=")
    page.get_by_role("link", name="paper.pdf").click()
    first = page.get_by_role("img", name="Page 1 of 11")
    expect(first).to_have_js_property("naturalWidth", 780)
    assert page_checks.sticks_out(page) <= 0
    assert not page_checks.smaller_than_a_thumb(page)
    assert not page_checks.violations(page)
    page.get_by_role("link", name="More pages").last.click()
    with page.expect_response(lambda answer: "large=1" in answer.url) as answered:
        page.get_by_role("img", name="Page 11 of 11").click()
    assert answered.value.ok
