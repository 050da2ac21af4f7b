"""A log-in on the pages of the account, and a home that reaches nobody."""

from __future__ import annotations

from urllib.parse import unquote

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.cli.supervision import until
from tests.support.environment import Sandbox
from tests.support.pages import dom


class Offline(Sandbox):
    """A home without an API key, whose Claude reaches nobody."""

    proxy = {"HTTPS_PROXY": "http://127.0.0.1:9"}

    def environment(self, api_url: str = "http://127.0.0.1:9") -> dict[str, str]:
        found = {**super().environment(api_url), **self.proxy}
        del found["ANTHROPIC_API_KEY"]
        return found


def words(page: TestResponse) -> str:
    return " ".join(dom.parse(page.text).text.split())


def begin(client: FlaskClient, **form: str) -> tuple[str, str]:
    """Begin a log-in; the address that its form is sent to, and that of the link."""
    answer = client.post("/claude/account/login", data=form)
    assert answer.status_code == 303, words(answer)
    page = dom.parse(client.get(answer.location).text)
    forms = [e for e in page.walk() if e.tag == "form"]
    action = next(a for e in forms if "/login/" in (a := e.attributes.get("action") or ""))
    links = [e for e in page.walk() if e.tag == "a" and e.attributes.get("target") == "_blank"]
    return action, links[0].attributes["href"] or ""


def finished(client: FlaskClient, answer: TestResponse) -> str:
    def outcome() -> TestResponse | None:
        page = client.get(answer.location)
        return None if "Refresh" in page.headers else page

    page = until(outcome, "the act has an outcome")
    assert page is not None
    if page.status_code == 303:
        return unquote(unquote(page.headers["Set-Cookie"]))
    return words(page)
