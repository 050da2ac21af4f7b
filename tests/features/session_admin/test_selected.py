"""Pins, the archive, tags and the trash for many sessions at once, and for one from its menu."""

from __future__ import annotations

import json
import re
import shutil
import time
import uuid
from pathlib import Path

import gevent
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.context import AppContext
from tests.support.apps.in_process import client_of
from tests.support.cli.supervision import steps
from tests.support.clients import api
from tests.support.environment import Sandbox, until

TITLES = ("prune the trees", "water the beds", "mend the fence", "sow the peas")


class Lists:
    """A project with four sessions, the first in TITLES used last, and a client of their owner."""

    def __init__(self, app: Flask, sandbox: Sandbox) -> None:
        self.context: AppContext = app.extensions["opcode_context"]
        self.client = client_of(app)
        self.folder = sandbox.project
        self.project = project_id(sandbox.project)
        self.files = {
            title: api.session(
                sandbox.config_dir,
                sandbox.project,
                api.prompt(title, sandbox.project, api.NOON - number * 3600),
            )
            for number, title in enumerate(TITLES)
        }

    @property
    def page(self) -> str:
        return f"/projects/{self.project}"

    def id(self, title: str) -> str:
        return self.files[title].stem

    def address(self, title: str) -> str:
        return f"{self.page}/sessions/{self.id(title)}"

    def act(self, action: str, *titles: str, back: str = "", **more: object) -> TestResponse:
        keys = [f"{self.project}/{self.id(title)}" for title in titles]
        form = {"act": action, "session": keys, "back": back or self.page, **more}
        return self.client.post("/sessions/selected", data=form)

    def next_page(self, answer: TestResponse) -> str:
        """The page that an answer leads to, with the notice that it shows once."""
        set_cookies = answer.headers.getlist("Set-Cookie")
        notice = next((each for each in set_cookies if each.startswith("opcode_notice")), "")
        return self.client.get(answer.location, headers={"Cookie": notice.partition(";")[0]}).text

    def listed(self, query: str = "") -> list[str]:
        """The titles of the list, from its top."""
        page = self.client.get(f"{self.page}{query}").text
        return re.findall(r'class="row-title row-prompt" dir="auto" title="([^"]*)"', page)


@pytest.fixture(scope="module")
def shared_jobs() -> bool:
    return True


@pytest.fixture
def sandbox(shared_home: Sandbox) -> Sandbox:
    """With a project for one test, and no sessions, marks and trash of another one."""
    shared_home.empty_config()
    (shared_home.state / "flags.json").unlink(missing_ok=True)
    for each in (shared_home.state / "trash").glob("*"):
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    return shared_home.with_own_project()


@pytest.fixture
def lists(shared_app: Flask, sandbox: Sandbox) -> Lists:
    return Lists(shared_app, sandbox)


def test_pinned_sessions_are_on_top_and_archived_ones_behind_a_link(lists: Lists) -> None:
    assert lists.listed() == list(TITLES)
    answer = lists.act("pin", "sow the peas", "mend the fence")
    assert (answer.status_code, answer.location) == (303, lists.page)
    assert "2 sessions pinned." in lists.next_page(answer)
    lists.act("archive", "prune the trees")
    assert lists.listed() == ["mend the fence", "sow the peas", "water the beds"]
    page = lists.client.get(lists.page).text
    assert "Archived (1)" in page
    assert page.count("Pinned: ") == 2
    assert lists.listed("?archived=1") == ["prune the trees"]
    lists.act("unarchive", "prune the trees", back=f"{lists.page}?archived=1")
    lists.act("unpin", "sow the peas", "mend the fence")
    assert lists.listed() == list(TITLES)
    assert "Archived" not in lists.client.get(lists.page).text


def test_an_archived_session_that_goes_on_in_a_terminal_is_in_the_lists_again(
    lists: Lists, sandbox: Sandbox
) -> None:
    title = "mend the fence"
    lists.act("archive", title, "water the beds")
    stored = sandbox.state / "flags.json"
    content = json.loads(stored.read_bytes())
    for each in content["sessions"].values():
        each["archived"] -= 3600
    stored.write_text(json.dumps(content))
    beside = f"{lists.address('sow the peas')}/others"

    def shown() -> list[bool]:
        pages = (lists.page, "/", beside)
        return [title in lists.client.get(page).text for page in pages]

    assert shown() == [False, False, False]
    assert 'value="unarchive">Unarchive<' in lists.client.get(lists.address(title)).text
    with lists.files[title].open("a") as file:
        file.write(api.prompt("go on", lists.folder, time.time()))
    assert shown() == [True, True, True]
    assert lists.listed("?archived=1") == ["water the beds"]
    assert 'value="archive">Archive<' in lists.client.get(lists.address(title)).text
    lists.act("archive", title)
    assert shown() == [False, False, False]


def test_sessions_of_several_projects_are_selected_on_the_start_page(
    lists: Lists, sandbox: Sandbox
) -> None:
    barn = sandbox.project.with_name("barn")
    barn.mkdir()
    path = api.session(sandbox.config_dir, barn, api.prompt("feed the hens", barn, api.NOON))
    lists.act("pin", "sow the peas")
    page = lists.client.get("/?select=1").text
    assert page.count('type="checkbox" name="session"') == len(TITLES) + 1
    assert " checked" not in page
    assert "data-pinned" in page
    assert "barn</bdi>" in page
    chosen = lists.client.get(f"/?select={path.stem}").text
    assert re.findall(r'value="([^"]*)"[^>]* checked>', chosen) == [
        f"{project_id(barn)}/{path.stem}"
    ]
    everything = lists.client.get("/?select=all").text
    assert everything.count(" checked>") == len(TITLES) + 1
    keys = re.findall(r'name="session" value="([^"]*)"', everything)

    def act(action: str, **more: str) -> str:
        form = {"act": action, "session": keys, "back": "/", **more}
        answer = lists.client.post("/sessions/selected", data=form)
        assert answer.location.partition("?")[0] == "/"
        return lists.next_page(answer)

    assert "5 sessions tagged." in act("tag", tags="spring")
    assert 'value="spring"' in lists.client.get("/?select=1").text
    deleted = act("delete")
    assert "Deleted 5 sessions." in deleted
    assert "feed the hens" not in deleted
    undo = re.search(r'action="(/trash/[^"]*/restore|[^"]*restore[^"]*)"', deleted)
    assert undo
    assert lists.client.post(undo[1], data={"back": "/"}).location == "/"
    archived = act("archive")
    assert "5 sessions archived." in archived
    assert "Archived in <bdi>barn</bdi></a>" in archived
    assert "There is nothing to select." in lists.client.get("/?select=1").text
    old = lists.client.get(f"/?select={path.stem}").text  # one that is not in the list, by its id
    assert old.count(" checked>") == 1
    assert lists.client.get("/?select=..&from=9").status_code == 200


def undo_in(page: str) -> dict[str, str]:
    """The form that a page offers to take archiving back."""
    form = page.partition('action="/sessions/selected"')[2].partition("</form>")[0]
    assert 'name="act" value="undo">Undo<' in form
    return {"act": "undo", **dict(re.findall(r'name="(at|back)" value="([^"]*)"', form))}


def test_archiving_is_undone_from_the_list_that_it_leads_back_to(lists: Lists) -> None:
    lists.act("pin", "mend the fence")
    before = lists.listed()
    lists.act("archive", "prune the trees")
    page = lists.next_page(lists.act("archive", "mend the fence", "sow the peas"))
    assert "2 sessions archived." in page
    assert f'href="{lists.page}?archived=1">Archived</a>' in page
    form = undo_in(page)
    answer = lists.client.post("/sessions/selected", data=form)
    assert (answer.status_code, answer.location) == (303, lists.page)
    assert "2 sessions taken out of the archive." in lists.next_page(answer)
    assert lists.listed() == [each for each in before if each != "prune the trees"], "pinned again"
    assert lists.listed("?archived=1") == ["prune the trees"], "it was archived before"
    again = lists.client.post("/sessions/selected", data=form)
    assert "taken out" not in lists.next_page(again)
    for at in ("nan", "0", "1e999", "x", ""):
        lists.client.post("/sessions/selected", data={**form, "at": at})
    assert lists.listed("?archived=1") == ["prune the trees"]


def test_the_undo_of_a_second_archiving_concerns_what_that_has_changed(lists: Lists) -> None:
    lists.act("pin", "mend the fence")
    lists.act("archive", "mend the fence")
    again = lists.next_page(lists.act("archive", "mend the fence"))  # a second tap
    lists.client.post("/sessions/selected", data=undo_in(again))
    assert lists.listed()[0] == "mend the fence", "pinned again"
    lists.act("archive", "mend the fence")
    page = lists.next_page(lists.act("archive", "mend the fence", "sow the peas"))
    lists.client.post("/sessions/selected", data=undo_in(page))
    assert lists.listed("?archived=1") == ["mend the fence"]


def test_archiving_is_undone_from_the_page_of_the_session(lists: Lists) -> None:
    address = lists.address("sow the peas")
    page = lists.next_page(lists.client.post(f"{address}/flags", data={"act": "archive"}))
    assert "1 session archived." in page
    assert f'href="{lists.page}?archived=1">Archived</a>' in page
    answer = lists.client.post("/sessions/selected", data=undo_in(page))
    assert answer.location == f"{address}#end"
    assert 'value="archive">Archive<' in lists.client.get(address).text
    assert lists.listed() == list(TITLES)


def test_the_list_beside_a_session_has_pinned_ones_on_top_and_no_archived_ones(
    lists: Lists,
) -> None:
    lists.act("pin", "sow the peas")
    lists.act("archive", "water the beds")
    beside = lists.client.get(f"{lists.address('prune the trees')}/others").text
    found = re.findall(r'class="others-title" dir="auto">([^<]*)<', beside)
    assert found == ["sow the peas", "prune the trees", "mend the fence"]


def test_tags_are_chips_and_filters(lists: Lists) -> None:
    lists.act("tag", "prune the trees", "sow the peas", tags="Fruit & <b>, spring")
    lists.act("tag", "sow the peas", tag=["spring"], tags="food")
    assert lists.listed("?tag=food") == ["sow the peas"]
    assert lists.listed("?tag=fruit+%26+%3Cb%3E") == ["prune the trees", "sow the peas"]
    page = lists.client.get(f"{lists.page}?tag=spring").text
    assert 'href="/projects/' in page
    assert f'href="{lists.page}?tag=fruit+%26+%3Cb%3E"' in page
    assert '<span class="tag" dir="auto">fruit &amp; &lt;b&gt;</span>' in page
    lists.act("untag", "sow the peas", tag=["spring", "food"])
    assert lists.listed("?tag=food") == []
    assert "No session has this tag" in lists.client.get(f"{lists.page}?tag=food").text


def test_a_tag_that_cannot_be_given_is_refused_with_a_sentence(lists: Lists) -> None:
    assert "at most 24 characters" in lists.act("tag", "sow the peas", tags="x" * 25).text
    assert "Choose or write a tag first." in lists.act("tag", "sow the peas", tags=" ,").text
    assert lists.act("tag", "sow the peas", tags="x" * 25).status_code == 422
    assert dict(lists.context.sessions.flags.all()) == {}


def test_select_mode_is_a_form_around_the_list(lists: Lists) -> None:
    lists.act("archive", "mend the fence")
    page = lists.client.get(f"{lists.page}?select={lists.id('water the beds')}").text
    boxes = re.findall(r'name="session" value="([^"]+)" autocomplete="off"( checked)?', page)
    chosen = {key.rpartition("/")[2]: bool(checked) for key, checked in boxes}
    assert chosen == {
        lists.id("prune the trees"): False,
        lists.id("water the beds"): True,
        lists.id("sow the peas"): False,
    }
    for action in ("pin", "unpin", "archive", "tag", "untag", "delete"):
        assert f'name="act" value="{action}"' in page
    everything = lists.client.get(f"{lists.page}?select=all").text
    assert everything.count(" checked>") == 3
    archive = lists.client.get(f"{lists.page}?archived=1&select=1").text
    assert 'name="act" value="unarchive"' in archive
    assert f'name="back" value="{lists.page}?archived=1"' in archive


def test_many_are_deleted_at_once_and_one_undo_brings_all_back(lists: Lists) -> None:
    lists.act("pin", "sow the peas")
    gone = lists.act("delete", "sow the peas", "prune the trees")
    assert lists.listed() == ["water the beds", "mend the fence"]
    page = lists.client.get(gone.location).text
    assert "Deleted 2 sessions. They are kept for 7 days." in page
    undo = re.findall(r'action="(/trash/batches/[0-9a-f]{32}/restore)"', page)[0]
    back = lists.client.post(undo, data={"back": lists.page})
    assert (back.status_code, back.location) == (303, lists.page)
    assert lists.listed() == ["sow the peas", *TITLES[:3]]  # pinned as before
    assert lists.client.post(undo, data={"back": lists.page}).status_code == 404


def test_one_that_is_deleted_alone_is_named(lists: Lists) -> None:
    gone = lists.act("delete", "sow the peas")
    assert "Deleted “sow the peas”." in lists.client.get(gone.location).text


def test_a_project_that_goes_with_its_sessions_leaves_the_undo_on_the_start_page(
    lists: Lists,
) -> None:
    gone = lists.act("delete", *TITLES)
    lists.files["sow the peas"].parent.rmdir()
    page = lists.client.get(gone.location, follow_redirects=True)
    assert page.request.path == "/"
    assert "Deleted 4 sessions." in page.text


def test_flags_go_when_the_trash_is_emptied(lists: Lists) -> None:
    flags = lists.context.sessions.flags
    lists.act("pin", *TITLES[:3])
    first = lists.act("delete", *TITLES[:2]).location.partition("deleted=")[2]
    assert len(flags.all()) == 3
    assert lists.client.post("/trash/empty").location == "/storage"
    assert set(flags.all()) == {lists.id("mend the fence")}
    assert lists.client.post(f"/trash/batches/{first}/restore").status_code == 404


def test_a_session_that_runs_is_kept_and_the_list_says_so(lists: Lists, tmp_path: Path) -> None:
    prompt = steps(["wait", str(tmp_path / "never")])
    form = {"prompt": prompt, "prompt_id": str(uuid.uuid4())}
    assert lists.client.post(f"{lists.address('sow the peas')}/prompt", data=form).status_code < 400
    gone = lists.act("delete", "sow the peas", "mend the fence", "prune the trees")
    page = lists.next_page(gone)
    assert "1 session not deleted: Claude is running there." in page
    assert "Deleted 2 sessions." in page
    assert set(lists.listed()) == {"sow the peas", "water the beds"}


def test_nothing_selected_and_unknown_actions_are_refused(lists: Lists) -> None:
    assert "Select a session first." in lists.act("delete").text
    assert lists.act("explode", "sow the peas").status_code == 422
    form = {"act": "delete", "session": ["../../etc/passwd", "x", f"{lists.project}/none"]}
    assert "Select a session first." in lists.client.post("/sessions/selected", data=form).text
    assert lists.listed() == list(TITLES)


@pytest.mark.parametrize("back", ["https://example.com/", "//example.com", "/logins", "x", "/api"])
def test_the_way_back_leads_to_a_list_of_ours(lists: Lists, back: str) -> None:
    assert lists.act("pin", "sow the peas", back=back).location == "/"


def test_the_menu_of_a_session_pins_archives_and_tags_it(lists: Lists) -> None:
    address, flags = lists.address("sow the peas"), lists.context.sessions.flags

    def act(action: str, tags: str = "") -> None:
        answer = lists.client.post(f"{address}/flags", data={"act": action, "tags": tags})
        assert (answer.status_code, answer.location) == (303, f"{address}#end")

    menu = lists.client.get(address).text
    assert 'value="pin">Pin<' in menu
    assert 'value="archive">Archive<' in menu
    act("pin")
    act("tags", "Spring, food")
    menu = lists.client.get(address).text
    assert 'value="unpin">Unpin<' in menu
    assert 'name="tags" dir="auto" value="spring, food"' in menu
    act("archive")
    assert 'value="unarchive">Unarchive<' in lists.client.get(address).text
    act("unarchive")
    act("tags", "")
    assert lists.id("sow the peas") not in flags.all()
    assert lists.client.post(f"{address}/flags", data={"act": "x"}).status_code == 422
    assert lists.client.post(f"{lists.page}/sessions/none/flags").status_code == 404


def test_a_prompt_takes_a_session_out_of_the_archive(lists: Lists) -> None:
    lists.act("archive", "sow the peas")
    form = {"prompt": "go on", "prompt_id": str(uuid.uuid4())}
    lists.client.post(f"{lists.address('sow the peas')}/prompt", data=form)
    until(lambda: "sow the peas" in lists.listed(), "it is", sleep=lambda: gevent.sleep(0.02))


def test_a_fork_has_the_tags_of_its_origin_and_is_not_pinned(lists: Lists) -> None:
    path = lists.files["sow the peas"]
    entry = api.line(
        {
            **{"type": "user", "uuid": str(uuid.uuid4()), "parentUuid": None},
            **{"sessionId": path.stem, "cwd": str(lists.folder), "timestamp": api.stamp(api.NOON)},
            "message": {"role": "user", "content": "sow the peas"},
        }
    )
    path.write_text(entry)
    lists.act("pin", "sow the peas")
    lists.act("tag", "sow the peas", tags="food")
    answer = lists.client.post(f"{lists.address('sow the peas')}/fork")
    new = re.findall(r"/sessions/([0-9a-f-]+)", answer.location)[0]
    flags = lists.context.sessions.flags.of(new)
    assert (flags.tags, flags.pinned) == (("food",), 0)
