"""Where traces are sent, if anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import unquote, urlsplit

from opcode_htmx.config.declarations import FeatureSettings, Parser, setting


def _address(value: str) -> str:
    if not value:
        return value
    try:
        parts = urlsplit(value)
        is_valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or parts.scheme not in ("http", "https"):
        raise ValueError("must be an address that begins with http:// or https://")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("may have no name, query or fragment; see OPCODE_TRACING_HEADERS")
    return value


def _headers(value: str) -> str:
    for name, text in _pairs(value):
        letters = name.replace("-", "").replace("_", "")
        if not (letters.isalnum() and name.isascii()):
            raise ValueError("needs the form name=value,name=value")
        if not (text.isascii() and text.isprintable()):
            raise ValueError("has a value that no header can have")
    return value


class TracingSettings(FeatureSettings):
    """OPCODE_TRACING_ENDPOINT and OPCODE_TRACING_HEADERS."""

    endpoint: Annotated[str, Parser(_address)] = setting(
        "",
        "The address of a collector of OpenTelemetry that takes traces by HTTP, such as "
        "`http://127.0.0.1:4318`. Unset: there are no traces.",
    )
    headers: Annotated[str, Parser(_headers)] = setting(
        "",
        "Headers that the collector asks for: `Authorization=Bearer%20…,X-Other=…`, with values "
        "as in addresses.",
        secret=True,
    )

    @property
    def by_name(self) -> Mapping[str, str]:
        """The headers."""
        return dict(_pairs(self.headers))


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = [each.partition("=") for each in text.split(",") if each.strip()]
    return [(name.strip(), unquote(value.strip())) for name, _, value in pairs]
