"""Rewrite the headers of a request for a dev server, and those of its answer for the browser.

A dev server takes what arrives for a request to localhost: Host, Origin and Referer agree about
that, as its own checks expect. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from opcode_htmx.features.preview.proxy import cookies
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern

Headers = list[tuple[str, str]]

_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"}
    | {"te", "trailer", "trailers", "transfer-encoding", "upgrade"}
)
_NOT_SENT = _HOP | frozenset(
    {"host", "cookie", "origin", "referer", "forwarded", "x-real-ip", "content-length", "expect"}
    | {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port"}
    | {"x-forwarded-prefix", "x-forwarded-server"}
)
_NOT_ANSWERED = _HOP | frozenset(
    {
        "set-cookie",
        "content-length",
        "location",
        "content-location",
        "cache-control",
        "expires",
        "pragma",
    }
    # These would take effect on the host, and so on this app:
    | {"clear-site-data", "strict-transport-security", "alt-svc", "public-key-pins"}
    | {"service-worker-allowed", "report-to", "nel", "reporting-endpoints"}
    | {"access-control-allow-origin", "access-control-allow-credentials"}
    | {"access-control-allow-private-network", "server", "date"}
    # These are orders for a proxy in front of us: nginx would fetch another address, or send a file
    | {"x-accel-redirect", "x-accel-charset", "x-accel-expires", "x-accel-limit-rate"}
    | {"x-sendfile", "x-lighttpd-send-file", "x-litespeed-location", "x-reproxy-url"}
)
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - names, no binding
_VALUE = late_pattern(r"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = late_pattern(r"[0-9]{1,18}")
_TOKEN = late_pattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

SANDBOX = (
    "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads "
    "allow-pointer-lock allow-presentation"
)
"""Without allow-same-origin: the page's origin is like no other's, this app's included."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the browser finds a dev server, and where this machine does."""

    server_port: int
    origin: str
    """Of the preview: `http://192.168.1.5:18080`."""
    our_port: int = 0
    """The port of ours that shows it; 0 where it is under a path."""
    prefix: str = ""
    """The path that it is under, without a slash at the end."""
    is_secure: bool = False

    @property
    def server_origin(self) -> str:
        return f"http://localhost:{self.server_port}"


def for_server(environ: Mapping[str, object], place: Place) -> Headers:
    """The headers of a request, from its WSGI environment; without Content-Length."""
    found: Headers = [("Host", f"localhost:{place.server_port}")]
    dropped = {each.strip().lower() for each in str(environ.get("HTTP_CONNECTION", "")).split(",")}
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            name = key.removeprefix("HTTP_").replace("_", "-").title()
        elif key == "CONTENT_TYPE" and value:
            name = "Content-Type"
        else:
            continue
        text = str(value)
        if name.lower() in _NOT_SENT or name.lower() in dropped or not _VALUE.fullmatch(text):
            continue
        if name == "Authorization" and text.lstrip().lower().startswith("basic"):
            continue  # a browser may send ours
        found.append((name, text))
    sent = str(environ.get("HTTP_COOKIE", ""))
    cookie = cookies.for_server(sent, place.our_port) if place.our_port else ""
    origin, referer = str(environ.get("HTTP_ORIGIN", "")), str(environ.get("HTTP_REFERER", ""))
    if cookie:
        found.append(("Cookie", cookie))
    if origin:
        found.append(("Origin", place.server_origin))
    if referer.startswith(f"{place.origin}{place.prefix}/"):
        rest = referer.removeprefix(f"{place.origin}{place.prefix}")
        found.append(("Referer", f"{place.server_origin}{rest}"))
    found.append(("X-Forwarded-For", str(environ.get("REMOTE_ADDR", ""))))
    found.append(("X-Forwarded-Proto", "https" if place.is_secure else "http"))
    if place.prefix:
        found.append(("X-Forwarded-Prefix", place.prefix))
    return found


def for_browser(answered: Iterable[tuple[str, str]], place: Place) -> Headers:
    """The headers of an answer for the browser, in their order."""
    answered = list(answered)
    dropped = {
        each.strip().lower()
        for name, value in answered
        if name.lower() == "connection"
        for each in value.split(",")
    }
    lengths = {value.strip() for name, value in answered if name.lower() == "content-length"}
    is_chunked = any(name.lower() == "transfer-encoding" for name, _ in answered)
    if is_chunked or len(lengths) != 1 or not all(map(_LENGTH.fullmatch, lengths)):
        lengths = set()
    found: Headers = [("Content-Length", each) for each in lengths]
    no_store = False
    for name, text in answered:
        value = text.strip()
        lower = name.lower()
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            continue
        if lower == "set-cookie" and place.our_port:
            cookie = cookies.for_browser(value, place.our_port, is_secure=place.is_secure)
            if cookie is not None:
                found.append((name, cookie))
        elif lower in ("location", "content-location"):
            found.append((name, location(value, place)))
        elif lower == "cache-control":
            no_store = no_store or "no-store" in value.lower()
        elif lower == "www-authenticate" and value.lower().startswith(("basic", "digest")):
            continue  # the browser would ask for a password, and what is typed never arrives
        elif lower not in _NOT_ANSWERED and lower not in dropped:
            found.append((name, value))
    # Another server may have the same address later, and must not be shown with this one's files
    found.append(("Cache-Control", "no-store" if no_store else "private, no-cache"))
    found += _rules(place)
    return found


def location(value: str, place: Place) -> str:
    """The target of a redirect, as it is for the browser."""
    try:
        parts = urlsplit(value)
        is_own = (
            parts.scheme in ("http", "https", "")
            and (parts.hostname or "") in _LOCAL
            and (parts.port or 80) == place.server_port
        )
    except ValueError:  # a port or an address that is none
        return value
    if is_own:
        rest = value.partition("//")[2]
        start = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
        # A path that begins with two slashes would name another host
        return f"{place.prefix}/{rest[start:].lstrip('/')}"
    if place.prefix and value.startswith("/") and not value.startswith("//"):
        return f"{place.prefix}{value}"
    return value


def _rules(place: Place) -> Headers:
    """Headers that are added to a response."""
    if place.our_port:
        return [("Content-Security-Policy", "frame-ancestors 'self'")]
    return [
        ("Content-Security-Policy", f"{SANDBOX}; frame-ancestors 'none'"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        # Module scripts and fonts of a page without an origin are asked for with `Origin: null`
        ("Access-Control-Allow-Origin", "null"),
    ]
