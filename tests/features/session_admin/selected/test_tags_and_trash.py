"""Tags and the trash for many sessions at once, and the menu of one."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import gevent
import pytest

from tests.features.session_admin.selected.lists import TITLES, Lists
from tests.support.cli.supervision import steps
from tests.support.clients import api
from tests.support.environment import until


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
