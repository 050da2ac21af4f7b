"""Where no repository knows what has changed: what Claude has edited."""

from __future__ import annotations

import re
import shutil
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from opcode_htmx.features.changes import edits, routes
from opcode_htmx.features.changes.bases import LATE
from opcode_htmx.lib.git.snapshots.tree import REFS
from opcode_htmx.transcript.blocks import ToolBlock, ToolState
from tests.features.changes.conftest import Pages, Repository, names, plain
from tests.support.clients import api
from tests.support.environment import Sandbox


def call(name: str, *, fails: bool = False, **given: str) -> str:
    """The lines of a tool call, as Claude's file has them."""
    tool = {"type": "tool_use", "id": f"call-{uuid.uuid4()}", "name": name, "input": given}
    result = {"type": "tool_result", "tool_use_id": tool["id"], "content": "ok", "is_error": fails}
    message = {"id": f"m-{tool['id']}", "role": "assistant", "content": [tool]}
    return api.line(
        {"type": "assistant", "uuid": str(uuid.uuid4()), "message": message}
    ) + api.line(
        {
            "type": "user",
            "uuid": str(uuid.uuid4()),
            "message": {"role": "user", "content": [result]},
        }
    )


def test_without_a_repository_the_page_lists_what_claude_edited(
    pages: Pages, repository: Repository, sandbox: Sandbox
) -> None:
    (repository.folder / ".git").rename(repository.folder / "elsewhere")
    assert "Claude has edited no file in this session." in pages.text()
    folder = repository.folder
    lines = (
        call("Write", file_path=f"{folder}/fresh/new.txt", content="a\nb\n"),
        call("Edit", file_path=f"{folder}/app.txt", old_string="one", new_string="two"),
        call("Edit", file_path=f"{folder}/app.txt", old_string="two", new_string="three"),
        call("Edit", file_path=f"{folder}/failed.txt", fails=True, old_string="a", new_string="b"),
        call("Write", file_path="/elsewhere/<b>.txt", content="c\n"),
        call("Bash", command="touch by-a-command.txt"),
    )
    history = sandbox.config_dir / "projects" / pages.project / f"{pages.session}.jsonl"
    with history.open("a", encoding="utf-8") as file:
        file.writelines(lines)
    page = pages.text()
    assert names(page) == ["<b>.txt", "app.txt", "new.txt"]
    words = plain(page)
    assert "3 files" in words and "+2 −2" in words and "2 edits" in words
    assert "/elsewhere" in words and "fresh" in words
    (place,) = re.findall(r'href="([^"]*)"[^>]*>(?=<span class="file-name"><b><bdi[^>]*>app)', page)
    address, _, element = place.partition("#")
    assert f'id="{element}"' in pages.client.get(address).text


@pytest.mark.parametrize("checkpoint", [0, 2], ids=["", "with a later checkpoint"])
def test_of_a_repository_that_was_made_in_a_session_the_edits_from_before_are_listed(
    pages: Pages, repository: Repository, sandbox: Sandbox, checkpoint: int
) -> None:
    began = time.time() - 100
    began_line = api.prompt("Plant trees", sandbox.project, began)
    history = api.session(sandbox.config_dir, sandbox.project, began_line, pages.session)
    path = f"{repository.folder}/fresh.txt"
    with history.open("a", encoding="utf-8") as file:
        file.write(call("Write", file_path=path, content="a\nb\n"))
    repository.write("fresh.txt", "a\nb\n")
    shutil.rmtree(repository.folder / ".git")
    repository.git("init", "--quiet")
    commit = repository.commit()
    if checkpoint:
        repository.git("update-ref", f"{REFS}{pages.session}/{checkpoint:06}", commit)
    page = pages.text()
    words = plain(page)
    assert names(page) == ["fresh.txt"]
    assert "Edited by Claude in this session" in words
    assert "+2" in words
    assert LATE in words
    assert "Nothing has changed" in words
    assert "Claude has changed no file" not in words
    assert "since the session began" not in words.replace("tools since the session began", "")

    repository.write("later.txt", "x\n")  # and of one that git does not track, all is in the list
    page = pages.text()
    assert names(page) == ["later.txt", "fresh.txt"]
    assert LATE in plain(page)
    assert "may be missing" in plain(page)


def test_of_many_edited_files_the_newest_are_listed_and_all_are_counted(
    pages: Pages, repository: Repository, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "MOST", 2)
    (repository.folder / ".git").rename(repository.folder / "elsewhere")
    history = sandbox.config_dir / "projects" / pages.project / f"{pages.session}.jsonl"
    with history.open("a", encoding="utf-8") as file:
        for name in "abc":
            path = f"{repository.folder}/{name}.txt"
            file.write(call("Write", file_path=path, content="x\n"))
    page = pages.text()
    assert names(page) == ["c.txt", "b.txt"]
    assert "3 files" in plain(page)
    assert "Listed are the 2 that were edited last." in plain(page)


def test_a_large_edit_is_compared_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    in_threads: list[int] = []

    def run(function: Callable[..., Any], *arguments: Any) -> Any:
        in_threads.append(len(arguments[0].input["new_string"]))
        return function(*arguments)

    monkeypatch.setattr(edits, "run_cpu_in_thread", run)
    blocks = [
        ToolBlock(
            id=str(lines),
            order=str(lines),
            created=0,
            revision=0,
            name="Edit",
            input={"file_path": "/w/a.txt", "old_string": "", "new_string": "tree\n" * lines},
            state=ToolState.DONE,
        )
        for lines in (3, 5000)
    ]
    (file,) = edits.edited(blocks, "/w")
    assert (file.added, file.removed, file.edits) == (5003, 0, 2)
    assert in_threads == [25000]
