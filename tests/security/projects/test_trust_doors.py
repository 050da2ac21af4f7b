"""A hostile project at every endpoint through which a prompt reaches the real Claude."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from opcode_htmx.engines.claude.demo.messages_api import (
    MessagesApi,
    Scene,
    Text,
    ToolUse,
)
from opcode_htmx.engines.claude.files.folder_names import claude_folder
from tests.security.projects.hostile_project import HostileProject, make_hostile
from tests.support.cli.sessions import OpenSession
from tests.support.clients.json_client import JsonClient, connected
from tests.support.environment import (
    PASSWORD,
    USER,
    Sandbox,
    Server,
    until,
)
from tests.support.pages.browser import Phone

SENTENCE = "nobody has trusted them yet"
HOOK_RUNS = {"hook-SessionStart", "hook-UserPromptSubmit"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("trust") / "home").make()


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[MessagesApi]:
    """The API that a hostile project names."""
    with MessagesApi((Scene("any", "", [Text("Taken.")]),)) as running:
        yield running


@pytest.fixture(scope="module")
def server(home: Sandbox, claude: Path) -> Iterator[Server]:
    scenes = (
        Scene("run", "run it", [ToolUse("Bash", {"command": "touch made"}), Text("Done.")]),
        Scene("any", "", [Text("Yes.")]),
    )
    with ExitStack() as stack:
        api = stack.enter_context(MessagesApi(scenes))
        made = Server(home, claude, api.url, OPCODE_TASK_FOLDER=str(home.project))
        stack.callback(made.close)
        yield made.start()


@pytest.fixture
def hostile(server: Server, elsewhere: MessagesApi) -> HostileProject:
    """A project of this test's own, in a folder that was never trusted."""
    name = uuid.uuid4().hex[:8]
    folder = server.sandbox.home / "work" / name
    folder.mkdir(parents=True)
    return make_hostile(folder, server.sandbox.home / "traces" / name, elsewhere.url)


@pytest.fixture
def untouched(hostile: HostileProject, elsewhere: MessagesApi) -> Iterator[HostileProject]:
    """The same; at the end nothing of it may have run, nor its API have been asked."""
    before = len(elsewhere.requests)
    yield hostile
    assert hostile.ran() == set()
    assert len(elsewhere.requests) == before


def first_prompt(server: Server, folder: Path, text: str = "hello") -> requests.Response:
    ids = {"session_id": str(uuid.uuid4()), "prompt_id": str(uuid.uuid4())}
    return server.post("/sessions", {**ids, "folder": str(folder), "prompt": text})


def fields_of(page: str) -> dict[str, str]:
    """The fields of the page's form, without the decision."""
    pairs = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    return {name: unescape(value) for name, value in pairs}


def decide(server: Server, address: str, decision: str, **changed: str) -> requests.Response:
    """Send the form of the page for the decision; browsers follow 307 with the same POST."""
    form = {**fields_of(server.get(address).text), "decision": decision, **changed}
    answer = server.post(address.partition("?")[0], form)
    if answer.status_code != 307:
        return answer
    return server.post(answer.headers["Location"], form)


def session_at(server: Server, answer: requests.Response) -> OpenSession:
    assert answer.status_code == 303, answer.text
    return OpenSession(server, answer.headers["Location"])


def is_trusted(server: Server, folder: Path) -> bool:
    path = server.sandbox.config_dir / ".claude.json"
    content = json.loads(path.read_bytes()) if path.exists() else {}
    return bool(content.get("projects", {}).get(str(folder), {}).get("hasTrustDialogAccepted"))


def keep_hooks_only(hostile: HostileProject) -> None:
    """Let Claude talk to the API of the tests, and not wait for a server."""
    path = hostile.folder / ".claude" / "settings.json"
    path.write_text(json.dumps({"hooks": json.loads(path.read_bytes())["hooks"]}))
    (hostile.folder / ".mcp.json").unlink()


# --- pages ----------------------------------------------------------------------------------


def test_a_first_prompt_leads_to_a_list_and_nothing_runs(
    server: Server, untouched: HostileProject
) -> None:
    answer = first_prompt(server, untouched.folder, "prune the trees")
    assert answer.status_code == 303
    address = answer.headers["Location"]
    assert address.startswith("/new/trust?")
    page = server.get(address).text
    assert SENTENCE in page
    assert untouched.command("hook-Stop") in page
    assert 'name="folder"' in page
    assert "prune the trees" in server.get("/new").text, "Cancel leads back to the words"
    assert not any(
        untouched.folder == Path(each["project_path"])
        for each in server.get("/api/sessions/running").json()["data"]
    )


def test_without_project_settings_no_process_runs_anything_of_the_project(
    server: Server, untouched: HostileProject
) -> None:
    address = first_prompt(server, untouched.folder).headers["Location"]
    session = session_at(server, decide(server, address, "without"))
    session.answered()
    session.stop()
    session.prompt("and on")
    assert "without the project’s settings" in session.page()
    assert not is_trusted(server, untouched.folder)
    session.stop()
    session.post("options", project_settings="", was_project_settings="without")
    answer = session.post("prompt", prompt="and on", prompt_id=str(uuid.uuid4()))
    assert "/trust" in answer.headers["Location"]


def test_trust_is_stored_with_claude_and_starts_it_with_what_was_trusted_and_nothing_newer(
    server: Server, hostile: HostileProject
) -> None:
    keep_hooks_only(hostile)
    address = first_prompt(server, hostile.folder).headers["Location"]
    session = session_at(server, decide(server, address, "trust"))
    session.answered()
    assert hostile.ran() >= HOOK_RUNS
    assert is_trusted(server, hostile.folder)
    session.stop()
    path = hostile.folder / ".claude" / "settings.local.json"
    path.write_text(json.dumps({"hooks": {"Stop": [{"command": hostile.command("added")}]}}))
    answer = session.post("prompt", prompt="and on", prompt_id=str(uuid.uuid4()))
    assert answer.status_code == 303
    page = server.get(answer.headers["Location"]).text
    assert "have changed since it was trusted" in page
    assert hostile.command("added") in page
    assert hostile.command("hook-Stop") not in page
    path.unlink()
    session.prompt("and on")  # no question


def test_a_list_that_changes_while_it_is_read_is_shown_again(
    server: Server, untouched: HostileProject
) -> None:
    address = first_prompt(server, untouched.folder).headers["Location"]
    fields = fields_of(server.get(address).text)
    (untouched.folder / ".claude" / "commands" / "more.md").write_text("!`date`")
    answer = decide(server, address, "trust", digest=fields["digest"])
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/new/trust?")
    assert "The files changed while you read." in server.get(answer.headers["Location"]).text
    assert not is_trusted(server, untouched.folder)


def old_session(server: Server, folder: Path) -> OpenSession:
    """A terminal session without a prompt from here."""
    session_id = str(uuid.uuid4())
    message = {"role": "user", "content": "hello"}
    entry = {"type": "user", "uuid": str(uuid.uuid4()), "message": message}
    line = {**entry, "cwd": str(folder), "sessionId": session_id}
    place = server.sandbox.config_dir / "projects" / claude_folder(folder)
    place.mkdir(parents=True)
    (place / f"{session_id}.jsonl").write_text(json.dumps(line) + "\n")
    return OpenSession(server, f"/projects/{place.name}/sessions/{session_id}")


def test_a_page_of_an_old_session_asks_for_models_and_runs_nothing(
    server: Server, untouched: HostileProject
) -> None:
    session = old_session(server, untouched.folder)
    session.page()
    server.get("/new", params={"folder": str(untouched.folder)})
    server.get("/new/options")
    session.get("complete?q=/")
    answer = session.post("prompt", prompt="go on", prompt_id=str(uuid.uuid4()))
    assert "/trust" in answer.headers["Location"]
    assert "go on" in session.page(), "the words are in the composer"


def test_a_decision_is_one_of_two_and_a_page_that_was_left_open_takes_none_back(
    server: Server, untouched: HostileProject
) -> None:
    address = first_prompt(server, untouched.folder).headers["Location"]
    form = fields_of(server.get(address).text)
    assert decide(server, address, "maybe").status_code == 422
    session = session_at(server, decide(server, address, "without"))
    session.answered()
    late = server.post("/new/trust", {**form, "decision": "trust"})
    assert session_at(server, late).address == session.address
    assert not is_trusted(server, untouched.folder)
    assert "without the project’s settings" in session.page()
    gone = server.get(address, allow_redirects=False)
    assert (gone.status_code, gone.headers["Location"]) == (303, "/new")
    empty = session.post("trust", decision="trust", digest=form["digest"])
    assert session_at(server, empty).address == session.address
    assert not is_trusted(server, untouched.folder)

    redirects_locally(session)
    can_be_taken_back_and_made_again(session)


def redirects_locally(session: OpenSession) -> None:
    """The form of a decision leads to no other site, and to no address that ends something."""
    elsewhere = ("https://elsewhere.example", "//elsewhere.example", "//runs/x/prompts/y/again")
    for then in (*elsewhere, "/logout", "/sessions"):
        form = {"decision": "without", "then": then}
        assert session.post("trust", **form).status_code == 422, then


def can_be_taken_back_and_made_again(session: OpenSession) -> None:
    """The choice against the project's settings is one of the session's options."""
    session.post("options", project_settings="", was_project_settings="without")
    assert "with the project’s settings from the next start" in session.page()
    session.post("options", project_settings="without", was_project_settings="")
    assert "from the next start" not in session.page()
    assert "without the project’s settings" in session.page()
    odd = session.post("options", project_settings="x", was_project_settings="")
    assert odd.status_code == 422


def test_a_project_with_more_than_can_be_shown_cannot_be_trusted_from_here(
    server: Server, untouched: HostileProject
) -> None:
    commands = untouched.folder / ".claude" / "commands"
    for number in range(20):
        (commands / f"{number}.md").write_text(f"!`echo {'x' * 9_000} {number}`")
    address = first_prompt(server, untouched.folder).headers["Location"]
    page = server.get(address).text
    assert "cannot be trusted here" in page
    assert 'value="trust"' not in page
    assert len(page) < 300_000
    assert decide(server, address, "trust").status_code == 422
    assert not is_trusted(server, untouched.folder)


# --- programs -------------------------------------------------------------------------------


def execute(server: Server, folder: Path, **more: Any) -> requests.Response:
    body = {"project_path": str(folder), "prompt": "hello", **more}
    url = f"{server.url}/api/sessions/execute"
    return requests.post(url, json=body, auth=(USER, PASSWORD), timeout=20)


def test_rest_refuses_with_the_list_and_takes_the_decision(
    server: Server, untouched: HostileProject
) -> None:
    refusal = execute(server, untouched.folder)
    assert refusal.status_code == 409
    found = refusal.json()
    assert SENTENCE in found["error"]
    assert found["trust"]["folder"] == str(untouched.folder)
    listed = {(item["kind"], item["name"]): item["text"] for item in found["trust"]["items"]}
    assert listed["hook", "Stop"] == untouched.command("hook-Stop")
    assert not is_trusted(server, untouched.folder)
    assert execute(server, untouched.folder, trust=True, untrusted=True).status_code == 422
    started = execute(server, untouched.folder, untrusted=True)
    assert started.status_code == 202
    ends_turn(server, started.json()["data"]["session_id"])


def ends_turn(server: Server, session_id: str) -> None:
    def lines() -> str:
        return server.get(f"/api/sessions/{session_id}/output").text

    until(lambda: '\\"type\\":\\"result\\"' in lines(), "the turn ends")


def test_rest_starts_with_the_settings_of_a_project_that_it_says_to_trust(
    server: Server, hostile: HostileProject
) -> None:
    keep_hooks_only(hostile)
    started = execute(server, hostile.folder, trust=True)
    assert started.status_code == 202
    until(lambda: hostile.ran() >= HOOK_RUNS, "its hooks run")
    assert is_trusted(server, hostile.folder)


def test_the_command_socket_refuses_with_the_list_and_takes_the_decision(
    server: Server, untouched: HostileProject
) -> None:
    with connected(server) as client:
        command = {"command_type": "execute", "project_path": str(untouched.folder)}
        client.send(**command, prompt="hello")
        refusal = client.until("error")
        assert SENTENCE in refusal["message"]
        assert refusal["trust"]["items"]
        client.send(**command, prompt="hello", untrusted=True)
        assert client.until("completion")["status"] == "success"


def test_a_chat_refuses_with_the_list_and_takes_the_decision(
    server: Server, untouched: HostileProject
) -> None:
    chats = f"{server.url}/api/claude/sessions"
    body = {"workingDir": str(untouched.folder)}
    made = requests.post(chats, json=body, auth=(USER, PASSWORD), timeout=20)
    path = f"/api/claude/sessions/{made.json()['data']['id']}/chat"
    with connected(server, path) as client:
        client.send(type="user_message", content="hello")
        assert client.until("error")["trust"]["items"]
        client.send(type="user_message", content="hello", untrusted=True)
        client.until(lambda message: "Yes." in json.dumps(message))


def test_a_task_in_a_hostile_folder_is_refused_with_the_list(
    server: Server, tmp_path: Path
) -> None:
    hostile = make_hostile(server.sandbox.project, tmp_path / "traces")
    with connected(server) as client:
        client.send(prompt="hello", meta="TASK-1")
        frames = [json.loads(frame) for frame in client.frames()]
        assert client.code == 1008
    assert frames[-1]["trust"]["items"]
    assert done_task(server, untrusted=True) == 1000
    assert hostile.ran() == set()


def done_task(server: Server, **choice: bool) -> int:
    with connected(server) as client:
        client.send(prompt="hello", meta="TASK-1", **choice)
        client.frames()
        return client.code


# --- rules that a person allows -------------------------------------------------------------


def test_rule_allowed_for_the_project_is_not_asked_again_after_a_restart(
    server: Server,
) -> None:
    folder = server.sandbox.home / "work" / uuid.uuid4().hex
    settings = folder / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"env": {"TREES": "many"}}))
    with connected(server) as client:
        session_id = started_session(client, folder, "run it", trust=True)
        ask = client.until("permission_request")
        local = [
            number
            for number, each in enumerate(ask["suggestions"])
            if each.get("destination") == "localSettings"
        ]
        assert local, ask
        client.send(
            command_type="permission",
            request_id=ask["request_id"],
            decision="allow",
            suggestions=local,
        )
        client.until("completion")
        client.send(command_type="cancel", session_id=session_id)
        client.until(lambda message: "Stopped by you" in json.dumps(message))
        assert "Bash(" in (folder / ".claude" / "settings.local.json").read_text()
        client.send(
            command_type="resume",
            project_path=str(folder),
            session_id=session_id,
            prompt="hello",
        )
        answer = client.until(lambda message: message["type"] in ("start", "error"))
        assert answer["type"] == "start", answer


def started_session(client: JsonClient, folder: Path, prompt: str, **more: bool) -> str:
    client.send(command_type="execute", project_path=str(folder), prompt=prompt, **more)
    return str(client.until("start")["session_id"])


# --- in a browser ---------------------------------------------------------------------------


@pytest.mark.browser
def test_a_person_reads_the_list_and_goes_back_or_starts_without_it(
    server: Server, untouched: HostileProject, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(server)
    page = phone.page
    page.goto(f"/new?folder={untouched.folder}")
    page.get_by_role("textbox", name="Prompt").fill("prune the trees")
    phone.button("Send").click()
    expect(page.get_by_role("heading", name="Trust this project?")).to_be_visible()
    expect(page.get_by_text(untouched.command("hook-Stop"))).to_be_visible()
    page.wait_for_load_state()  # without its styles, a page is wide
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("prune the trees")
    phone.button("Send").click()
    phone.button("Start without the project’s settings").click()
    page.wait_for_url("**/sessions/**")
    expect(page.get_by_role("log")).to_contain_text("Yes.")


@pytest.mark.browser
def test_a_prompt_in_an_old_session_waits_in_the_composer_for_the_decision(
    server: Server, untouched: HostileProject, open_phone: Callable[..., Phone]
) -> None:
    phone = open_phone(server)
    page = phone.page
    phone.forgiven.append("409")
    page.goto(old_session(server, untouched.folder).address)
    page.get_by_role("textbox", name="Prompt").fill("and the hedge")
    phone.button("Send").click()
    expect(page.get_by_role("heading", name="Trust this project?")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("and the hedge")
    phone.button("Send").click()
    phone.button("Start without the project’s settings").click()
    expect(page.get_by_role("log")).to_contain_text("Yes.")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("")
