"""A collector of OpenTelemetry on loopback, which decodes what it gets by the official schema."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

__all__ = ["Collector", "Span", "attributes_of", "collector"]

IDS = ("traceId", "spanId", "parentSpanId")


class Collector:
    """What was sent to it; `statuses` are answered first, then 200."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.statuses: list[int] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        """The path and the headers of each."""
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        self.requests.append((path, headers))
        if self.statuses:
            return self.statuses.pop(0)
        if path == "/v1/traces":
            request = ParseDict(_with_base64_ids(json.loads(body)), ExportTraceServiceRequest())
            for each in request.resource_spans:
                attributes = each.resource.attributes
                self.resources.append({at.key: at.value.string_value for at in attributes})
                self.spans += [span for scope in each.scope_spans for span in scope.spans]
        return 200


def attributes_of(span: Span) -> dict[str, Any]:
    return {at.key: getattr(at.value, str(at.value.WhichOneof("value"))) for at in span.attributes}


def _with_base64_ids(value: Any) -> Any:
    """OTLP has ids in hexadecimal digits, where the JSON of protocol buffers has base64."""
    match value:
        case dict():
            return {
                key: base64.b64encode(bytes.fromhex(each)).decode()
                if key in IDS
                else _with_base64_ids(each)
                for key, each in value.items()
            }
        case list():
            return [_with_base64_ids(each) for each in value]
        case _:
            return value


@contextlib.contextmanager
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(found.take(self.path, headers, body))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Collector(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
