"""Encode a session for a client of commands: every line as it is, and what some of them mean.

The names of the messages are those of the reference implementation, and those that it lacked.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from json.encoder import encode_basestring
from typing import Any

import gevent

from opcode_htmx.api.service.elicitations import elicitation_fields
from opcode_htmx.api.service.session_lines import Item, Kind
from opcode_htmx.api.sockets.json_socket import LAST_ERRORS, error_message, text_frame
from opcode_htmx.engines import messages
from opcode_htmx.lib.surrogates import json_bytes
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.lifecycle import Phase
from opcode_htmx.runs.model.record import Outcome

_EVENT = re.compile(rb'"(?:sub)?type"\s*:\s*"(?:result|init|control_request)"')
"""In every line that is an event here, and in few others: most lines need not be parsed."""

log = logging.getLogger(__name__)

LONG = 1_000_000
"""Bytes."""


class RunEventEncoder:
    """The messages about one session, as encoded frames."""

    def __init__(self, session_id: str, *, turn_open: bool) -> None:
        """`turn_open`: whether the client waits for the end of a turn."""
        self._session_id = session_id
        self._turn_open = turn_open

    def prompted(self) -> None:
        """A prompt has been sent: the client waits for the end of its turn."""
        self._turn_open = True

    def frames(self, item: Item) -> Iterator[bytes]:
        """The messages for a line, or for the end of a run."""
        match item.kind:
            case Kind.OUTPUT:
                yield self._output(item)
                if len(item.data) > LONG:  # each step takes long
                    gevent.sleep(0)
                if _EVENT.search(item.data):
                    yield from self._guarded_events(item)
            case Kind.ERROR:
                text = item.data.decode("utf-8", "replace")
                yield self._about(item, **error_message(text, "content", stream="stderr"))
            case Kind.END:
                yield from self._end(item)

    def _output(self, item: Item) -> bytes:
        """Formatted by hand for speed: this is done for every line of every client."""
        content = encode_basestring(item.data.decode("utf-8", "replace"))
        text = (
            f'{{"type": "output", "session_id": "{self._session_id}", "run_id": "{item.run.id}", '
            f'"cursor": "{item.cursor}", "content": {content}}}'
        )
        return text_frame(text.encode())

    def _guarded_events(self, item: Item) -> Iterator[bytes]:
        try:
            yield from self._events(item)
        except Exception:  # the line itself has been sent
            log.exception("could not parse a line of session %s", self._session_id)

    def _events(self, item: Item) -> Iterator[bytes]:
        match message := item.message:
            case messages.Init():
                self._turn_open = True
            case messages.TurnResult() if message.is_error and _is_cancelled(item.run):
                pass  # the end of the run reports it
            case messages.TurnResult():
                self._turn_open = False
                status = "error" if message.is_error else "success"
                yield self._about(item, type="completion", status=status)
            case messages.PermissionRequest():
                yield self._about(
                    item,
                    type="permission_request",
                    request_id=message.request_id,
                    tool_name=message.tool_name,
                    tool_use_id=message.tool_use_id,
                    input=message.input,
                    description=message.description,
                    blocked_path=message.blocked_path,
                    suggestions=list(message.suggestions),
                )
            case messages.ElicitationRequest():
                asked = elicitation_fields(message)
                yield self._about(item, type="elicitation_request", **asked)
            case _:
                pass  # the line itself has been sent

    def _end(self, item: Item) -> Iterator[bytes]:
        end = item.run.record.end
        if end is None:
            return
        if end.outcome is Outcome.CANCELLED:
            yield self._about(item, type="cancelled", message=end.cause)
        elif end.outcome is not Outcome.COMPLETED:
            last = item.run.folder.error_lines(LAST_ERRORS)
            yield self._about(item, **error_message(end.cause, stderr=last))
        if self._turn_open:
            self._turn_open = False
            cancelled = end.outcome is Outcome.CANCELLED
            yield self._about(item, type="completion", status="cancelled" if cancelled else "error")
        yield self._about(item, type="ended", outcome=end.outcome, message=end.cause)

    def _about(self, item: Item, **message: Any) -> bytes:
        named = {
            **message,
            "session_id": self._session_id,
            "run_id": item.run.id,
            "cursor": str(item.cursor),
        }
        return text_frame(json_bytes(named))


def _is_cancelled(run: Run) -> bool:
    """Whether a run is being cancelled, or was; its open turn then ends with an error."""
    end = run.record.end
    return run.phase is Phase.STOPPING or (end is not None and end.outcome is Outcome.CANCELLED)
