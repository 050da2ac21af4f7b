"""Judge where a request comes from by the headers of browsers; no settings and no logins here.

Browsers send Sec-Fetch-Site over https and to this machine only. Over plain http on a LAN it is
missing, so GETs with side effects are protected by `acts` as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from werkzeug.datastructures import Headers

F = TypeVar("F", bound=Callable[..., Any])

Caller = Literal["pages", "scripts"]

_OURS = frozenset({"same-origin", "none"})
"""From our own page, or from no page at all: typed, a bookmark, the home screen."""
_OF_BROWSERS = ("Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest")


def acts(by: Caller) -> Callable[[F], F]:
    """Mark a view whose GET has side effects: it starts a process, or changes something.

    No link and no image may call it. `by` "pages": our pages send the CSRF token in a header;
    "scripts": by GET only programs that send HTTP Basic may. HEAD is refused in both cases.
    """

    def mark(view: F) -> F:
        view.acts_by = by  # type: ignore[attr-defined]
        return view

    return mark


def who_may_act(view: object) -> Caller | None:
    """The caller that `acts` has marked a view with; None for one without side effects."""
    return getattr(view, "acts_by", None)


def takes_shares(view: F) -> F:
    """Mark a view to which the system's share sheet posts what another app shares.

    It gets that without a CSRF token, and also without a login: then it must keep nothing.
    """
    view.takes_shares = True  # type: ignore[attr-defined]
    return view


def is_share(view: object, method: str, headers: Headers) -> bool:
    """Whether the browser itself posts something to a view that `takes_shares`.

    No page has caused such a request: Sec-Fetch-Site is "none", and the cookies are sent as for a
    typed address. Origin is "null", as there is none. No page can imitate this, because none can
    set a header that begins with `Sec-`, and what pages cause is never "none". Over plain http
    these headers are missing, but no browser installs an app from there either.
    """
    return (
        method == "POST"
        and getattr(view, "takes_shares", False)
        and headers.get("Sec-Fetch-Site") == "none"
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
        and headers.get("Origin", "null") == "null"
        and "Referer" not in headers
    )


def is_foreign(headers: Headers) -> bool:
    """Whether a page of another origin caused the request; another port is another origin."""
    return headers.get("Sec-Fetch-Site", "none") not in _OURS


def may_lack_cookies(headers: Headers) -> bool:
    """Whether the browser may have kept a SameSite=Strict cookie back, because of a link elsewhere.

    Over plain http nothing shows it.
    """
    return headers.get("Sec-Fetch-Site") not in _OURS


def is_opened_as_page(method: str, headers: Headers) -> bool:
    """Whether a person follows a link, in a window of its own: no frame, image, script or fetch."""
    return (
        method == "GET"
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
    )


def is_by_browser(headers: Headers) -> bool:
    """Whether a browser sent the request, for a page that a person opens or for a part of one.

    Anybody can send these headers: they decide in which form to refuse, and nothing else.
    """
    opens_page = "text/html" in headers.get("Accept", "")
    return opens_page or any(name in headers for name in _OF_BROWSERS)


def is_program(headers: Headers) -> bool:
    """Whether this is curl and the like, and no browser.

    Pages can leave out Referer, and an image sends no Origin; no page can change the User-Agent of
    a request without a preflight.
    """
    by_browser = headers.get("User-Agent", "").startswith("Mozilla/")
    return not by_browser and not any(name in headers for name in _OF_BROWSERS)
