"""The answer to what an MCP server asks, from a form; a form that does not fit is shown again."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response, make_response, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from opcode_htmx.engines.messages import ElicitationAction, ElicitationRequest
from opcode_htmx.lib.identity import Identity
from opcode_htmx.rendering.asks.elicitations import elicitation_of, field_name
from opcode_htmx.rendering.element_ids import dom_id
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.elicitation.fields import fields_of
from opcode_htmx.runs.elicitation.values import InvalidContent, read_form
from opcode_htmx.web.http.forms import BadForm, by_htmx


def answer(run: Run, ask: ElicitationRequest, back: str, by: Identity) -> BaseResponse | None:
    """Send the answer; None if it was sent, else the form with what is wrong at each field.

    `back` is the address of the page that the form leads back to.
    """
    try:
        action = ElicitationAction(request.form.get("decision", ""))
    except ValueError:
        raise BadForm("Choose Accept, Decline or Cancel.") from None
    content = None
    if action is ElicitationAction.ACCEPT and ask.mode != "url":
        try:
            content = read_form(ask, lambda number: _typed(ask, number))
        except InvalidContent as error:
            return _again(run, ask, back, error)
    run.answer_elicitation(ask.request_id, action, content, by=by)
    return None


def _typed(ask: ElicitationRequest, number: int) -> Sequence[str]:
    return request.form.getlist(field_name(ask, number))


def _again(run: Run, ask: ElicitationRequest, back: str, error: InvalidContent) -> Response:
    """The problems for a page with a script, which keeps its form; else the form by itself."""
    typed = {number: _typed(ask, number) for number in range(len(fields_of(ask)))}
    template = "permissions/problems.html" if by_htmx() else "permissions/elicitation.html"
    page = render_template(
        template,
        e=elicitation_of(ask, typed, error.problems),
        id=dom_id(ask.request_id),
        sentence=str(error),
        back=back,
        run=run,
        request_id=ask.request_id,
    )
    response = make_response(page, 422)
    response.headers["Cache-Control"] = "no-store"
    return response
