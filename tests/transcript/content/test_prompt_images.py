"""Images in prompts with the real CLI: the model sees them, and so do both kinds of transcript."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Scene,
    Text,
    ToolUse,
)
from opcode_htmx.engines.claude.files import history
from opcode_htmx.engines.claude.protocol import encoder
from opcode_htmx.engines.contents import ImageContent
from opcode_htmx.engines.messages import PermissionRequest, PromptState, TurnResult
from opcode_htmx.transcript.blocks import PromptBlock
from opcode_htmx.transcript.fold import Transcript
from tests.features.composer.in_browser.page import png
from tests.support.cli.captured import fold
from tests.support.environment import Sandbox
from tests.support.scripted_claude import Claude


def image(colour: bytes) -> ImageContent:
    return ImageContent("image/png", base64.b64encode(png(colour)).decode())


def prompts(transcript: Transcript) -> list[tuple[str, str, list[str]]]:
    """Id, words and the images of every prompt."""
    return [
        (block.id, block.text, [each.data for each in block.images])
        for block in transcript
        if isinstance(block, PromptBlock)
    ]


@pytest.fixture(scope="module")
def session(claude: Path, shared_home: Sandbox) -> tuple[Claude, MessagesApi, Path]:
    """A prompt with an image and words, one with two images alone, one that joins an open turn."""
    scenes = (
        Scene("busy", "busy", [ToolUse("Bash", {"command": "touch it"}), Text("Both.")]),
        Scene("anything", "", [Text("I see.")]),
    )
    with MessagesApi(scenes, keep_requests=50) as api:
        cli = Claude(claude, shared_home, api.url)
        red, green, blue = image(b"\xff\0\0"), image(b"\0\xff\0"), image(b"\0\0\xff")
        cli.send(encoder.prompt_line(str(uuid.uuid4()), "what is it?", [red]))
        cli.next(TurnResult)
        cli.send(encoder.prompt_line(str(uuid.uuid4()), "", [red, green]))
        cli.next(TurnResult)
        cli.prompt("busy now")
        ask = cli.next(PermissionRequest)
        queued = str(uuid.uuid4())
        cli.send(encoder.prompt_line(queued, "and this?", [blue]))
        cli.next(PromptState, lambda state: state.prompt_id == queued)
        cli.send(encoder.allow_line(ask.request_id, ask.input))
        cli.next(TurnResult)
        cli.end()
    noted = history.find(shared_home.config_dir, cli.session_id)
    assert noted
    return cli, api, noted


def test_live_and_past_show_the_same_prompts_with_the_same_images(
    session: tuple[Claude, MessagesApi, Path],
) -> None:
    cli, _, noted = session
    live = prompts(fold(tuple(cli.lines), run_id="r" * 32, close=True))
    past = prompts(fold(tuple(noted.read_bytes().splitlines(keepends=True)), run_id=None))
    assert live == past
    assert [(words, len(images)) for _, words, images in live] == [
        ("what is it?", 1),
        ("", 2),
        ("busy now", 0),
        ("and this?", 1),
    ]


def test_the_model_sees_every_image(session: tuple[Claude, MessagesApi, Path]) -> None:
    _, api, _ = session
    seen = {
        part["source"]["data"]
        for body in api.requests
        for message in body["messages"]
        for part in (message["content"] if isinstance(message["content"], list) else ())
        if part["type"] == "image"
    }
    assert len(seen) == 3
