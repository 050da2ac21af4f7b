"""The page of ours that sent a request, by its Referer, which browsers send between our pages."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from flask import request

from opcode_htmx.web.server.base_path import start_page


def sending_page() -> str:
    """The path and the query of our page that sent the request; else those of the first page."""
    return split_referrer()._replace(scheme="", netloc="").geturl() or start_page()


def split_referrer() -> SplitResult:
    """The address of our page that sent the request; an empty one if there was none."""
    none = urlsplit("")
    try:
        referrer = urlsplit(request.referrer or "")
    except ValueError:
        return none
    ours = referrer.netloc == request.host and referrer.path.startswith("/")
    return referrer if ours and not referrer.path.startswith("//") else none
