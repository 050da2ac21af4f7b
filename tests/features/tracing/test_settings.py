"""Where traces go, and what cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.config.declarations import SettingsError
from opcode_htmx.features.tracing.settings import TracingSettings


def read(tmp_path: Path, **settings: str) -> TracingSettings:
    names = {f"OPCODE_TRACING_{name.upper()}": value for name, value in settings.items()}
    return TracingSettings.read(names, tmp_path)


@pytest.mark.parametrize(
    "endpoint",
    [
        *("127.0.0.1:4318", "ftp://host", "http://", "http://me:secret@host", "http://host/?a=b"),
        *("http://host#x", "http://host:port", "http://[::1"),
    ],
)
def test_an_endpoint_is_an_address_without_secrets(endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="OPCODE_TRACING_ENDPOINT") as error:
        read(tmp_path, endpoint=endpoint)
    assert "secret" not in str(error.value)


def test_headers_are_pairs_whose_values_are_percent_encoded(tmp_path: Path) -> None:
    found = read(tmp_path, headers="Authorization=Bearer%20a%2Cb, X-Scope=me=you,")
    assert found.by_name == {"Authorization": "Bearer a,b", "X-Scope": "me=you"}
    assert "a%2Cb" not in repr(found)


@pytest.mark.parametrize("headers", ["a b=c", "=x", "X=a%0d%0aInjected: b", "X=ü", "Ü=x"])
def test_what_no_header_can_be_is_refused(headers: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="OPCODE_TRACING_HEADERS"):
        read(tmp_path, headers=headers)
