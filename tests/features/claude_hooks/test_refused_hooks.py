"""A hook with a fault, one that is tried, and a file that is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.features.claude_hooks.hooks import USER, add, address_of, content, fields, opened, rows
from tests.support.apps.local_server import LocalServer, files_alone
from tests.support.pages import dom


@pytest.mark.usefixtures("no_word_of_the_cli")
@pytest.mark.parametrize(
    ("kind", "typed", "reason"),
    [
        ("command", {"event": "Stop", "hook-command": "if true; then"}, "bash cannot read it"),
        ("command", {"event": "Stop", "hook-command": "sudo rm -rf /"}, "deletes a whole folder"),
        ("command", {"event": "", "hook-command": "date"}, "Choose the event"),
        ("command", {"event": "Stop", "hook-command": ""}, "“Command” must not be empty."),
        ("http", {"event": "Stop", "hook-url": "ftp://a.example"}, "with http:// or https://"),
        ("mcp_tool", {"event": "Stop", "hook-server": "s"}, "“Tool” must not be empty."),
    ],
)
def test_hook_with_a_fault_is_refused_and_its_words_stay_in_the_form(
    server: LocalServer, user_file: Path, kind: str, typed: dict[str, str], reason: str
) -> None:
    before = user_file.read_text()
    answer = add(server, kind, **typed)
    assert answer.status_code == 422
    assert reason in dom.parse(answer.text).text
    kept = fields(answer.text)
    assert {name: kept[name] for name in typed} == typed
    assert user_file.read_text() == before


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_warned_of_hook_is_saved_on_a_second_press_and_a_check_saves_nothing(
    server: LocalServer, user_file: Path
) -> None:
    typed = {"event": "Stop", "hook-command": "sudo true"}
    before = user_file.read_text()
    checked = add(server, "command", **typed, act="check")
    assert checked.status_code == 200
    assert user_file.read_text() == before
    assert server.post("/claude/hooks/new", {**fields(checked.text), "act": "anyway"}).ok
    assert content(user_file)["hooks"]["Stop"] == [
        {"hooks": [{"type": "command", "command": "sudo true"}]}
    ]


def test_address_that_is_not_allowed_is_named_where_it_stands(
    server: LocalServer, user_file: Path
) -> None:
    allowed = {"allowedHttpHookUrls": ["https://b.example/*"]}
    user_file.write_text(json.dumps({**USER, **allowed}))
    sentence = "allowedHttpHookUrls does not have its address"
    with files_alone():
        assert add(server, "http", event="Stop", **{"hook-url": "https://b.example/x"}).ok
    (row,) = [row for row in rows(server) if sentence in row]
    assert "a.example" in row
    page = server.get(address_of(server, "a.example"))
    assert sentence in page.text


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_hook_is_tried_only_on_a_press_with_the_sample_in_the_folder(
    server: LocalServer, user_file: Path, project: str
) -> None:
    script = "cat > sample.json; echo no >&2; exit 2"
    typed = {"event": "PreToolUse", "matcher": "Edit|Write", "hook-command": script}
    assert add(server, "command", project, **typed, scope="local").status_code == 303
    address = address_of(server, "sample.json", folder=project).replace("/hook?", "/try?")
    trace = Path(project) / "sample.json"
    trace.unlink(missing_ok=True)
    form = opened(server, address)
    assert json.loads(form["sample"])["tool_name"] == "Edit"
    assert not trace.exists()
    sample = form["sample"].replace('"Edit"', '"Write"')
    words = dom.parse(server.post("/claude/hooks/try", {**form, "sample": sample}).text).text
    assert json.loads(trace.read_text())["tool_name"] == "Write"
    assert "The tool call is blocked, and Claude reads the error." in words
    assert "Exit code 2" in words
    refused = server.post("/claude/hooks/try", {**form, "sample": "{"})
    assert refused.status_code == 422
    assert "The sample is no valid JSON" in refused.text


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_nothing_of_a_project_that_is_not_trusted_is_run(
    server: LocalServer, user_file: Path, tmp_path: Path
) -> None:
    folder = server.sandbox.project / "foreign"
    (folder / ".claude").mkdir(parents=True)
    trace = tmp_path / "trace"
    hook = {"type": "command", "command": f"touch {trace}"}
    settings = folder / ".claude" / "settings.json"
    settings.write_text(json.dumps({"hooks": {"Stop": [{"hooks": [hook]}]}}))
    try:
        address = address_of(server, "touch", folder=str(folder))
        form = opened(server, address.replace("/hook?", "/try?"))
        answer = server.post("/claude/hooks/try", form)
        assert answer.status_code == 422
        assert "not trusted" in answer.text
        assert not trace.exists()
    finally:
        shutil.rmtree(folder)


@pytest.mark.usefixtures("no_word_of_the_cli")
@pytest.mark.parametrize(
    "path", ["/claude/hooks", "/claude/hooks/add?event=Stop", "/claude/hooks/new?starter=tests"]
)
def test_page_answers_without_a_file_and_refuses_a_folder_that_is_none(
    server: LocalServer, path: str
) -> None:
    (server.sandbox.config_dir / "settings.json").unlink(missing_ok=True)
    assert server.get(path).status_code == 200
    joint = "&" if "?" in path else "?"
    assert server.get(f"{path}{joint}folder=/etc").status_code == 422


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_file_that_is_no_json_is_named_and_left_alone(server: LocalServer, user_file: Path) -> None:
    user_file.write_text("{ broken")
    assert "It is not valid JSON" in server.get("/claude/hooks").text
    typed = {"event": "Stop", "hook-command": "date"}
    assert add(server, "command", **typed).status_code == 422
    assert user_file.read_text() == "{ broken"
