"""Which addresses become links, and where they lead."""

from __future__ import annotations

import pytest

from tests.rendering.fragments.pages import links, rendered, tool_lines
from tests.support.cli.captured import line


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//a.b/", "data:text/html,a", "/x", 7, ""])
def test_only_the_webs_own_addresses_become_links(url: object) -> None:
    pages = {"results": [{"content": [{"url": url, "title": "a"}]}]}
    for lines in (
        tool_lines("WebFetch", url=url, output="said"),
        tool_lines("WebSearch", pages, query="a", output="said"),
    ):
        assert links(rendered(*lines)) == []


def test_a_search_of_the_web_shows_its_results_as_links() -> None:
    pages = {"results": [{"content": [{"url": "https://a.b/?c", "title": "A <b>"}]}, "Words."]}
    page = rendered(*tool_lines("WebSearch", pages, query="a", output="Links: [...]"))
    (link,) = links(page)
    assert (link.text, link.attributes["href"]) == ("A <b>", "https://a.b/?c")
    assert link.attributes["rel"] == "noopener noreferrer"
    assert "1 result" in page.text and "Words." in page.text


def test_bare_addresses_are_links_in_prompts_output_and_notices_but_not_in_requests() -> None:
    where = "http://localhost:5173/a_b and https://a.b/c."
    coloured = "\x1b[36mhttp://localhost:\x1b[1m5173\x1b[22m/a_b\x1b[39m and https://a.b/c."
    found = ["http://localhost:5173/a_b", "https://a.b/c"]
    request = {
        "subtype": "can_use_tool",
        "tool_name": "Bash",
        "input": {"command": f"open {where}"},
    }
    for lines in (
        (line(type="user", uuid="t", message={"content": where}),),
        tool_lines("Bash", {"stdout": coloured}, command="ls", output="x"),
        tool_lines("Bash", command=f"open {where}", output="x"),
        tool_lines("Read", {"file": {"content": where, "startLine": 1}}, file_path="/x/a.py"),
        (line(type="assistant", uuid="a", message={"id": "m", "content": where}),),
    ):
        in_texts = [each for each in links(rendered(*lines)) if each.text != "Open the file"]
        assert [each.attributes["href"] for each in in_texts] == found
        assert [each.text for each in in_texts] == found
        assert ["title" in each.attributes for each in in_texts] == [True, False]
    assert links(rendered(line(type="control_request", request_id="r", request=request))) == []


def test_a_pull_request_leads_to_its_page_and_to_its_state() -> None:
    url = "https://github.com/a/b/pull/7"
    raw = {"url": url, "repo": "a/b", "identifier": "7", "action": "created", "uuid": "p"}
    page = rendered(line(type="system", subtype="code_change_published", **raw))
    first, second = links(page)[:2]
    assert first.attributes["href"] == url
    address = second.attributes["href"] or ""
    assert address.endswith("/git/pull-request?address=https%3A%2F%2Fgithub.com%2Fa%2Fb%2Fpull%2F7")
    assert "/sessions/" not in address.partition("?")[0]
    asked = next(each for each in page.walk() if "hx-get" in each.attributes)
    assert asked.attributes["hx-get"] == address.replace("?", "/state?")


@pytest.mark.parametrize("text", ["safe\u202egpj.exe http://a.b/c", "http://a.b/c\u200b.evil.org"])
def test_links_in_output_hide_no_invisible_characters(text: str) -> None:
    page = rendered(*tool_lines("Bash", {"stdout": text}, command="ls", output="x"))
    assert f"⟨U+{ord(next(c for c in text if c > '~')):04X}⟩" in page.text
    assert [each.text for each in links(page)] == (["http://a.b/c"] if "safe" in text else [])
