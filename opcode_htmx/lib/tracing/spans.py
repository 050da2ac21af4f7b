"""Spans of traces, their ids, and their JSON by the OpenTelemetry protocol (OTLP 1.x). Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.surrogates import json_bytes

Value = str | bool | int | float
_INTERNAL = 1
_UNSET, _ERROR = 0, 2
LONGEST = 500
"""Characters of a text in an attribute or a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of work. Times are Unix times, in seconds."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""
    parent_id: str = ""
    """Empty for the root."""
    name: str
    start: float
    end: float
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str = ""
    """What has failed, in a few words; empty if nothing has."""


def span_id(trace_id: str, key: str) -> str:
    """The id of the span that `key` names in a trace: the same in every process."""
    return hashlib.blake2b(f"{trace_id} {key}".encode(errors="replace"), digest_size=8).hexdigest()


def traceparent(trace_id: str, parent_id: str) -> str:
    """The text by which another program joins a trace (W3C Trace Context)."""
    return f"00-{trace_id}-{parent_id}-01"


def request_body(spans: Sequence[Span], resource: Mapping[str, Value], version: str) -> bytes:
    """The body of a request to a collector's address `/v1/traces`, as JSON."""
    scope = {"name": "opcode-htmx", "version": version}
    scope_spans = [{"scope": scope, "spans": [_span(each) for each in spans]}]
    found = [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": scope_spans}]
    return json_bytes({"resourceSpans": found})


def _span(span: Span) -> dict[str, Any]:
    status: dict[str, Any] = {"code": _UNSET}
    if span.error:
        status = {"code": _ERROR, "message": span.error[:LONGEST]}
    value = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name[:LONGEST],
        "kind": _INTERNAL,
        "startTimeUnixNano": _nanoseconds(span.start),
        "endTimeUnixNano": _nanoseconds(max(span.start, span.end)),
        "attributes": _attributes(span.attributes),
        "status": status,
    }
    return {**value, "parentSpanId": span.parent_id} if span.parent_id else value


def _nanoseconds(seconds: float) -> str:
    """64-bit numbers are texts in the JSON of protocol buffers."""
    return str(max(0, round(seconds * 1e6) * 1000))


def _attributes(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Value) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case _:
            return {"stringValue": value[:LONGEST]}
