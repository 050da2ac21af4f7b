"""A server of the tests gets recorded offers only where the CLI would give the same ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from opcode_htmx.engines.claude.engine import ClaudeCodec, ClaudeLauncher
from opcode_htmx.runs.capabilities import probe
from tests.support.cli.offers import ADDING, answer_with
from tests.support.environment import is_stand_in

OFFERS = {"models": [{"value": "haiku"}]}
OWN = {"models": [], "commands": [{"name": "prune"}]}


@pytest.mark.parametrize("adding", ADDING)
def test_what_adds_to_the_offers_has_the_cli_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, adding: str
) -> None:
    monkeypatch.setattr(probe, "ask", lambda *_: OWN)
    answer_with(OFFERS)
    launcher = ClaudeLauncher(Path("claude"), {"CLAUDE_CONFIG_DIR": str(tmp_path)})
    assert probe.ask(launcher, ClaudeCodec(), tmp_path) == OFFERS
    (tmp_path / adding).mkdir(parents=True)
    assert probe.ask(launcher, ClaudeCodec(), tmp_path) == OWN


def test_another_program_in_place_of_the_stand_in_is_asked(stand_in: Path, tmp_path: Path) -> None:
    assert is_stand_in(stand_in)
    stand_in.write_text(stand_in.read_text() + "print()\n")
    assert not is_stand_in(stand_in)
    assert not is_stand_in(tmp_path / "nothing")
