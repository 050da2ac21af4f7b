"""Drafts, files, the queue and completion as requests: validated and confined to the project."""

from __future__ import annotations

import html
import json
import re
import uuid
from pathlib import Path

import pytest
import requests

from opcode_htmx.features.composer import attachments
from opcode_htmx.sessions.storage.drafts import MAX_FILE
from tests.features.composer.prompting import begin, run_folder, sent
from tests.support.environment import PASSWORD, USER, until
from tests.support.pages import dom
from tests.support.server import Server

PNG = b"\x89PNG\r\n\x1a\n"


def upload(
    server: Server, path: str, files: list[tuple[str, bytes]], **fields: str
) -> requests.Response:
    """A form with files, as a page without JavaScript sends it."""
    return requests.post(
        server.url + path,
        data=fields,
        files=[("files", file) for file in files],
        auth=(USER, PASSWORD),
        timeout=30,
        allow_redirects=False,
    )


def typed(server: Server, path: str) -> str:
    """The text of the composer as a browser reads it: without the first line break."""
    field = re.search(
        r'<textarea id="prompt"[^>]*>\n?(.*?)</textarea>', server.get(path).text, re.DOTALL
    )
    assert field
    return html.unescape(field[1])


def chosen(server: Server, path: str) -> list[str]:
    """The tokens of the files in the composer."""
    return re.findall(r'name="attached" value="([0-9a-f]{32})"', server.get(path).text)


# Drafts --------------------------------------------------------------------------------------


def test_draft_is_rendered_with_line_breaks_and_special_characters(server: Server) -> None:
    path = begin(server, "hello")
    text = "\n<b>first</b>\r\n\n</textarea> “last”"
    assert server.post(f"{path}/draft", {"prompt": text}).status_code == 204
    assert typed(server, path) == text.replace("\r\n", "\n")


def test_a_draft_for_a_session_that_does_not_exist_is_404(server: Server) -> None:
    path = begin(server, "hello").rpartition("/")[0]
    assert server.post(f"{path}/{uuid.uuid4()}/draft", {"prompt": "x"}).status_code == 404


def test_a_draft_may_be_long_and_not_endless(server: Server) -> None:
    path = begin(server, "hello")
    assert server.post(f"{path}/draft", {"prompt": "樹" * 200_000}).status_code == 204
    refused = server.post(f"{path}/draft", {"prompt": "x" * 1_000_001})
    assert refused.status_code == 413
    assert "longer than 1,000,000 characters" in refused.text


def test_a_long_prompt_in_any_script_is_taken(server: Server) -> None:
    path = begin(server, "hello")
    fields = {"prompt": "樹" * 200_000, "prompt_id": str(uuid.uuid4())}
    assert server.post(f"{path}/prompt", fields).status_code == 303
    assert sent(run_folder(server, path))[-1] == "樹" * 200_000


def test_a_prompt_that_is_refused_is_in_the_composer(server: Server, tmp_path: Path) -> None:
    path = begin(server, [["text", "on"], ["exit", 0]])
    folder = run_folder(server, path)
    until(lambda: json.loads((folder / "run.json").read_text())["end"], "the run has ended")
    work, away = server.sandbox.project, server.sandbox.project.with_name("away")
    work.rename(away)
    try:
        fields = {"prompt": "keep my words", "prompt_id": str(uuid.uuid4())}
        refused = server.post(f"{path}/prompt", fields)
    finally:
        away.rename(work)
    assert refused.status_code == 503
    assert "does not exist any more" in refused.text
    assert typed(server, path) == "keep my words"


# Files ---------------------------------------------------------------------------------------


def test_a_file_without_javascript_is_stored_and_named_in_the_prompt_once(server: Server) -> None:
    path = begin(server, "hello")
    fields = {"prompt": "read this", "prompt_id": str(uuid.uuid4())}
    for _ in range(2):
        response = upload(server, f"{path}/prompt", [("../a b.txt", b"words")], **fields)
        assert response.status_code == 303, response.text
    _, prompt = sent(run_folder(server, path))
    words, stored = prompt.split("\n\nAttached files:\n- ")
    assert words == "read this"
    assert Path(stored).name == "a b.txt"
    assert Path(stored).read_bytes() == b"words"
    assert Path(stored).is_relative_to(server.sandbox.state / "attached" / path.rpartition("/")[2])
    assert chosen(server, path) == []


def test_a_session_may_begin_with_a_file_alone(server: Server) -> None:
    fields = {
        "folder": str(server.sandbox.project),
        "session_id": str(uuid.uuid4()),
        "prompt_id": str(uuid.uuid4()),
        "prompt": "",
    }
    response = upload(server, "/sessions", [("plan.md", b"# Plan")], **fields)
    assert response.status_code == 303, response.text
    (prompt,) = sent(run_folder(server, response.headers["Location"].removesuffix("#end")))
    assert re.fullmatch(r"Attached files:\n- /.*/plan\.md", prompt)


def test_claude_may_read_the_folder_of_its_session(server: Server) -> None:
    path = begin(server, "hello")
    argv = json.loads((run_folder(server, path) / "run.json").read_text())["argv"]
    folder = Path(argv[argv.index("--add-dir") + 1])
    assert folder == server.sandbox.state / "attached" / path.rpartition("/")[2]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_files_are_kept_with_the_draft_until_they_are_removed(server: Server) -> None:
    path = begin(server, "hello")
    upload(server, f"{path}/attachments", [("a.png", PNG), ("b.txt", b"b")])
    image, text = chosen(server, path)
    preview = server.get(f"{path}/attachments/{image}")
    assert (preview.content, preview.headers["Content-Type"]) == (PNG, "image/png")
    assert server.get(f"{path}/attachments/{text}").status_code == 404
    assert server.get(f"{path}/attachments/{'0' * 32}").status_code == 404
    assert server.post(f"{path}/attachments/..%2f..%2fdraft.json/remove", {}).status_code == 404
    assert server.post(f"{path}/attachments/{image}/remove", {}).status_code == 303
    assert chosen(server, path) == [text]


def test_missing_file_is_reported(server: Server) -> None:
    path = begin(server, "hello")
    fields = {"prompt": "look", "prompt_id": str(uuid.uuid4()), "attached": "0" * 32}
    refused = server.post(f"{path}/prompt", fields)
    assert refused.status_code == 422
    assert "no longer there" in refused.text
    assert typed(server, path) == "look"


@pytest.mark.parametrize(
    ("content", "status", "sentence"),
    [
        (PNG + b"x" * attachments.MAX_IMAGE, 413, "“a.bin” is too large. An image may have 10 MB."),
        (b"x" * (MAX_FILE + 1), 413, "“a.bin” is too large. A file may have 25 MB."),
        (b"", 422, "“a.bin” is empty."),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_with_a_sentence(
    server: Server, content: bytes, status: int, sentence: str
) -> None:
    path = begin(server, "hello")
    refused = upload(server, f"{path}/attachments", [("a.bin", content)])
    assert refused.status_code == status
    assert sentence in refused.text
    assert chosen(server, path) == []


def test_only_the_forms_for_files_may_be_large(server: Server) -> None:
    path = begin(server, "hello")
    refused = upload(server, f"{path}/draft", [("a.bin", b"x" * 5_000_000)])
    assert refused.status_code == 413


# The queue -----------------------------------------------------------------------------------


def test_a_prompt_that_claude_has_cannot_be_taken_back(server: Server) -> None:
    path = begin(server, "hello")
    until(lambda: ">hello</p>" in server.get(path).text, "Claude has answered")
    folder = run_folder(server, path)
    prompt_id = json.loads((folder / "in.ndjson").read_text().splitlines()[-1])["uuid"]
    for verb in ("remove", "edit", "again"):
        refused = server.post(f"/runs/{folder.name}/prompts/{prompt_id}/{verb}", {})
        assert refused.status_code in (409, 422), verb
        assert "does not wait any more" in refused.text or "waits already" in refused.text
    assert typed(server, path) == ""


def test_prompts_and_verbs_that_do_not_exist_are_404(server: Server) -> None:
    folder = run_folder(server, begin(server, "hello"))
    for address in (
        f"/runs/{folder.name}/prompts/{uuid.uuid4()}/remove",
        f"/runs/{folder.name}/prompts/{uuid.uuid4()}/explode",
        f"/runs/{uuid.uuid4().hex}/prompts/{uuid.uuid4()}/edit",
        f"/runs/{folder.name}/prompts/..%2f..%2frun.json/edit",
    ):
        assert server.post(address, {}).status_code == 404, address


def test_unread_prompt_of_a_dead_run_returns_to_the_composer_with_its_file_by_a_button(
    server: Server, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    path = begin(server, [["wait", str(gate)], ["exit", 3]])
    fields = {"prompt": "wait for me", "prompt_id": str(uuid.uuid4())}
    assert upload(server, f"{path}/prompt", [("a.png", PNG)], **fields).status_code == 303
    gate.touch()
    until(lambda: "Was not taken up" in server.get(path).text, "the run has left it")
    queue = dom.parse(server.get(path).text).find("queue")
    assert queue
    buttons = {n.text: n.attributes for n in queue.walk() if n.tag == "button"}
    assert buttons.keys() == {"Edit", "Send again", "Remove"}
    assert {each["form"] for each in buttons.values()} == {"answer"}, "with what is typed"
    edited = server.post(buttons["Edit"]["formaction"] or "", {"prompt": "typed since"})
    assert edited.status_code == 303
    assert typed(server, path) == "wait for me\n\ntyped since"
    (image,) = chosen(server, path)
    assert server.get(f"{path}/attachments/{image}").content == PNG
    assert "Was not taken up" not in server.get(path).text


# Completion ----------------------------------------------------------------------------------


def options(server: Server, path: str, query: str) -> list[tuple[str, str]]:
    """The inserted and the displayed text of each completion."""
    answer = server.get(f"{path}/complete", params={"q": query})
    assert answer.status_code == 200
    return [
        (node.attributes["data-insert"] or "", node.text)
        for node in dom.parse(answer.text).walk()
        if node.attributes.get("role") == "option"
    ]


def test_commands_come_from_files_until_the_session_reports_them(server: Server) -> None:
    commands = server.sandbox.project / ".claude" / "commands"
    commands.mkdir(parents=True, exist_ok=True)
    (commands / "prune.md").write_text("---\ndescription: <b>Prune</b>\n---\n")
    path = begin(server, "hello")
    assert options(server, path, "/pru") == [("/prune ", "/prune <b>Prune</b>")]
    assert options(server, path, "/nothing") == []


def test_files_are_found_below_the_project_only(server: Server) -> None:
    (server.sandbox.home / "outside.txt").write_text("x")
    (server.sandbox.project / "<i>nside.txt").write_text("x")
    path = begin(server, "hello")
    assert options(server, path, "@nside") == [("@<i>nside.txt ", "<i>nside.txt")]
    assert options(server, path, "@../outside") == []
    assert options(server, path, "neither") == []


def test_completion_in_a_session_that_does_not_exist_is_404(server: Server) -> None:
    path = begin(server, "hello").rpartition("/")[0]
    assert server.get(f"{path}/{uuid.uuid4()}/complete?q=/").status_code == 404
