"""The sample project, the scripted Messages API, and the real CLI in front of it."""

from __future__ import annotations

import importlib.util
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo import sample
from opcode_htmx.engines.claude.demo.messages_api import MessagesApi
from opcode_htmx.engines.claude.demo.scenarios import demo_scenes
from tests.engines.demo.conversation import PATH, Conversation, Talk


@pytest.fixture(scope="session")
def claude_binary(integration: None) -> str:
    spec = importlib.util.find_spec("claude_agent_sdk")
    bundled = [
        Path(p) / "_bundled" / "claude" for p in (spec and spec.submodule_search_locations) or ()
    ]
    for candidate in (os.environ.get("CLAUDE_PATH"), *bundled):
        if candidate and Path(candidate).is_file():
            return str(candidate)
    missing = "The real Claude CLI is needed: set CLAUDE_PATH or install claude-agent-sdk."
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "sample"
    sample.ensure_sample_project(folder, {"PATH": PATH})
    return folder


@pytest.fixture
def api(project: Path) -> Iterator[MessagesApi]:
    with MessagesApi(demo_scenes(project)) as running:
        yield running


@pytest.fixture
def talk(claude_binary: str, tmp_path: Path) -> Iterator[Talk]:
    """Start conversations, each with its own home and config folder; end them afterwards."""
    with conversations(claude_binary, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def shared_talk(claude_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """The same, for conversations of several tests."""
    with conversations(claude_binary, tmp_path_factory.mktemp("talk")) as start:
        yield start


@contextmanager
def conversations(claude_binary: str, folder: Path) -> Iterator[Talk]:
    started: list[Conversation] = []

    def start(
        base_url: str, cwd: Path, changes: Mapping[str, str | None] | None = None
    ) -> Conversation:
        home = folder / f"home{len(started)}"
        home.mkdir()
        env: dict[str, str | None] = {
            "PATH": PATH,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "CLAUDE_CONFIG_DIR": str(home / "claude"),
            "ANTHROPIC_BASE_URL": base_url,
            "ANTHROPIC_API_KEY": "dummy",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            **(changes or {}),
        }
        argv = [
            claude_binary,
            "-p",
            *("--input-format", "stream-json", "--output-format", "stream-json"),
            *("--verbose", "--include-partial-messages", "--replay-user-messages"),
            *("--permission-prompt-tool", "stdio", "--session-id", str(uuid.uuid4())),
        ]
        given = {name: value for name, value in env.items() if value is not None}
        started.append(Conversation(argv, cwd, given, home / "stderr"))
        return started[-1]

    yield start
    for conversation in started:
        conversation.close()
