"""Turn exceptions into responses, in this one place: a page, an htmx fragment or JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from flask import Flask, Response, current_app, make_response, render_template, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected, HTTPException
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.lib.files.disk_space import SENTENCE, is_full
from opcode_htmx.lib.logs import context
from opcode_htmx.runs.budgets.book import BudgetReached
from opcode_htmx.runs.elicitation.values import InvalidContent
from opcode_htmx.runs.policies.project_trust import TrustNeeded
from opcode_htmx.web.http.forms import BadForm, typed
from opcode_htmx.web.origin.cors import is_api
from opcode_htmx.web.origin.referrer import sending_page, split_referrer
from opcode_htmx.web.rest import envelope
from opcode_htmx.web.server import request_ids
from opcode_htmx.web.server.base_path import own_full_path
from opcode_htmx.web.server.url_rules import LateMap, RoutesMissing

_SENTENCES = {
    400: "The server could not understand this request.",
    403: "This is not allowed.",
    404: "There is nothing at this address.",
    405: "This address does not accept that kind of request.",
    413: "That is too large to send.",
    415: "This kind of content is not accepted here.",
    422: "What was sent cannot be used here.",
    429: "Too many requests: wait a moment and try again.",
    503: "The server is busy: try again in a moment.",
}
_TITLES = {
    401: "Log in",
    403: "Refused",
    404: "Not found",
    421: "Unknown address",
    429: "Wait",
    507: "No room",
}
_UNTRUSTED = frozenset({400, 401, 403, 421})
_TYPED = re.compile(r"prompt|reason-.+|q-.+-(?:text|note)")
"""The fields of a session's page for words of a person, but for those of MCP servers."""
_OWN_HEADERS = frozenset({"content-type", "content-length"})


class Link(NamedTuple):
    """Words of a sentence that lead somewhere."""

    words: str
    place: str
    """Below the path at which the app is served, with a slash before it; or an element of the page
    of a refused form, as `#id`."""


def register(app: Flask, mapping: Mapping[type[Exception], int]) -> None:
    """Answer every HTTP error, and each exception type in `mapping` with its status code.

    The text of a mapped exception is shown to the user, so it must be a sentence for them.
    Any other exception is logged with its traceback and answered with 500 and a reference.
    """

    def http_error(error: HTTPException) -> BaseResponse:
        code = error.code
        if isinstance(error, ClientDisconnected):
            return Response(status=400)  # the client has gone
        if error.response is not None or code is None or code < 400:
            return error.get_response(request.environ)
        request_ids.refused_by(error)
        response = respond(_sentence(error, code), code)
        for name, value in error.get_headers(request.environ):
            if name.lower() not in _OWN_HEADERS:
                response.headers[name] = value
        return response

    def unexpected(error: Exception) -> Response:
        request_ids.refused_by(error)
        reference, sentence = unforeseen()
        app.logger.error(
            "Error %s at %s %s", reference, request.method, request.path, exc_info=error
        )
        return respond(sentence, 500)

    def system_error(error: OSError) -> Response:
        return respond(SENTENCE, 507) if is_full(error) else unexpected(error)

    def malformed(error: ParseException) -> Response:
        # A body in chunks is parsed only when the view reads it
        request_ids.refused_by(error)
        return respond(_SENTENCES[400], 400)

    def answer_with(code: int, type_: type[Exception]) -> None:
        def refused(error: Exception) -> Response:
            request_ids.refused_by(error)
            return respond(str(error), code, details_of(error), link_of(error))

        app.register_error_handler(type_, refused)

    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(OSError, system_error)
    app.register_error_handler(ParseException, malformed)
    app.register_error_handler(Exception, unexpected)
    for type_, code in mapping.items():
        answer_with(code, type_)


def unforeseen() -> tuple[str, str]:
    """The id of the request, with which the error is logged, and the sentence that names it."""
    reference = request_ids.current_id() or context.new_request_id()
    sentence = f"Something went wrong on the server. Its log has the details under {reference}."
    return reference, sentence


def details_of(error: Exception) -> dict[str, Any]:
    """Members beside the sentence of a refusal, for programs.

    For TrustNeeded the list of items, for InvalidContent the problem of each field.
    """
    if isinstance(error, InvalidContent):
        return {"problems": dict(error.problems)}
    return {"trust": error.described()} if isinstance(error, TrustNeeded) else {}


def link_of(error: Exception) -> Link | None:
    """What words of the sentence lead to; None where they lead nowhere."""
    if isinstance(error, BadForm) and error.words:
        return Link(error.words, f"#{error.place}")
    if not isinstance(error, BudgetReached) or error.refusal is None:
        return None
    scope = error.refusal.scope
    return Link(error.refusal.words, f"/budgets#b-{scope}" if scope else "/budgets")


def respond(
    sentence: str,
    code: int,
    details: Mapping[str, Any] | None = None,
    link: Link | None = None,
) -> Response:
    """A refusal in the form in which the caller asked: JSON, a fragment or a page.

    `details` are further members for JSON.
    """
    if is_api():
        return envelope.failure(sentence, code, details)
    if isinstance(current_app.url_map, LateMap):
        with suppress(RoutesMissing):  # then it has no links
            current_app.url_map.add_below("/")  # the page of an error has links to others
    if request.headers.get("HX-Request") == "true":
        response = make_response(
            render_template(
                "alert.html", sentence=sentence, status=code, link=link, next=sending_page()
            )
        )
    else:
        response = make_response(_page(sentence, code, link))
    response.status_code = code
    return response


def _page(sentence: str, code: int, link: Link | None = None) -> str:
    back, words = _page_of_form(), _typed_words(code)
    if back and words and request.form.get("prompt"):
        back += "#prompt"  # the composer, which keeps them
    if link and link.place.startswith("#"):  # this is another page: its way back leads there
        back, link = back and back.partition("#")[0] + link.place, None
    return render_template(
        "error.html",
        sentence=sentence,
        link=link,
        status=code,
        title=_TITLES.get(code, "Something went wrong" if code >= 500 else "That did not work"),
        next=own_full_path() if request.method == "GET" else sending_page(),
        back=back,
        typed=words,
    )


def _typed_words(code: int) -> str:
    """What was typed into the refused form: its page may be gone, and a full disk saves nothing.

    Nothing of a form that another site may have filled in, or whose sender is not known.
    """
    if request.method != "POST" or code in _UNTRUSTED:
        return ""
    with suppress(HTTPException):  # the form may be what is too large
        fields = request.form
        words = [fields[name] for name in fields if _TYPED.fullmatch(name)]
        return "\n\n".join(text for text in map(typed, words) if text.strip())
    return ""


def _page_of_form() -> str:
    """The path of our page with the refused form; empty if there was none."""
    return split_referrer().path if request.method == "POST" else ""


def _sentence(error: HTTPException, code: int) -> str:
    """The sentence of our code, else a plain one in place of the library's paragraph."""
    if error.description and error.description != type(error).description:
        return error.description
    return _SENTENCES.get(code, f"The server refused this request (status {code}).")
