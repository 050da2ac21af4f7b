"""The pages of the hooks, with the real CLI as witness: it lists what is written, and runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from tests.support.apps.local_server import Answer, LocalServer, local_server
from tests.support.environment import Sandbox
from tests.support.pages import dom
from tests.support.pages.claude_pages import data_of

pytestmark = pytest.mark.timeout(120)

HOOKS: dict[str, Any] = {
    "PreToolUse": [
        {
            "matcher": "Bash",
            "note": "kept",
            "hooks": [
                {"type": "command", "command": "true", "unheard": {"of": 1}},
                {
                    "type": "http",
                    "url": "https://a.example/in?key=k3y",
                    "headers": {"X-Key": "s3cret"},
                },
            ],
        }
    ]
}
USER = {"model": "sonnet", "hooks": HOOKS, "unknownToAll": [1]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, claude: Path) -> Iterator[LocalServer]:
    sandbox = Sandbox(tmp_path_factory.mktemp("hooks") / "home").make()
    with local_server(sandbox, claude) as server:
        yield server


@pytest.fixture
def user_file(server: LocalServer) -> Path:
    path = server.sandbox.config_dir / "settings.json"
    path.write_text(json.dumps(USER, indent=4) + "\n")
    return path


@pytest.fixture
def project(server: LocalServer) -> str:
    shutil.rmtree(server.sandbox.project / ".claude", ignore_errors=True)
    return str(server.sandbox.project)


def content(path: Path) -> Any:
    return json.loads(path.read_text())


def rows(server: LocalServer, **query: str) -> dict[str, str]:
    """The hooks in the list by the words of their rows, with their addresses."""
    answer = server.get("/claude/hooks", params=query)
    assert answer.status_code == 200
    return {
        " ".join(each.text.split()): each.attributes["href"] or ""
        for each in dom.parse(answer.text).walk()
        if each.tag == "a" and "/claude/hooks/hook?" in (each.attributes.get("href") or "")
    }


def address_of(server: LocalServer, words: str, **query: str) -> str:
    return next(address for row, address in rows(server, **query).items() if words in row)


def fields(html: str) -> dict[str, str]:
    """What a browser would send of the page's form, but for the button and the CSRF token."""
    found: dict[str, str] = {}
    form = [each for each in dom.parse(html).walk() if each.tag == "form"][-1]
    for each in form.walk():
        name, kind = each.attributes.get("name"), each.attributes.get("type")
        if not name or name == "csrf_token":
            continue
        if each.tag == "textarea":
            found[name] = each.text.removeprefix("\n")
        elif each.tag == "select":
            chosen = [o for o in each.walk() if o.tag == "option" and "selected" in o.attributes]
            found[name] = (chosen[0].attributes["value"] or "") if chosen else ""
        elif each.tag == "input" and (
            kind not in ("radio", "checkbox") or "checked" in each.attributes
        ):
            found[name] = each.attributes.get("value") or ""
    return found


def opened(server: LocalServer, address: str) -> dict[str, str]:
    answer = server.get(address)
    assert answer.status_code == 200
    return fields(answer.text)


def add(server: LocalServer, kind: str, project: str = "", **typed: str) -> Answer:
    query = f"kind={kind}" + (f"&folder={project}" if project else "")
    form = opened(server, f"/claude/hooks/new?{query}")
    return server.post("/claude/hooks/new", {**form, **typed})


def listed_by_the_cli(server: LocalServer, claude: Path, folder: Path) -> list[dict[str, Any]]:
    """The hooks in the words of a CLI of our own."""
    environment = server.sandbox.environment()
    flags = ["--input-format", "stream-json", "--output-format", "stream-json", "--verbose"]
    argv = [str(claude), "-p", *flags, "--no-session-persistence"]
    requested = {"subtype": "get_hooks_listing"}
    line = {"type": "control_request", "request_id": "r", "request": requested}
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=folder, env=environment, stdin=pipe, stdout=pipe) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(json.dumps(line).encode() + b"\n")
        child.stdin.flush()
        for each in child.stdout:
            message = json.loads(each)
            if message.get("type") == "control_response":
                break
        child.kill()
    found: list[dict[str, Any]] = message["response"]["response"]["hooks"]
    return found


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
    server: LocalServer, user_file: Path, claude: Path, project: str
) -> None:
    """The desktop app wrote the hooks of events without a matcher into the event's list itself."""
    user_file.write_text(
        json.dumps({"hooks": {"Stop": [{"type": "command", "command": "by the desktop"}]}})
    )
    assert listed_by_the_cli(server, claude, Path(project)) == []
    assert "Claude does not read this" in next(iter(rows(server)))
    typed = {"event": "Stop", "hook-command": "at the end", "act": "save"}
    assert add(server, "command", **typed).status_code == 303
    typed = {"event": "PreToolUse", "matcher": "Edit|Write", "hook-command": "before an edit"}
    assert add(server, "command", **typed).status_code == 303
    form = opened(server, address_of(server, "by the desktop"))
    mended = server.post("/claude/hooks/hook", {**form, "act": "mend"})
    assert mended.status_code == 303
    found = {
        (each["event"], each["matcher"], each["commandText"])
        for each in listed_by_the_cli(server, claude, Path(project))
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
    (row,) = [row for row in rows(server) if "a.example" in row]
    assert sentence in row
    page = server.get(address_of(server, "a.example"))
    assert sentence in page.text
    assert add(server, "http", event="Stop", **{"hook-url": "https://b.example/x"}).ok
    assert sum(sentence in row for row in rows(server)) == 1


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


# --- the API --------------------------------------------------------------------------------

CONFIG = "/api/hooks/config"


def test_api_gives_the_hooks_in_the_shape_that_claude_reads_without_their_secrets(
    server: LocalServer, user_file: Path
) -> None:
    answer = server.request("GET", CONFIG)
    assert "s3cret" not in answer.text
    assert "k3y" not in answer.text
    expected = json.loads(json.dumps(HOOKS))
    http = expected["PreToolUse"][0]["hooks"][1]
    http |= {"url": "https://a.example/in?key=********", "headers": {"X-Key": "********"}}
    assert data_of(answer)["hooks"] == expected
    listed = server.request("GET", "/api/hooks")
    assert "s3cret" not in listed.text
    assert "k3y" not in listed.text
    found = data_of(listed)
    assert [(each["event"], each["matcher"], each["source"]) for each in found["hooks"]] == [
        ("PreToolUse", "Bash", "user"),
        ("PreToolUse", "Bash", "user"),
    ]
    assert "WorktreeCreate" in [each["name"] for each in found["events"]]


def test_api_writes_hooks_that_the_cli_lists_and_keeps_all_else(
    server: LocalServer, user_file: Path, claude: Path, project: str
) -> None:
    called = {"type": "mcp_tool", "server": "s", "tool": "t", "input": {"headers": {"X": "y"}}}
    user: dict[str, Any] = {**USER, "hooks": {**HOOKS, "SessionEnd": [{"hooks": [called]}]}}
    user_file.write_text(json.dumps(user))
    found = data_of(server.request("GET", CONFIG))
    hooks = found["hooks"]
    assert hooks["SessionEnd"][0]["hooks"][0]["input"]["headers"] == {"X": "********"}
    hooks["Stop"] = [{"hooks": [{"type": "command", "command": "at the end"}]}]
    hooks["PreToolUse"][0]["hooks"].reverse()  # secrets are known again by their hook
    body = {"hooks": hooks, "revision": found["revision"]}
    saved = data_of(server.request("PUT", CONFIG, json=body))
    assert "********" in json.dumps(saved["hooks"])
    expected = json.loads(json.dumps(user))
    expected["hooks"]["PreToolUse"][0]["hooks"].reverse()
    expected["hooks"]["Stop"] = hooks["Stop"]
    assert content(user_file) == expected
    of_cli = listed_by_the_cli(server, claude, Path(project))
    assert "at the end" in [each["commandText"] for each in of_cli]
    assert server.request("PUT", CONFIG, json=body).status_code == 409
    data_of(server.request("PUT", CONFIG, json={"hooks": {}}))
    assert content(user_file) == {"model": "sonnet", "unknownToAll": [1]}


def test_api_lets_no_secret_out_to_another_address(server: LocalServer, user_file: Path) -> None:
    hooks = data_of(server.request("GET", CONFIG))["hooks"]
    before = user_file.read_text()
    http = hooks["PreToolUse"][0]["hooks"][1]
    for url in ("https://evil.example/in", "https://a.example.evil.example/in?key=********"):
        http["url"] = url
        answer = server.request("PUT", CONFIG, json={"hooks": hooks, "anyway": True})
        assert answer.status_code == 422
        assert "not in the file" in answer.json()["error"]
    assert user_file.read_text() == before


@pytest.mark.parametrize(
    ("hooks", "reason"),
    [
        ({"Stop": [{"type": "command", "command": "x"}]}, "Claude reads hooks only as"),
        ({"Stop": [{"hooks": [{"type": "unheard"}]}]}, "no such kind of hook"),
        ({"Stop": [{"hooks": [{"type": "command", "command": ""}]}]}, "must not be empty"),
        ({"Stop": [{"hooks": [{"type": "command", "command": "sudo true"}]}]}, "administrator"),
        ({"Stop": [{"hooks": [{"type": "command", "command": "if then"}]}]}, "bash cannot"),
    ],
)
def test_api_refuses_hooks_that_claude_does_not_read_and_those_that_are_dangerous(
    server: LocalServer, user_file: Path, hooks: dict[str, Any], reason: str
) -> None:
    before = user_file.read_text()
    answer = server.request("PUT", CONFIG, json={"hooks": hooks})
    assert answer.status_code == 422
    assert reason in answer.json()["error"]
    assert user_file.read_text() == before
    again = server.request("PUT", CONFIG, json={"hooks": hooks, "anyway": True})
    assert again.status_code == (200 if "concerns" in answer.json() else 422)


def test_api_checks_a_command_without_running_it(
    server: LocalServer, user_file: Path, tmp_path: Path
) -> None:
    def checked(**body: object) -> Any:
        return data_of(server.request("POST", "/api/hooks/validate", json=body))

    trace = tmp_path / "trace"
    assert checked(command=f"touch {trace}") == {
        "valid": True,
        "message": "It can be read.",
        "concerns": [],
    }
    assert not trace.exists()
    broken = checked(command="if true; then")
    assert broken["valid"] is False
    assert "syntax error" in broken["message"]
    dangerous = checked(config={"type": "command", "command": "sudo rm -rf /"}, event="Stop")
    assert dangerous["valid"] is True
    assert any("deletes a whole folder" in each for each in dangerous["concerns"])
    assert checked(config={"type": "http"})["message"] == "“Address” must not be empty."
    assert server.request("POST", "/api/hooks/validate", json={}).status_code == 422


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_api_tries_a_hook_and_switches_all_of_them(
    server: LocalServer, user_file: Path, project: str
) -> None:
    where = {"project_path": project, "scope": "local"}
    hook = {"type": "command", "command": "cat; exit 2"}
    hooks = {"PreToolUse": [{"matcher": "Edit|Write", "hooks": [hook]}]}
    data_of(server.request("PUT", CONFIG, json={"hooks": hooks, **where}))
    listed = data_of(server.request("GET", "/api/hooks", params={"project_path": project}))
    (row,) = [each for each in listed["hooks"] if each["scope"] == "local"]
    named = {**where, "event": row["event"], "id": row["id"]}
    tried = data_of(server.request("POST", "/api/hooks/try", json=named))
    assert tried["status"] == 2
    assert json.loads(tried["stdout"]) == tried["sample"]
    assert tried["sample"]["tool_name"] == "Edit"
    assert tried["sentences"] == ["The tool call is blocked, and Claude reads the error."]
    own = data_of(server.request("POST", "/api/hooks/try", json={**named, "sample": {"a": 1}}))
    assert json.loads(own["stdout"]) == {"a": 1}
    gone = server.request("POST", "/api/hooks/try", json={**named, "id": "0" * 16})
    assert gone.status_code == 404
    switched = {"enabled": False, **where}
    assert data_of(server.request("PUT", "/api/hooks/enabled", json=switched))["off_in"] == "local"
    switched = {"enabled": True, **where}
    assert data_of(server.request("PUT", "/api/hooks/enabled", json=switched))["off_in"] is None
    stale = {"enabled": False, "revision": "0" * 16}
    assert server.request("PUT", "/api/hooks/enabled", json=stale).status_code == 409
    templates = data_of(server.request("GET", "/api/hooks/templates"))
    assert "tests" in [each["name"] for each in templates]


@pytest.mark.usefixtures("no_word_of_the_cli")
def test_api_runs_nothing_of_a_project_that_is_not_trusted(
    server: LocalServer, user_file: Path, tmp_path: Path
) -> None:
    folder = server.sandbox.project / "stranger"
    (folder / ".claude").mkdir(parents=True)
    trace = tmp_path / "trace"
    hook = {"type": "command", "command": f"touch {trace}"}
    settings = folder / ".claude" / "settings.json"
    settings.write_text(json.dumps({"hooks": {"Stop": [{"hooks": [hook]}]}}))
    where = {"project_path": str(folder)}
    try:
        listed = data_of(server.request("GET", "/api/hooks", params=where))
        assert listed["is_trusted"] is False
        (row,) = [each for each in listed["hooks"] if each["scope"] == "project"]
        named = {**where, "scope": "project", "event": "Stop", "id": row["id"]}
        answer = server.request("POST", "/api/hooks/try", json=named)
        assert answer.status_code == 422
        assert "not trusted" in answer.json()["error"]
        assert not trace.exists()
    finally:
        shutil.rmtree(folder)
