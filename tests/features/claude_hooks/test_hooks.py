"""The pages of the hooks, with the real CLI as witness: it lists what is written, and runs it."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from tests.features.claude_hooks.hooks import (
    USER,
    add,
    address_of,
    content,
    fields,
    listed_by_the_cli,
    opened,
    rows,
)
from tests.support.apps.local_server import Answer, LocalServer, files_alone
from tests.support.pages import dom


def test_hooks_are_listed_by_event_with_scope_and_secrets_hidden(
    server: LocalServer, user_file: Path
) -> None:
    page = server.get("/claude/hooks").text
    assert "s3cret" not in page
    assert "k3y" not in page
    assert [" ".join(row.split()) for row in rows(server)] == [
        "true user Command · Bash",
        "https://a.example/in?key=******** user HTTP request · Bash",
    ]
    words = " ".join(dom.parse(page).text.split())
    assert "PreToolUse Before tool execution" in words
    assert "WorktreeCreate Create an isolated worktree" in words  # an event without hooks
    form = server.get(address_of(server, "a.example")).text
    assert "X-Key: ********" in form
    assert "s3cret" not in form


def test_desktop_wrote_events_in_a_shape_that_claude_does_not_read_and_this_is_not_done_here(
    server: LocalServer, user_file: Path
) -> None:
    """The desktop app wrote the hooks of events without a matcher into the event's list itself."""
    user_file.write_text(
        json.dumps({"hooks": {"Stop": [{"type": "command", "command": "by the desktop"}]}})
    )
    assert listed_by_the_cli(server) == []
    assert "Claude does not read this" in next(iter(rows(server)))
    with files_alone():
        typed = {"event": "Stop", "hook-command": "at the end", "act": "save"}
        assert add(server, "command", **typed).status_code == 303
        typed = {"event": "PreToolUse", "matcher": "Edit|Write", "hook-command": "before an edit"}
        assert add(server, "command", **typed).status_code == 303
        form = opened(server, address_of(server, "by the desktop"))
        mended = server.post("/claude/hooks/hook", {**form, "act": "mend"})
        assert mended.status_code == 303
    found = {
        (each["event"], each["matcher"], each["commandText"]) for each in listed_by_the_cli(server)
    }
    assert found == {
        ("Stop", "", "by the desktop"),
        ("Stop", "", "at the end"),
        ("PreToolUse", "Edit|Write", "before an edit"),
    }
    assert not any("does not read" in row for row in rows(server))


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_edit_keeps_unknown_keys_other_hooks_and_the_secret(
    server: LocalServer, user_file: Path
) -> None:
    form = opened(server, address_of(server, "true user"))
    form |= {"hook-command": "date\r\nuptime", "hook-timeout": "7", "hook-async": "on"}
    assert server.post("/claude/hooks/hook", form).status_code == 303
    form = opened(server, address_of(server, "a.example"))
    form |= {"hook-headers": "X-Key: ********\r\nX-More: 1", "hook-timeout": "2.5"}
    assert server.post("/claude/hooks/hook", {**form, "act": "anyway"}).status_code == 303
    expected = json.loads(json.dumps(USER))
    command, http = expected["hooks"]["PreToolUse"][0]["hooks"]
    command |= {"command": "date\nuptime", "timeout": 7, "async": True}
    http |= {"headers": {"X-Key": "s3cret", "X-More": "1"}, "timeout": 2.5}
    assert content(user_file) == expected
    assert user_file.read_text().startswith('{\n    "model"')


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_hook_is_removed_alone(server: LocalServer, user_file: Path) -> None:
    form = opened(server, address_of(server, "true user"))
    assert server.post("/claude/hooks/hook", {**form, "act": "remove"}).status_code == 303
    expected = json.loads(json.dumps(USER))
    del expected["hooks"]["PreToolUse"][0]["hooks"][0]
    assert content(user_file) == expected


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_file_that_changed_meanwhile_is_not_overwritten_and_the_words_are_kept(
    server: LocalServer, user_file: Path
) -> None:
    form = opened(server, address_of(server, "true user"))
    form |= {"hook-command": "mine"}
    other = json.loads(json.dumps(USER))
    other["hooks"]["PreToolUse"].insert(0, {"hooks": [{"type": "command", "command": "theirs"}]})
    user_file.write_text(json.dumps(other))
    for act in ("save", "remove"):
        answer = server.post("/claude/hooks/hook", {**form, "act": act})
        assert answer.status_code == 409
        assert "settings.json has changed since you opened it." in answer.text
        assert content(user_file) == other
        assert "s3cret" not in answer.text
    answer = server.post("/claude/hooks/hook", form)
    assert "theirs" in answer.text
    again = fields(answer.text)
    assert again["hook-command"] == "mine"
    assert server.post("/claude/hooks/hook", again).status_code == 303
    other["hooks"]["PreToolUse"][1]["hooks"][0]["command"] = "mine"
    assert content(user_file) == other


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_hook_that_somebody_removed_meanwhile_leads_to_the_list(
    server: LocalServer, user_file: Path
) -> None:
    address = address_of(server, "true user")
    form = opened(server, address)
    user_file.write_text("{}")
    gone = server.get(address)
    assert gone.url.endswith("/claude/hooks")
    assert server.post("/claude/hooks/hook", form).status_code == 409
    assert server.post("/claude/hooks/hook", {**form, "act": "remove"}).status_code == 303
    assert user_file.read_text() == "{}"


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_all_hooks_are_switched_off_and_on_again(server: LocalServer, user_file: Path) -> None:
    def press(hooks: str) -> Answer:
        page = dom.parse(server.get("/claude/hooks").text)
        revision = next(
            each.attributes["value"]
            for each in page.walk()
            if each.attributes.get("name") == "revision_user"
        )
        form = {"scope": "user", "hooks": hooks, "revision_user": str(revision)}
        return server.post("/claude/hooks/switch", form)

    assert press("off").status_code == 303
    assert content(user_file) == {**USER, "disableAllHooks": True}
    assert "All hooks are off" in server.get("/claude/hooks").text
    assert press("on").status_code == 303
    assert content(user_file) == USER
    stale = {"scope": "user", "hooks": "off", "revision_user": "0" * 16}
    assert server.post("/claude/hooks/switch", stale).status_code == 409


@pytest.mark.usefixtures("no_word_of_the_cli")  # it runs them
def test_hooks_written_here_run_in_a_session_and_need_no_trust_of_their_own(
    server: LocalServer, user_file: Path, project: str, claude: Path
) -> None:
    user_file.write_text("{}")
    begun, touched = Path(project) / "begun", Path(project) / "touched"
    block = "echo 'Not on Sundays' >&2; exit 2"
    for typed in (
        {"event": "SessionStart", "hook-command": f"touch {begun}; echo 'It is Sunday'"},
        {"event": "PreToolUse", "matcher": "Bash", "hook-command": block},
    ):
        assert add(server, "command", project, **typed, scope="project").status_code == 303
    assert "not trusted" not in server.get("/claude/hooks", params={"folder": project}).text
    step = ToolUse("Bash", {"command": f"touch {touched}", "description": "Touch it"})
    with MessagesApi([Scene("touch", "touch", [step, Text("Done.")])]) as api:
        environment = {**server.sandbox.environment(api.url), "IS_SANDBOX": "1"}
        argv = [str(claude), "-p", "touch", "--session-id", str(uuid.uuid4())]
        argv += ["--allowed-tools", "Bash"]
        subprocess.run(
            argv,
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=90,
            check=True,
        )
        sent = json.dumps(api.requests)
    assert begun.exists()
    assert not touched.exists()
    assert "It is Sunday" in sent
    assert "Not on Sundays" in sent
