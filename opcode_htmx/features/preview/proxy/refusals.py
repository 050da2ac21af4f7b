"""The answers of the door itself: a small page with a sentence, in place of what was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jinja2 import Environment

from opcode_htmx.features.preview.proxy.headers import Headers
from opcode_htmx.lib.dataclass import dataclass

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse


@dataclass(frozen=True, slots=True)
class Refusal:
    """One kind of answer; `status` is the whole status line."""

    status: str
    heading: str
    text: str
    may_try_again: bool = False


NOT_LOGGED_IN = Refusal(
    "401 Unauthorized",
    "Log in first",
    "A preview needs a login. If you are logged in, try again from here.",
    may_try_again=True,
)
NOT_OPEN = Refusal(
    "404 Not Found",
    "No preview",
    "No dev server is opened at this address. Open it from its session.",
)
FOREIGN = Refusal(
    "403 Forbidden", "Refused", "This request came from another site and was refused."
)
WRONG_HOST = Refusal(
    "421 Misdirected Request",
    "Unknown address",
    "This address is not known here. Add its name to OPCODE_ALLOWED_HOSTS and restart.",
)
NO_WORKERS = Refusal(
    "403 Forbidden",
    "No service workers",
    "A preview has none: they would be there for the next server at this address, too.",
)
BUSY = Refusal("503 Service Unavailable", "Too many requests", "Try again in a moment.")
BAD = Refusal("400 Bad Request", "Bad request", "This address cannot be passed on.")
NO_SOCKETS = Refusal("501 Not Implemented", "No WebSockets", "This server has none.")


class Refused(Exception):
    """A request that is answered with a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


def unanswered(text: str, *, has_ended: bool) -> Refusal:
    """Of a dev server that gives no answer."""
    status = "404 Not Found" if has_ended else "502 Bad Gateway"
    return Refusal(status, "No answer", text, may_try_again=True)


def answer(
    start_response: StartResponse,
    refusal: Refusal,
    app: str,
    again: str,
    templates: Environment,
) -> Iterable[bytes]:
    """The page. `app` is the origin of the app, `again` where to try again; either may be empty."""
    page = templates.get_template("preview/notice.html").render(
        heading=refusal.heading,
        text=refusal.text,
        app=app,
        again=again,
    )
    body = page.encode()
    styles = app or "'none'"
    policy = f"default-src 'none'; style-src {styles}; frame-ancestors 'none'; base-uri 'none'"
    headers = plain(len(body), "text/html; charset=utf-8")
    headers.append(("Content-Security-Policy", policy))
    if refusal.status.startswith("503"):
        headers.append(("Retry-After", "1"))
    start_response(refusal.status, headers)
    return [body]


def plain(length: int, kind: str = "text/plain") -> Headers:
    """The headers that each of these answers has."""
    return [
        ("Content-Type", kind),
        ("Content-Length", str(length)),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    ]
