"""Send a sample to the address of an HTTP hook, as Claude does."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from http.client import HTTPMessage
from typing import IO
from urllib.parse import urlsplit

import gevent

from opcode_htmx.features.claude_hooks.trial.command import MOST_BYTES, Outcome, limit_of
from opcode_htmx.lib.coerce import Json
from opcode_htmx.lib.late.patterns import late_pattern

_VARIABLE = late_pattern(r"\$(?:\{([A-Za-z_]\w{0,100})\}|([A-Za-z_]\w{0,100}))", re.ASCII)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The address is the one that was allowed, and no other."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def is_allowed(url: str, allowed: object) -> bool:
    """Whether `allowedHttpHookUrls` lets a hook send to an address; without a list, to any."""
    if not isinstance(allowed, list):
        return True
    return any(isinstance(each, str) and _matches(url, each.split("*")) for each in allowed)


def is_address(url: str) -> bool:
    """Whether a text is an address that a request can be sent to."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def send(config: Json, text: str, variables: Mapping[str, str]) -> Outcome:
    """POST a text. The outcome's status is 0 for a success, else the HTTP status."""
    limit = limit_of(config)
    allowed = config.get("allowedEnvVars")
    given = config.get("headers")
    headers = {
        name: _filled(str(value), variables, allowed if isinstance(allowed, list) else ())
        for name, value in (given.items() if isinstance(given, dict) else ())
    }
    if name := next((name for name, value in headers.items() if not _is_header(value)), None):
        return Outcome(None, problem=f"It could not be sent: the value of {name} is no plain line.")
    begun = time.monotonic()
    # the socket's own limit is for each read: an answer may come in drops
    whole = gevent.Timeout.start_new(limit)
    try:
        request = urllib.request.Request(  # noqa: S310 - http and https only, checked below
            str(config.get("url", "")),
            data=text.encode(),
            headers={"Content-Type": "application/json", **headers},
            method="POST",
        )
        if request.type not in ("http", "https"):
            return Outcome(None, problem="The address must begin with http:// or https://.")
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(request, timeout=limit) as answer:
            body = answer.read(MOST_BYTES).decode("utf-8", "replace")
            return Outcome(0, body, "", time.monotonic() - begun)
    except urllib.error.HTTPError as error:
        with error:
            body = error.read(MOST_BYTES).decode("utf-8", "replace")
        return Outcome(error.code, body, "", time.monotonic() - begun)
    except TimeoutError:
        return Outcome(None, "", "", time.monotonic() - begun, timed_out=True)
    except gevent.Timeout as reached:
        if reached is not whole:
            raise
        return Outcome(None, "", "", time.monotonic() - begun, timed_out=True)
    except urllib.error.URLError as error:
        late = isinstance(error.reason, TimeoutError)
        problem = "" if late else f"It could not be reached: {error.reason}."
        return Outcome(None, "", "", time.monotonic() - begun, late, problem)
    except (OSError, ValueError, http.client.HTTPException) as error:
        # with none of its words where they may be those of a header or of a login
        said = f": {error}" if isinstance(error, OSError) else ""
        return Outcome(None, problem=f"It could not be sent{said}.")
    finally:
        whole.close()


def _is_header(value: str) -> bool:
    """Whether a value can be sent; the error for another one would contain it."""
    return value.replace("\t", " ").isprintable() and value == _latin(value)


def _latin(value: str) -> str:
    return value.encode("latin-1", "replace").decode("latin-1")


def _filled(value: str, variables: Mapping[str, str], allowed: Collection[object]) -> str:
    def text(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        return variables.get(name, "") if name in allowed else ""

    return _VARIABLE.sub(text, value)


def _matches(url: str, parts: list[str]) -> bool:
    """Whether an address consists of these parts, with anything between them."""
    first, *rest = parts
    if not rest:
        return url == first
    last = rest.pop()
    if not url.startswith(first):
        return False
    at = len(first)
    for part in rest:
        found = url.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(url) - at >= len(last) and url.endswith(last)
