"""Names of files in Claude's text and on its cards lead to the files."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.features.files.opening import split
from opcode_htmx.markup.addresses.places import OF_SESSION, looks_like_file
from opcode_htmx.markup.markdown import render
from tests.features.files.conftest import SESSION, Project
from tests.support.clients import api

PAGE = "/projects/{}/sessions/" + SESSION


def addresses(project: Project) -> list[str]:
    """The addresses of the links to files on the page of the session."""
    page = project.client.get(PAGE.format(project.id)).text
    return [unescape(each) for each in re.findall(r'class="file-link" href="([^"]*)"', page)]


def led_to(project: Project, text: str) -> str:
    """Where the only link of a text of Claude's leads in the end; `404` if to nothing."""
    project.says(text)
    (address,) = addresses(project)
    answer = project.client.get(PAGE.format(project.id) + address)
    assert answer.status_code == 303
    answer = project.client.get(answer.headers["Location"])
    if answer.status_code == 404:
        assert "There is no file" in answer.text
        return "404"
    location = answer.headers["Location"]
    assert project.client.get(location).status_code == 200
    return location.replace(f"{project.address}/", "").replace(f"&session={SESSION}", "")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("See [docs/a.md](docs/a.md)", "view?path=docs/a.md"),
        ("See [the guide](./docs/a.md#usage)", "view?path=docs/a.md"),
        ("In `src/app.py:12`", "view?path=src/app.py&line=12#L12"),
        ("In `src/app.py:12-20`", "view?path=src/app.py&end=20&line=12#L12"),
        ("In [app](src/app.py#L12-L20)", "view?path=src/app.py&end=20&line=12#L12"),
        ("In `src/app.py:12:5`", "view?path=src/app.py&line=12#L12"),
        ("[x](/src/app.py)", "view?path=src/app.py"),
        ("[x](<a file.txt>)", "view?path=a+file.txt"),
        ("![chart](docs/chart.png)", "view?path=docs/chart.png"),
        ("`missing/file.py`", "404"),
        ("[x](/etc/passwd)", "404"),
        ("[x](../secret.txt)", "404"),
    ],
)
def test_a_text_leads_to_the_file_that_it_names(project: Project, text: str, place: str) -> None:
    for path in ("docs/a.md", "src/app.py", "a file.txt", "docs/chart.png"):
        project.write(path)
    assert led_to(project, text).replace("%20", "+") == place


def test_a_file_that_is_elsewhere_by_now_is_offered(project: Project) -> None:
    project.write("moved/here/app.py")
    answer = project.get("open", path="src/app.py:12", session=SESSION)
    assert answer.status_code == 404
    assert f'href="{project.address}/view?path=moved/here/app.py"' in answer.text
    assert "Back to the session" in answer.text


def test_an_absolute_path_leads_to_the_file(project: Project) -> None:
    project.write("src/app.py")
    place = led_to(project, f"See [app]({project.folder}/src/app.py)")
    assert place == "view?path=src/app.py"


def test_a_relative_path_is_that_of_the_folder_in_which_claude_worked_last(
    project: Project,
) -> None:
    project.write("app.py", "main")
    project.write(".claude/worktrees/try/app.py", "worktree")
    project.write("only-here.py")
    worktree = project.folder / ".claude" / "worktrees" / "try"
    project.says("In `app.py` and `only-here.py`", cwd=worktree)
    found = []
    for address in addresses(project):
        answer = project.client.get(PAGE.format(project.id) + address)
        found.append(project.client.get(answer.headers["Location"]).headers["Location"])
    assert ".claude/worktrees/try/app.py" in found[0]
    assert "path=only-here.py" in found[1]


def test_the_page_of_a_file_leads_back_to_the_session(project: Project) -> None:
    project.write("app.py")
    page = project.get("view", path="app.py", session=SESSION).text
    assert f'href="{PAGE.format(project.id)}" aria-label="Back to the session"' in page
    assert "evil" not in project.get("view", path="app.py", session="//evil").text


@pytest.mark.parametrize(
    "code",
    [
        "src/app.py",
        "app.py:12",
        "./a/b.ts",
        "package.json",
        "/srv/x/main.go",
        "Makefile",
        "a/b.c#L3",
    ],
)
def test_code_that_looks_like_a_file_is_a_link(code: str) -> None:
    assert looks_like_file(code)


@pytest.mark.parametrize(
    "code",
    ["os.path", "and/or", "/clear", "foo()", "a.b.c", "git push", "https://x.org/a.py", "1.5",
     "e.g.", "*.py", "x = a.py", "", "node_modules/", "user.name", "console.log",
     "process.env", "self.c"],
)  # fmt: skip
def test_other_code_is_no_link(code: str) -> None:
    assert not looks_like_file(code)
    assert "file-link" not in render(f"`{code}`", places=OF_SESSION)


def test_the_export_has_no_links_to_files(project: Project) -> None:
    project.says("See [the guide](docs/a.md) and `src/app.py:3`")
    exported = project.client.get(PAGE.format(project.id) + "/export.html").text
    assert "file-link" not in exported
    assert "?file=" not in exported
    assert 'the guide (<code dir="ltr">docs/a.md</code>)' in exported


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.py:3", ("a.py", 3, 0)), ("a.py:3-5", ("a.py", 3, 5)), ("a.py", ("a.py", 0, 0)),
        ("a.py:3:7", ("a.py", 3, 0)), ("a.py#L3-L5", ("a.py", 3, 5)), ("a.py#L3", ("a.py", 3, 0)),
        ("a.py:9-5", ("a.py", 9, 0)), ("a:b.py", ("a:b.py", 0, 0)),
    ],
)  # fmt: skip
def test_lines_behind_a_path_are_understood(text: str, parts: tuple[str, int, int]) -> None:
    assert split(text) == parts


def test_a_file_with_a_number_in_its_name_is_found(project: Project) -> None:
    project.write("notes:12.md")
    answer = project.get("open", path="notes:12.md")
    assert "line=" not in answer.headers["Location"]


def test_a_file_of_another_project_is_found_by_its_absolute_path(project: Project) -> None:
    other: Path = project.folder.parent / "other"
    other.mkdir()
    (other / "x.py").write_text("x")
    (project.folder.parent / "unknown.py").write_text("x")
    line = api.line(
        {"type": "user", "uuid": "u", "parentUuid": None, "cwd": str(other), "sessionId": "x",
         "timestamp": api.stamp(api.NOON), "message": {"role": "user", "content": "Go"}}
    )  # fmt: skip
    api.session(project.sandbox.config_dir, other, line, "5e551000-0000-4000-8000-0000000000f2")
    answer = project.get("open", path=f"{other}/x.py")
    assert answer.headers["Location"] == f"/projects/{project_id(other)}/files/view?path=x.py"
    assert project.get("open", path=str(project.folder.parent / "unknown.py")).status_code == 404


def tool_lines(project: Project, calls: dict[str, tuple[object, object]]) -> str:
    """The lines of a session in which Claude has used tools: the input and the result of each."""
    common = {"sessionId": SESSION, "cwd": str(project.folder), "timestamp": api.stamp(api.NOON)}
    prompt: dict[str, object] = {"role": "user", "content": "Go"}
    text = api.line({**common, "type": "user", "uuid": "p", "parentUuid": None, "message": prompt})
    parent = "p"
    for name, (given, details) in calls.items():
        use = {"type": "tool_use", "id": name, "name": name, "input": given}
        asked: dict[str, object] = {"id": f"m{name}", "role": "assistant", "content": [use]}
        entry = {"type": "assistant", "uuid": f"a{name}", "parentUuid": parent}
        text += api.line({**common, **entry, "message": asked})
        result = {"type": "tool_result", "tool_use_id": name, "content": "ok"}
        parent = f"r{name}"
        entry = {"type": "user", "uuid": parent, "parentUuid": f"a{name}"}
        answer: dict[str, object] = {"role": "user", "content": [result]}
        text += api.line({**common, **entry, "toolUseResult": details, "message": answer})
    return text


def test_the_cards_of_tools_lead_to_the_file_and_the_line(project: Project) -> None:
    path = str(project.write("src/app.py", "a\n" * 50))
    patch = [{"oldStart": 7, "newStart": 7, "lines": [" a", "-b", "+c"]}]
    lines = {"content": "a\na", "startLine": 20, "numLines": 2, "totalLines": 50}
    edit = {"file_path": path, "old_string": "b", "new_string": "c"}
    calls: dict[str, tuple[object, object]] = {
        "Read": ({"file_path": path, "offset": 20}, {"type": "text", "file": lines}),
        "Edit": (edit, {"structuredPatch": patch}),
        "Write": ({"file_path": path, "content": "a"}, {}),
    }
    text = tool_lines(project, calls)
    api.session(project.sandbox.config_dir, project.folder, text, SESSION)
    page = project.client.get(PAGE.format(project.id)).text
    places = []
    for address in re.findall(r'href="([^"]*)">Open the file', page):
        answer = project.client.get(unescape(address))
        places.append(project.client.get(answer.headers["Location"]).headers["Location"])
    assert [re.sub(r".*&line=", "", each) for each in places[:2]] == ["20#L20", "8#L8"]
    assert "/view?path=src/app.py" in places[2]
    exported = project.client.get(PAGE.format(project.id) + "/export.html").text
    assert "Open the file" not in exported
