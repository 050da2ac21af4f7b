"""A hostile project at the pages through which a prompt reaches the real Claude."""

from __future__ import annotations

import json
import re
import uuid
from html import unescape
from pathlib import Path

import requests

from tests.security.projects.hostile_project import HostileProject
from tests.security.projects.trust_doors.deciding import (
    HOOK_RUNS,
    SENTENCE,
    is_trusted,
    keep_hooks_only,
    old_session,
)
from tests.support.cli.sessions import OpenSession
from tests.support.server import Server


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
