"""Our own control requests to a run's Claude, such as a change of its model."""

from __future__ import annotations

import time
import uuid

from opcode_htmx.engines.identifiers import OWN_REQUEST_PREFIX
from opcode_htmx.engines.messages import ControlResponse
from opcode_htmx.engines.plan_limits import LimitWindow
from opcode_htmx.engines.requests import OwnRequest, Query, RequestKind
from opcode_htmx.lib.coerce import Json
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import RunCommand, refusal_reason

ANSWER_SECONDS = 10.0
"""How long Claude may take to answer; it takes milliseconds unless it hangs."""


class ControlRefused(Exception):
    """Claude has refused a change; the message is its reason."""


def change(run: Run, name: str, value: object) -> None:
    """Change how Claude works: its `model`, `effort` or `permission_mode`; None: its default.

    Raises ControlRefused, RunNotLive.
    """
    request_id = _new_id()
    if line := run.codec.change_line(request_id, name, value):
        _request(run, request_id, line)


def cancel_prompt(run: Run, prompt_id: str) -> bool:
    """Take a prompt out of Claude's queue; False if Claude has taken it up already.

    Raises ControlRefused, RunNotLive.
    """
    request = OwnRequest(_new_id(), RequestKind.CANCEL_PROMPT, prompt_id)
    line = run.codec.cancel_prompt_line(request.request_id, prompt_id)
    response = _request(run, request.request_id, line)
    return run.codec.agreed(request, response).cancelled_prompt == prompt_id


def ask(run: Run, query: Query, seconds: float = ANSWER_SECONDS) -> Json:
    """What Claude answers to a question, or an order, that needs no turn.

    Raises ControlRefused, RunNotLive.
    """
    request_id = _new_id()
    line = run.codec.query_line(request_id, query)
    return _request(run, request_id, line, seconds).response


def plan_limits(run: Run) -> tuple[LimitWindow, ...]:
    """The limits of the plan, by the process of a run; none for an account without a plan.

    Raises ControlRefused, RunNotLive.
    """
    request_id = _new_id()
    return run.codec.limits_of(_request(run, request_id, run.codec.limits_line(request_id)))


def _new_id() -> str:
    return f"{OWN_REQUEST_PREFIX}{uuid.uuid4().hex}"


def _request(
    run: Run, request_id: str, line: bytes, seconds: float = ANSWER_SECONDS
) -> ControlResponse:
    """Send a request and wait for Claude's answer. Raises ControlRefused, RunNotLive."""
    with run.sending(RunCommand.CHANGE) as send:
        send(line)
    response = _response(run, request_id, seconds)
    if not response.ok:
        raise ControlRefused(f"Claude refused: {response.error}.")
    return response


def _response(run: Run, request_id: str, seconds: float) -> ControlResponse:
    until = time.monotonic() + seconds
    while True:
        seen = run.changed.version
        if response := run.state.responses.get(request_id):
            return response
        if not run.live:
            raise RunNotLive(refusal_reason(RunCommand.CHANGE, run.phase))
        if time.monotonic() >= until:
            raise ControlRefused("Claude does not answer just now. Try again in a moment.")
        run.changed.wait(seen, max(0.0, until - time.monotonic()))
