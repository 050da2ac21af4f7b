"""The pages of saved prompts, and the way of a text into a composer without scripts."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opcode_htmx.engines.claude.files import history
from opcode_htmx.features.context import AppContext
from opcode_htmx.sessions.storage.drafts import MAX_TEXT, Draft, draft_name
from tests.support.apps.in_process import app_of
from tests.support.clients import api
from tests.support.environment import Sandbox, write_stand_in

SESSION = "5e551000-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = Sandbox(tmp_path_factory.mktemp("prompts") / "home").make()
    said = api.prompt("Prune the <b>pears</b>", sandbox.project)
    api.session(sandbox.config_dir, sandbox.project, said, SESSION)
    return sandbox


@pytest.fixture(scope="module")
def app(sandbox: Sandbox) -> Iterator[Flask]:
    with app_of(sandbox, write_stand_in(sandbox.home / "claude")) as app:
        yield app


@pytest.fixture
def context(app: Flask) -> AppContext:
    found: AppContext = app.extensions["opcode_context"]
    return found


@pytest.fixture(autouse=True)
def nothing_runs(context: AppContext) -> Iterator[None]:
    """Each test begins without drafts, and none has sent anything."""
    for name in (SESSION, draft_name("")):
        context.sessions.drafts.restore(name, Draft())
    yield
    assert context.runs.live() == []


@pytest.fixture
def session_page(sandbox: Sandbox) -> str:
    return f"/projects/{history.project_id(sandbox.project)}/sessions/{SESSION}"


def save(client: FlaskClient, text: str, name: str = "", folder: str = "") -> str:
    """Save a prompt by the form, and return its id."""
    known = set(ids(client))
    answer = client.post("/prompts", data={"text": text, "name": name, "folder": folder})
    assert (answer.status_code, answer.location) == (303, "/prompts")
    (new,) = set(ids(client)) - known
    return new


def ids(client: FlaskClient) -> list[str]:
    return re.findall(r'href="/prompts/saved/([0-9a-f]{32})"', client.get("/prompts").text)


def offered(answer: TestResponse) -> list[str]:
    """The texts that a list offers to insert."""
    return [
        html.unescape(each) for each in re.findall(r'name="text" value="([^"]*)"><s', answer.text)
    ]


def draft(context: AppContext, name: str = SESSION) -> str:
    return context.sessions.drafts.get(name).text


def test_a_prompt_is_added_changed_deleted_and_brought_back(
    client: FlaskClient, sandbox: Sandbox
) -> None:
    saved = save(client, "Line one\r\nline two", "My name", str(sandbox.project))
    page = client.get("/prompts").text
    assert ["My name" in page, "Line one line two" in page] == [True, True]
    assert f">{sandbox.project.name}</h2>" in page
    edit = client.get(f"/prompts/saved/{saved}").text
    assert "Line one\nline two</textarea>" in edit
    assert f'<option value="{sandbox.project}" selected>' in edit

    form = {"text": "Another text", "name": "", "folder": ""}
    assert client.post(f"/prompts/saved/{saved}", data=form).location == "/prompts"
    assert "Another text" in client.get("/prompts").text
    gone = client.post(f"/prompts/saved/{saved}/delete")
    assert gone.location == f"/prompts?deleted={saved}"
    page = client.get(gone.location).text
    assert ["Deleted “Another text”." in page, f'href="/prompts/saved/{saved}"' in page] == [
        True,
        False,
    ]
    assert client.get(f"/prompts/saved/{saved}").status_code == 404
    client.post(f"/prompts/saved/{saved}/restore")
    assert saved in ids(client)


def test_a_refused_prompt_keeps_what_was_typed(client: FlaskClient) -> None:
    answer = client.post("/prompts", data={"text": "Typed", "name": "n" * 81})
    assert answer.status_code == 422
    assert "The name is longer than 80 characters." in answer.text
    assert "Typed</textarea>" in answer.text
    assert client.post("/prompts/saved/x", data={"text": "x"}).status_code == 404


def test_a_session_offers_the_prompts_of_its_project_of_all_and_earlier_ones(
    client: FlaskClient, sandbox: Sandbox, session_page: str
) -> None:
    save(client, "for all")
    save(client, "for another one", folder="/elsewhere")
    save(client, "for this one", folder=str(sandbox.project))
    found = offered(client.get("/prompts/choose", query_string={"to": session_page}))
    assert found[0] == "for this one"
    assert set(found) >= {"for all", "Prune the <b>pears</b>"}
    assert "for another one" not in found
    query = {"to": session_page, "q": "PEARS"}
    assert offered(client.get("/prompts/choose", query_string=query)) == ["Prune the <b>pears</b>"]
    nothing = client.get("/prompts/choose", query_string={"to": session_page, "q": "no such words"})
    assert "No prompt of yours has these words." in nothing.text


def test_without_scripts_the_text_goes_below_what_was_typed(
    client: FlaskClient, context: AppContext, session_page: str
) -> None:
    form = {"to": session_page, "prompt": "Typed\r\nbefore", "prompt_id": str(uuid.uuid4())}
    opened = client.post("/prompts/open", data=form)
    assert draft(context) == "Typed\nbefore"
    page = client.get(opened.location)
    assert "Save what you have written" in page.text
    assert "Prune the <b>pears</b>" in offered(page)
    chosen = {"to": session_page, "text": "Prune the\r\npears"}
    assert client.post("/prompts/choose", data=chosen).location == f"{session_page}#prompt"
    assert draft(context) == "Typed\nbefore\n\nPrune the\npears"
    assert "Typed\nbefore\n\nPrune the\npears</textarea>" in client.get(session_page).text


def test_a_text_that_is_too_long_for_the_draft_stays_in_a_form(
    client: FlaskClient, context: AppContext, session_page: str
) -> None:
    words = "x" * (MAX_TEXT + 1)
    form = {"to": session_page, "prompt": words, "prompt_id": str(uuid.uuid4())}
    refused = client.post("/prompts/open", data=form)
    assert refused.status_code == 413
    assert "longer than 1,000,000 characters" in refused.text
    assert f"\n{words}</textarea>" in refused.text
    assert client.post("/prompts/open", data={**form, "prompt": words[1:]}).status_code == 303
    refused = client.post("/prompts/choose", data={"to": session_page, "text": "Prune"})
    assert (refused.status_code, "Not inserted. The text" in refused.text) == (413, True)
    assert draft(context) == words[1:]


def test_a_text_that_is_saved_already_is_not_offered_to_be_saved(
    client: FlaskClient, context: AppContext, session_page: str
) -> None:
    def is_offered() -> bool:
        page = client.get("/prompts/choose", query_string={"to": session_page}).text
        (form,) = re.findall(r'<form[^>]*id="prompt-keep"[^>]*>', page)
        return "hidden" not in form

    assert not is_offered()
    context.sessions.drafts.save_text(SESSION, "Saved before ")
    assert is_offered()
    save(client, "Saved before")
    assert not is_offered()


def test_the_page_of_a_new_session_keeps_its_folder_on_the_way(
    client: FlaskClient, context: AppContext, sandbox: Sandbox
) -> None:
    folder = str(sandbox.project)
    form = {"to": "/new", "prompt": "Typed", "prompt_id": str(uuid.uuid4()), "folder": folder}
    page = client.get(client.post("/prompts/open", data=form).location)
    assert f"Earlier in {sandbox.project.name}" in page.text
    answer = client.post("/prompts/choose", data={"to": "/new", "folder": folder, "text": "Prune"})
    assert answer.location == "/new#prompt"
    assert draft(context, draft_name("")) == "Typed\n\nPrune"
    assert context.sessions.drafts.get(draft_name("")).folder == folder


def test_the_text_of_a_composer_is_saved_from_its_list(
    client: FlaskClient, sandbox: Sandbox, session_page: str
) -> None:
    form = {"to": session_page, "text": "Keep me"}
    for data in ({**form, "for_project": "1"}, form):
        assert client.post("/prompts/keep", data=data).status_code == 303
    page = client.get("/prompts").text
    assert page.count("Keep me") == 2
    answer = client.post("/prompts/keep", data=form, headers={"HX-Request": "true"})
    assert "Saved." in answer.text
    assert "<!doctype html>" not in answer.text
    refused = client.post("/prompts/keep", data={"to": session_page, "text": "x" * 20_001})
    assert (refused.status_code, "20,000 characters" in refused.text) == (422, True)


@pytest.mark.parametrize(
    "to", ["", "/", "//evil.example", "https://evil.example/", "/new/", "/logout", "\\x", "/new?x"]
)
def test_the_way_back_leads_to_a_composer_only(client: FlaskClient, to: str) -> None:
    answer = client.post("/prompts/choose", data={"to": to, "text": "x"})
    assert answer.location == "/new#prompt"


@pytest.mark.parametrize("slashes", ["", "/", "//", "///"])
def test_the_way_back_never_leads_to_another_host(
    client: FlaskClient, session_page: str, slashes: str
) -> None:
    to = slashes + session_page[1:]
    answer = client.post("/prompts/choose", data={"to": to, "text": "x"})
    assert answer.location == f"{session_page}#prompt"
    page = client.get("/prompts/choose", query_string={"to": to}).text
    assert f'class="back" href="{session_page}"' in page


def test_a_session_that_is_not_there_is_404(client: FlaskClient, session_page: str) -> None:
    for to in (session_page[:-1] + "9", "/projects/none/new", session_page + "?x"):
        assert client.get("/prompts/choose", query_string={"to": to}).status_code == 404, to
        assert client.post("/prompts/choose", data={"to": to}).status_code == 404, to


def test_a_list_is_cut_where_it_would_be_large(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opcode_htmx.features.saved_prompts.choose.MOST_CHARACTERS", 5)
    answer = client.get("/prompts/choose")
    assert "There are more: search for a word" in answer.text
    assert offered(answer) == []
