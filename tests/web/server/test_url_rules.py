"""Addresses that are made of rules: those that Werkzeug makes."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.routing import Map, Rule

from opcode_htmx.web.server.url_rules import LateRule

VALUES = {
    "/": {},
    "/a b/ü&c": {},
    "/<name>": {"name": "ü b/c?d#e"},
    "/<name>/blocks/<int:number>/": {"name": "x", "number": 7},
    "/files/<path:path>": {"path": "a/ü b/c?d"},
}


@pytest.mark.parametrize("query", [{}, {"q": "ü &=", "z": ["1", "2"], "none": None}])
@pytest.mark.parametrize("defaults", [None, {"project": ""}, {"name": "constant"}])
@pytest.mark.parametrize(("rule", "values"), VALUES.items(), ids=list(VALUES))
def test_addresses_are_those_of_werkzeug(
    rule: str, values: dict[str, Any], defaults: dict[str, str] | None, query: dict[str, Any]
) -> None:
    constants = {name: value for name, value in (defaults or {}).items() if name in values}
    values = {**values, **constants, **query}
    built = {}
    for kind in (LateRule, Rule):
        adapter = Map([kind(rule, endpoint="page", defaults=defaults)]).bind("localhost")
        built[kind] = [adapter.build("page", values, append_unknown=each) for each in (True, False)]
    assert built[LateRule] == built[Rule]


def test_half_a_character_in_an_address_is_replaced() -> None:
    adapter = Map([LateRule("/<name>", endpoint="page")]).bind("localhost")
    assert adapter.build("page", {"name": "a\udc80", "q": "\udc80"}) == "/a%EF%BF%BD?q=%EF%BF%BD"
