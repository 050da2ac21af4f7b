"""The addresses: every rule with its methods, sockets included. Endpoint names may change."""

from __future__ import annotations

from pathlib import Path

from tests.golden import golden
from tests.golden.parts import probe
from tests.support.environment import Sandbox

RULES = """
import json
from app import app
rules = [
    [rule.rule, ["socket"] if rule.websocket else list(rule.methods - {"HEAD", "OPTIONS"})]
    for rule in app.url_map.iter_rules()
]
print(json.dumps(rules))
"""


def test_the_url_map_stays(sandbox: Sandbox, stand_in: Path) -> None:
    environ = {
        **sandbox.environment(),
        "CLAUDE_PATH": str(stand_in),
        "OPCODE_STATE_DIR": str(sandbox.state),
        "OPCODE_DEMO": "0",
        "OPCODE_ASK_AHEAD": "0",
    }
    rules: dict[str, list[str]] = {}
    for rule, methods in probe.printed(RULES, environ):
        rules.setdefault(rule, []).extend(methods)
    golden.check("url_map", {rule: sorted(methods) for rule, methods in rules.items()})
