"""Tool results of the real CLI: live and past show the same parts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from opcode_htmx.engines.claude.demo.script import Step
from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.engines.messages import PermissionRequest, TurnResult
from opcode_htmx.rendering import search, to_markdown, tool_cards
from opcode_htmx.transcript.blocks import ToolBlock
from opcode_htmx.transcript.fold import Transcript
from tests.support.cli.captured import fold, fragments
from tests.support.environment import ROOT, Sandbox, until
from tests.support.scripted_claude import Claude
from tests.transcript.parts.parts import PNG, words

REAL_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)


@pytest.fixture(scope="module")
def real(
    claude: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[ToolBlock, ToolBlock]]:
    """Calls of the real CLI by their tool, as they came and as history has them."""
    sandbox = Sandbox(tmp_path_factory.mktemp("parts") / "home").make()
    picture = {"output_type": "display_data", "data": {"image/png": PNG}, "metadata": {}}
    printed = {"output_type": "stream", "name": "stdout", "text": ["NBOUT\n"]}
    cell = {"cell_type": "code", "id": "c1", "metadata": {}, "source": ["print('NBSRC')\n"]}
    cells = [cell | {"outputs": [printed, picture], "execution_count": 1}]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (sandbox.project / "n.ipynb").write_text(json.dumps(notebook))
    (sandbox.project / "a.pdf").write_bytes(REAL_PDF)
    (sandbox.project / "empty.txt").touch()
    server = str(ROOT / "tests/support/cli/mcp_server.py")
    command = {"command": sys.executable, "args": [server, "parts"]}
    settings = json.dumps({"mcpServers": {"parts": command}})
    (sandbox.config_dir / ".claude.json").write_text(settings)
    read = [
        ToolUse("Read", {"file_path": str(sandbox.project / name)})
        for name in ("n.ipynb", "a.pdf", "empty.txt")
    ]
    names = ("linked", "structured", "nothing", "failing", "reminding")
    steps: list[Step] = [
        *read,
        *(ToolUse(f"mcp__parts__{name}", {}) for name in names),
        Text("Done."),
    ]
    # what it finds goes to the model with words that the scripted one takes for a prompt
    find = [ToolUse("ToolSearch", {"query": "select:mcp__parts__linked"})]
    scenes = (
        Scene("go", "go", steps),
        Scene("find", "find", find),
        Scene("rest", "", [Text("Done.")]),
    )
    with MessagesApi(scenes) as api:
        cli = Claude(claude, sandbox, api.url)
        try:
            for prompt in ("go", "find"):
                cli.prompt(prompt)
                while not isinstance(message := cli._read(), TurnResult):
                    if isinstance(message, PermissionRequest):
                        cli.send(encoder.allow_line(message.request_id, message.input))
            cli.end()
        finally:
            cli._process.kill()
    noted = until(lambda: history.find(sandbox.config_dir, cli.session_id), "it has a history")
    assert noted
    past = tuple(noted.read_bytes().splitlines(keepends=True))
    live = _tools(fold(tuple(cli.lines), run_id="r" * 32))
    return {name: (each, _tools(fold(past, run_id=None))[name]) for name, each in live.items()}


def _tools(transcript: Transcript) -> dict[str, ToolBlock]:
    found = [each for each in transcript if isinstance(each, ToolBlock)]
    return {Path(str(each.input.get("file_path", each.name))).name: each for each in found}


def test_live_and_past_show_the_same_parts(real: dict[str, tuple[ToolBlock, ToolBlock]]) -> None:
    assert len(real) == 9
    for live, past in real.values():
        assert live.parts == past.parts
        assert tool_cards.present_block(live, "") == tool_cards.present_block(past, "")
        assert to_markdown.source(live) == to_markdown.source(past)


def test_a_notebook_that_was_read_shows_its_outputs_and_their_images(
    real: dict[str, tuple[ToolBlock, ToolBlock]],
) -> None:
    for block in real["n.ipynb"]:
        shown = str(fragments().block(block))
        assert "In [1]: print ( 'NBSRC' ) Out [1]: NBOUT" in words(shown)
        assert 'alt="Image 1, 1 by 1"' in shown
        assert "NBOUT" in to_markdown.source(block)
        assert "Image: image/png, 1 × 1" in to_markdown.source(block)
        assert list(search.find([block], "nbout"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.pdf", f"Document application/pdf {len(REAL_PDF)} bytes Download"),
        ("ToolSearch", "Loaded tool mcp__parts__linked"),
        ("mcp__parts__linked", "Resource link The plan https://orchard.example/plan"),
        ("mcp__parts__structured", "SUNNY"),
        ("mcp__parts__reminding", "<system-reminder>MY OWN WORDS</system-reminder>"),
        ("mcp__parts__failing", "No such tree."),
    ],
)
def test_tool_results_of_the_real_cli_are_on_the_card(
    real: dict[str, tuple[ToolBlock, ToolBlock]], name: str, shown: str
) -> None:
    for block in real[name]:
        assert shown in words(str(fragments().block(block)))


@pytest.mark.parametrize(
    ("name", "text"),
    [("empty.txt", ""), ("mcp__parts__nothing", ""), ("mcp__parts__failing", "No such tree.")],
)
def test_model_notes_of_the_real_cli_are_omitted(
    real: dict[str, tuple[ToolBlock, ToolBlock]], name: str, text: str
) -> None:
    for block in real[name]:
        assert block.output != text
        assert tool_cards.result_text(block) == text
