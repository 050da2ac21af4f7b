"""Pins and the archive, for many sessions at once and for one, from the lists."""

from __future__ import annotations

import json
import re
import time

from opcode_htmx.engines.claude.files.history import project_id
from tests.features.session_admin.selected.lists import TITLES, Lists
from tests.support.clients import api
from tests.support.environment import Sandbox


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
