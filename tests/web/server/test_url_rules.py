"""Addresses that are made of rules: those that Werkzeug makes."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest
from werkzeug.routing import BaseConverter, Map, Rule

from opcode_htmx.web.server.url_rules import LateRule

KINDS = (LateRule, Rule)
VALUES: dict[str, dict[str, Any]] = {
    "/": {},
    "/a b/ü&c": {},
    "/<name>": {"name": "ü b/c?d#e"},
    "/<name>/blocks/<int:number>/": {"name": "x", "number": 7},
    "/files/<path:path>": {"path": "a/ü b/c?d"},
}


@pytest.mark.parametrize("query", [{}, {"q": "ü &=", "z": ["1", "2"], "none": None}])
@pytest.mark.parametrize("defaults", [None, {"project": ""}, {"name": "constant"}])
def test_addresses_are_those_of_werkzeug(
    defaults: dict[str, str] | None, query: dict[str, Any]
) -> None:
    built = {kind: [_built(kind, rule, defaults, query) for rule in VALUES] for kind in KINDS}
    assert built[LateRule] == built[Rule]


def _built(
    kind: type[Rule], rule: str, defaults: dict[str, str] | None, query: dict[str, Any]
) -> list[str]:
    constants = {name: value for name, value in (defaults or {}).items() if name in VALUES[rule]}
    values = {**VALUES[rule], **constants, **query}
    adapter = Map([kind(rule, endpoint="page", defaults=defaults)]).bind("localhost")
    return [adapter.build("page", values, append_unknown=each) for each in (True, False)]


def test_half_a_character_in_an_address_is_replaced() -> None:
    adapter = Map([LateRule("/<name>", endpoint="page")]).bind("localhost")
    assert adapter.build("page", {"name": "a\udc80", "q": "\udc80"}) == "/a%EF%BF%BD?q=%EF%BF%BD"
    assert adapter.build("page", {"name": "a", "q": ["b", "\udc80"]}) == "/a?q=b&q=%EF%BF%BD"


def test_threads_that_build_an_address_first_and_at_once_get_the_whole() -> None:
    built, threads = list[str](), list[Thread]()

    def build() -> None:
        built.append(adapter.build("page", {"one": "a", "two": "b"}))

    class Interrupting(BaseConverter):
        """While its function is looked up for the first time, another thread builds the address."""

        def __getattribute__(self, name: str) -> Any:
            if name == "to_url" and not threads:
                threads.append(Thread(target=build))
                threads[0].start()
                threads[0].join()
            return super().__getattribute__(name)

    rule = LateRule("/<one>/x/<odd:two>", endpoint="page")
    adapter = Map([rule], converters={"odd": Interrupting}).bind("localhost")
    build()
    build()
    assert built == ["/a/x/b"] * 3
