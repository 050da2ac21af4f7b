"""The least that gunicorn's gevent worker can serve: the floor of a start."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def app(_: object, start_response: Callable[..., object]) -> Iterable[bytes]:
    """A WSGI app that answers everything."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
