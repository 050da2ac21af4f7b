"""Requests of our own to a run's Claude, such as a change of its model. Knows one run at a time."""

from __future__ import annotations

import time
import uuid

from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.engines.messages import ControlResponse
from opcode_htmx.lib.coerce import Json
from opcode_htmx.runs.control.run import Run, RunNotLive
from opcode_htmx.runs.model.lifecycle import RunCommand, refusal_reason

ANSWER_SECONDS = 10.0
"""How long Claude may take to answer; it takes milliseconds unless it hangs."""


class ControlRefused(Exception):
    """Claude does not agree to a change; the message says why, in its own words."""


def change(run: Run, name: str, value: object) -> None:
    """Change how Claude works: its `model`, `effort` or `permission_mode`; None: its default.

    Raises ControlRefused, RunNotLive.
    """
    match name:
        case "model":
            request(run, "set_model", model=value)
        case "effort":
            request(run, "apply_flag_settings", settings={"effortLevel": value})
        case "permission_mode" if value:
            request(run, "set_permission_mode", mode=value)
        case _:
            pass  # no business of the process


def request(run: Run, subtype: str, **arguments: object) -> Json:
    """Make a request and give Claude's answer. Raises ControlRefused, RunNotLive."""
    request_id = f"{encoder.OURS}{uuid.uuid4().hex}"
    with run.sending(RunCommand.CHANGE) as send:
        send(encoder.control_line(request_id, subtype, **arguments))
    response = _response(run, request_id)
    if not response.ok:
        raise ControlRefused(f"Claude refused: {response.error}.")
    return response.response


def _response(run: Run, request_id: str) -> ControlResponse:
    until = time.monotonic() + ANSWER_SECONDS
    while True:
        seen = run.changed.version
        if response := run.state.responses.get(request_id):
            return response
        if not run.live:
            raise RunNotLive(refusal_reason(RunCommand.CHANGE, run.phase))
        if time.monotonic() >= until:
            raise ControlRefused("Claude does not answer just now. Try again in a moment.")
        run.changed.wait(seen, max(0.0, until - time.monotonic()))
