"""The scenarios of the demo, played by the real CLI."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo import sample, scenarios, sse
from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Request, ToolUse
from opcode_htmx.engines.claude.demo.scenarios import SUGGESTIONS, demo_scenes
from tests.engines.demo.conversation import (
    PATH,
    Conversation,
    Talk,
    asking,
    deltas,
    eventually,
    said,
)
from tests.support.plain_git import GIT


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "sample"


@pytest.fixture
def project(shared_project: Path) -> Path:
    """The sample project as it is at first."""
    shutil.rmtree(shared_project, ignore_errors=True)
    sample.ensure_sample_project(shared_project, {"PATH": PATH})
    return shared_project


@pytest.fixture(scope="module")
def api(shared_project: Path) -> Iterator[MessagesApi]:
    with MessagesApi(demo_scenes(shared_project)) as running:
        yield running


@pytest.fixture(scope="module")
def started() -> list[Conversation]:
    return []


@pytest.fixture
def claude(
    shared_talk: Talk, api: MessagesApi, project: Path, started: list[Conversation]
) -> Conversation:
    """The conversation of the test before, unless that has left it in the middle of a turn."""
    if not started or not started[-1].is_idle:
        started.append(shared_talk(api.url, project))
    return started[-1]


def test_every_suggested_prompt_has_a_scene_of_its_own(project: Path) -> None:
    stage = demo_scenes(project)
    chosen = [next(s.name for s in stage if s.is_for(x.prompt_text)) for x in SUGGESTIONS]
    assert len(set(chosen)) == len(SUGGESTIONS)
    assert stage[-1].name not in chosen


def test_the_markdown_answer_streams_in_pieces(claude: Conversation) -> None:
    claude.prompt(scenarios.OVERVIEW.prompt_text)
    turn = claude.turn()
    pieces = deltas(turn)
    assert len(pieces) > 100
    assert "".join(pieces) == said(turn)
    for mark in ("# ", "## ", "\n- ", "\n| ", "\n```sh", "\n> ", "](https://"):
        assert mark in said(turn)
    assert turn[-1]["is_error"] is False


def test_an_allowed_tool_makes_the_file(claude: Conversation, project: Path) -> None:
    claude.prompt(scenarios.RUN_TOOL.prompt_text)
    request = claude.asked("Bash")
    assert not (project / "report.txt").exists()
    claude.allow(request)
    turn = claude.turn()
    assert (project / "report.txt").read_text().startswith("README.md: ")
    assert said(turn).startswith("Done")


def test_a_denied_tool_is_answered_and_runs_nothing(claude: Conversation, project: Path) -> None:
    claude.prompt(scenarios.RUN_TOOL.prompt_text)
    claude.deny(claude.asked("Bash"))
    assert "I have not run it" in said(claude.turn())
    assert not (project / "report.txt").exists()


def test_from_another_folder_the_tool_still_works_in_the_sample(
    project: Path, tmp_path: Path
) -> None:
    system = [{"type": "text", "text": f"# Env\n - Primary working directory: {tmp_path}\n"}]
    request = Request.parse(asking(scenarios.RUN_TOOL.prompt_text, system=system))
    scene = next(each for each in demo_scenes(project) if each.is_for(request.prompt))
    turn = scene.reply(request)
    assert isinstance(turn, tuple)
    (call,) = (step for step in turn if isinstance(step, ToolUse))
    subprocess.run(["/bin/sh", "-c", call.input["command"]], cwd=tmp_path, check=True)
    assert (project / "report.txt").exists()
    assert not list(tmp_path.iterdir())


def test_the_edit_gives_a_diff_and_repairs_the_sample(claude: Conversation, project: Path) -> None:
    claude.prompt(scenarios.EDIT_FILE.prompt_text)
    claude.allow(claude.asked("Edit"))
    turn = claude.turn()
    results = [m["tool_use_result"] for m in turn if "tool_use_result" in m]
    lines = results[-1]["structuredPatch"][0]["lines"]
    assert f"-{sample.FLAW.rstrip()}" in lines
    assert f"+{sample.FIX.rstrip()}" in lines
    assert said(turn).startswith("Fixed")
    unittest = subprocess.run(
        [sys.executable, "-m", "unittest"], cwd=project, env={}, capture_output=True, check=False
    )
    assert unittest.returncode == 0, unittest.stderr.decode()


def test_a_bug_that_is_fixed_is_put_back_for_another_try(
    claude: Conversation, project: Path
) -> None:
    app = project / "app.py"
    before = app.read_text()
    app.write_text(before.replace(sample.FLAW, sample.FIX))
    claude.prompt(scenarios.EDIT_FILE.prompt_text)
    claude.allow(claude.asked("Edit"))
    assert "The bug is back" in said(claude.turn())
    assert app.read_text() == before


def test_a_sample_without_its_bug_is_left_alone(claude: Conversation, project: Path) -> None:
    (project / "app.py").write_text("print('mine')\n")
    claude.prompt(scenarios.EDIT_FILE.prompt_text)
    assert "I do not find the bug" in said(claude.turn())


def test_a_denied_edit_changes_nothing_and_can_be_asked_for_again(
    claude: Conversation, project: Path
) -> None:
    before = (project / "app.py").read_text()
    for _ in range(2):
        claude.prompt(scenarios.EDIT_FILE.prompt_text)
        claude.deny(claude.asked("Edit"))
        assert "stays as it was" in said(claude.turn())
    assert (project / "app.py").read_text() == before


@pytest.mark.parametrize("label", ["At home", "On the road", "At the desk"])
def test_the_question_is_answered_by_the_choice(claude: Conversation, label: str) -> None:
    claude.prompt(scenarios.ASK_ME.prompt_text)
    request = claude.asked("AskUserQuestion")
    (question,) = request["request"]["input"]["questions"]
    assert label in [option["label"] for option in question["options"]]
    claude.allow(request, answers={question["question"]: label})
    assert said(claude.turn()).startswith(f"**{label}**")


def test_a_question_may_be_answered_freely_or_not_at_all(claude: Conversation) -> None:
    claude.prompt(scenarios.ASK_ME.prompt_text)
    request = claude.asked("AskUserQuestion")
    question = request["request"]["input"]["questions"][0]["question"]
    claude.allow(request, answers={question: "In a boat"})
    assert said(claude.turn()).startswith("Thank you")
    claude.prompt(scenarios.ASK_ME.prompt_text)
    claude.deny(claude.asked("AskUserQuestion"))
    assert said(claude.turn()).startswith("No answer")


def test_the_long_answer_is_interrupted_and_claude_stays_usable(
    claude: Conversation, api: MessagesApi
) -> None:
    claude.prompt(scenarios.TOUR.prompt_text)
    claude.until(lambda m: len(deltas([m])) == 1)
    claude.send(
        {"type": "control_request", "request_id": "stop", "request": {"subtype": "interrupt"}}
    )
    interrupted = claude.turn()
    assert len(deltas(interrupted)) < 50
    eventually(lambda: api.active == 0, "the API gives up the interrupted answer")
    claude.prompt(scenarios.OVERVIEW.prompt_text)
    assert said(claude.turn()).startswith("# Claude Code")


def test_the_long_answer_lasts_about_two_minutes(project: Path) -> None:
    request = Request.parse(asking(scenarios.TOUR.prompt_text))
    scene = next(s for s in demo_scenes(project) if s.is_for(request.prompt))
    turn = scene.reply(request)
    assert isinstance(turn, tuple)
    assert 110 < sum(e.pace or 0 for e in sse.events(turn, "m", 1)) < 130


def test_unknown_prompt_is_answered_with_suggestions(claude: Conversation) -> None:
    claude.prompt("Please write me a sonnet")
    answer = said(claude.turn())
    assert "demo" in answer
    assert all(suggestion.prompt_text in answer for suggestion in SUGGESTIONS)


def test_the_sample_is_completed_but_never_overwritten(project: Path) -> None:
    (project / "README.md").write_text("mine")
    (project / "app.py").unlink()
    sample.ensure_sample_project(project, {"PATH": PATH})
    assert (project / "README.md").read_text() == "mine"
    assert sample.FLAW in (project / "app.py").read_text()


def test_the_sample_is_a_git_repository_whose_files_are_committed(project: Path) -> None:
    assert git_says(project, "status", "--porcelain") == ""
    assert git_says(project, "log", "--format=%an: %s") == "opcode demo: Reading time\n"
    (project / "app.py").write_text("mine")
    sample.ensure_sample_project(project, {"PATH": PATH})
    assert git_says(project, "status", "--porcelain") == " M app.py\n"
    assert git_says(project, "rev-list", "--count", "HEAD") == "1\n"


def test_without_git_the_sample_is_a_plain_folder(tmp_path: Path) -> None:
    sample.ensure_sample_project(tmp_path / "sample", {"PATH": "/nowhere"})
    assert {each.name for each in (tmp_path / "sample").iterdir()} == set(sample.FILES)


def git_says(folder: Path, *command: str) -> str:
    return subprocess.run(
        [*GIT, *command], cwd=folder, env={}, capture_output=True, check=True, text=True
    ).stdout


def test_the_sample_has_the_bug_that_its_test_finds(project: Path) -> None:
    unittest = subprocess.run(
        [sys.executable, "-m", "unittest"], cwd=project, env={}, capture_output=True, check=False
    )
    assert b"FAILED (failures=1)" in unittest.stderr
