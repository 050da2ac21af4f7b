"""Secrets in the arguments of commands and in addresses."""

from __future__ import annotations

from opcode_htmx.engines.claude.config.redaction import HIDDEN, in_arguments, in_url


def test_secrets_in_arguments_and_addresses_are_hidden() -> None:
    given = ["-y", "--api-key", "abc", "--token=abc", "-e", "GH_TOKEN=abc", "-e", "LANG=C", "key"]
    hidden = ["-y", "--api-key", HIDDEN, f"--token={HIDDEN}", "-e", f"GH_TOKEN={HIDDEN}"]
    assert list(in_arguments(given)) == [*hidden, "-e", "LANG=C", "key"]
    assert in_url("https://me:pw@host:1/mcp?a=1&b=2#x") == (
        f"https://{HIDDEN}@host:1/mcp?a={HIDDEN}&b={HIDDEN}#x"
    )
    assert in_url("http://127.0.0.1:9/mcp") == "http://127.0.0.1:9/mcp"
    assert in_url("http://[") == HIDDEN
