"""Give each request an id: log lines have it, the answer has it, and pages of errors show it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any
from weakref import ref

from flask import Flask, Response, g, request

from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.lib.logs import context
from opcode_htmx.lib.logs.context import Work
from opcode_htmx.lib.logs.formats import FIELDS
from opcode_htmx.web.server.trusted_proxies import IS_PROXY

log = logging.getLogger(__name__)

HEADER = "X-Request-Id"
_GIVEN = late_pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""What a proxy may call a request; most use a UUID or a few digits."""


def register(app: Flask) -> None:
    """To be registered before anything that may refuse a request."""
    app.before_request(_begin)
    app.after_request(_end)
    app.add_template_global(current_id, "request_id")


def current_id() -> str:
    """The id of the current request."""
    return context.current().request


def refused_by(error: BaseException) -> None:
    """Note the kind of error that the answer is about, for the log."""
    g.refused_by = type(error).__name__


def _begin() -> None:
    given = request.headers.get(HEADER, "")
    is_valid = _GIVEN.fullmatch(given) is not None and _is_from_proxy()
    # It holds until the greenlet's next request: what is logged while the answer is sent has it
    incoming: Any = request
    texts = _private(ref(incoming._get_current_object()))
    context.begin(Work(given if is_valid else context.new_request_id(), private=texts))
    g.began = perf_counter()


def _end(response: Response) -> Response:
    response.headers[HEADER] = current_id()
    refused = response.status_code >= 400
    # Refused requests without a login must not fill the log
    level = logging.INFO if refused and g.get("visitor") else logging.DEBUG
    if log.isEnabledFor(level):
        took = round((perf_counter() - g.get("began", perf_counter())) * 1000)
        # The rule and not the address, which may hold what somebody has typed
        where = request.url_rule.rule if request.url_rule else "an unknown address"
        why = f" ({g.refused_by})" if "refused_by" in g else ""
        log.log(
            level,
            "%s %s answered %d%s in %d ms",
            *(request.method, where, response.status_code, why, took),
            extra={FIELDS: {"status": response.status_code, "ms": took}},
        )
    return response


def _is_from_proxy() -> bool:
    """Whether a trusted proxy has sent the request: it may have named it."""
    return bool(request.environ.get(IS_PROXY))


def _private(incoming: ref[Any]) -> Callable[[], Iterator[str]]:
    """The texts that a form or a JSON body has brought, if it was read at all.

    None once the request is over: what its greenlet logs before the next one is not about it.
    """

    def texts() -> Iterator[str]:
        found = incoming()
        read = vars(found) if found is not None else {}
        form = read.get("form")
        for values in form.lists() if form is not None else ():
            yield from values[1]
        for body in read.get("_cached_json") or ():
            yield from _strings(body)

    return texts


def _strings(body: object, depth: int = 8) -> Iterator[str]:
    if isinstance(body, str):
        yield body
    elif depth and isinstance(body, dict | list):
        for each in body.values() if isinstance(body, dict) else body:
            yield from _strings(each, depth - 1)
