"""Claude's capabilities as values, from synthetic responses and from the real CLI."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from opcode_htmx.engines.capabilities import Command, Model
from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text
from opcode_htmx.engines.claude.protocol import parser
from opcode_htmx.engines.claude.protocol.capabilities import commands_of, models_of
from opcode_htmx.runs.control.run import Run
from opcode_htmx.runs.model.run_state import RunState
from tests.support.cli.supervision import (
    CODEC,
    Supervision,
    idle,
    until,
)
from tests.support.environment import Sandbox


def test_models_and_commands_are_read_from_the_answer() -> None:
    answer = {
        "commands": [
            {"name": "compact", "description": "Make supervision", "argumentHint": "<how>"},
            {"name": "bare"},
        ],
        "models": [
            {
                "value": "opus",
                "resolvedModel": "claude-opus-9",
                "displayName": "Opus",
                "description": "For hard tasks",
                "supportedEffortLevels": ["low", "high"],
            },
            {"value": "plain"},
        ],
    }
    assert commands_of(answer) == (
        Command("compact", "Make supervision", "<how>"),
        Command("bare", "", ""),
    )
    assert models_of(answer) == (
        Model("opus", "claude-opus-9", "Opus", "For hard tasks", ("low", "high")),
        Model("plain", "", "plain", "", ()),
    )


@pytest.mark.parametrize("odd", [None, 1, "x", [1], [[]], [{}], [{"value": 1, "name": 2}], {}])
def test_malformed_capabilities_are_omitted(odd: object) -> None:
    assert models_of({"models": odd}) == ()
    assert commands_of({"commands": odd}) == ()


@pytest.fixture(scope="module")
def supervision(shared_home: Sandbox, claude: Path) -> Iterator[Supervision]:
    with MessagesApi((Scene("anything", "", [Text("Yes.")]),)) as api:
        supervision = Supervision(shared_home, claude, api.url)
        yield supervision
        supervision.close()


@pytest.fixture(scope="module")
def run(supervision: Supervision) -> Run:
    return supervision.prompt("Hello")


def test_a_run_of_the_real_cli_knows_its_models_commands_and_mode(
    supervision: Supervision, run: Run
) -> None:
    until(lambda: run.state.models, "Claude has listed its models")
    assert {"default", "opus", "sonnet"} <= {model.value for model in run.state.models}
    assert all(model.name and model.description for model in run.state.models)
    assert "high" in run.state.models[0].efforts
    compact = next(each for each in run.state.commands if each.name == "compact")
    assert compact.description
    idle(run)
    assert run.state.permission_mode == "default"
    assert "compact" in run.state.slash_commands
    supervision.restart()
    assert supervision.supervisor.get(run.id).state.models == run.state.models


def test_capabilities_repeated_by_every_run_are_stored_once(
    supervision: Supervision, run: Run
) -> None:
    idle(supervision.supervisor.get(run.id))
    output = run.folder.output.read_bytes().splitlines()
    assert len(b"".join(output)) > 10_000

    def fold() -> RunState:
        state = RunState(CODEC)
        for line in output:
            state.apply_output(parser.parse(line))
        return state

    first = fold()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    others = [fold() for _ in range(20)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert all(other.models and other.models is first.models for other in others)
    assert all(other.commands and other.commands is first.commands for other in others)
    assert after - before < 20 * 3_000
