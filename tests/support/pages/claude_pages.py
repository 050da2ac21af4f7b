"""The forms of the pages that configure Claude."""

from __future__ import annotations

from typing import Any

from werkzeug.test import TestResponse

from tests.support.apps.local_server import Answer
from tests.support.pages import dom

CONTROLS = ("input", "textarea", "select")


def form_of(html: str) -> dict[str, str]:
    """The names and values of a page's controls, as a browser would send them."""
    found: dict[str, str] = {}
    for each in dom.parse(html).walk():
        name, kind = each.attributes.get("name"), each.attributes.get("type")
        if each.tag not in CONTROLS or not name or name == "csrf_token":
            continue
        if each.tag == "textarea":
            found[name] = each.text.removeprefix("\n")
        elif each.tag == "select":
            chosen = [e for e in each.walk() if e.tag == "option" and "selected" in e.attributes]
            found[name] = (chosen[0].attributes.get("value") or "") if chosen else ""
        elif kind != "radio" or "checked" in each.attributes:
            found[name] = each.attributes.get("value") or ""
    return found


def links_of(html: str, part: str) -> dict[str, str]:
    """The addresses of links that have `part` in them, by their words."""
    return {
        " ".join(each.text.split()): each.attributes.get("href") or ""
        for each in dom.parse(html).walk()
        if each.tag == "a" and part in (each.attributes.get("href") or "")
    }


def data_of(answer: Answer, status: int = 200) -> Any:
    """What an answer of the API holds."""
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


def outcome_of(answer: TestResponse) -> tuple[int, Any]:
    """The status of an answer of the API, and its data or its sentence."""
    found = answer.get_json()
    return answer.status_code, found["data"] if found["success"] else found["error"]
