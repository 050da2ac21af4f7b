"""Prompts, answers and stops as forms: validated, with proper status codes, carried out once."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from tests.features.composer.prompting import (
    begin,
    draft_of,
    fields_of_page,
    form,
    run_folder,
    sent,
)
from tests.support.environment import until
from tests.support.server import Server


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"prompt": "  \r\n "}, "Write a prompt first."),
        ({"prompt": "x" * 200_001}, "The prompt is longer than 200,000 characters."),
        ({"folder": ""}, "Choose a folder for Claude to work in."),
        ({"folder": "/etc"}, "outside the folders that may be worked in"),
        ({"folder": "/etc/../root"}, "outside the folders that may be worked in"),
        ({"session_id": "../../etc"}, "This form is incomplete"),
        ({"session_id": "--dangerously-skip-permissions"}, "This form is incomplete"),
        ({"prompt_id": "1"}, "This form is incomplete"),
    ],
)
def test_a_form_that_cannot_be_used_is_refused_with_a_sentence(
    server: Server, fields: dict[str, str], sentence: str
) -> None:
    response = server.post("/sessions", form(server, "hello", **fields))
    assert response.status_code == 422
    assert sentence in response.text


def test_a_prompt_keeps_its_line_breaks_and_reaches_claude_on_stdin_only(server: Server) -> None:
    path = begin(server, "--help\r\nsecond “line”")
    folder = run_folder(server, path)
    assert sent(folder) == ["--help\nsecond “line”"]
    assert "second" not in (folder / "run.json").read_text()


def test_a_suggested_prompt_is_sent_and_not_what_is_still_being_written(server: Server) -> None:
    response = server.post("/sessions", form(server, "half written", suggested="Look around"))
    path = response.headers["Location"].removesuffix("#end")
    assert sent(run_folder(server, path)) == ["Look around"]
    fields = {"prompt": "and then", "suggested": "Go on", "prompt_id": str(uuid.uuid4())}
    assert server.post(f"{path}/prompt", fields).status_code == 303
    until(lambda: sent(run_folder(server, path)) == ["Look around", "Go on"], "it is sent")


def test_a_form_sent_twice_is_one_prompt(server: Server) -> None:
    fields = form(server, "only once")
    first, second = server.post("/sessions", fields), server.post("/sessions", fields)
    assert first.headers["Location"] == second.headers["Location"]
    assert sent(run_folder(server, first.headers["Location"].removesuffix("#end"))) == ["only once"]


def test_a_prompt_by_htmx_gets_a_new_id_for_the_next_one(server: Server) -> None:
    path = begin(server, "hello")
    fields = {"prompt": "again", "prompt_id": str(uuid.uuid4())}
    response = server.post(f"{path}/prompt", fields, headers={"HX-Request": "true"})
    assert response.status_code == 200
    assert 'id="prompt-id"' in response.text
    assert fields["prompt_id"] not in response.text


def test_a_prompt_to_a_session_that_does_not_exist_is_404(server: Server) -> None:
    path = begin(server, "hello").rsplit("/", 1)[0]
    fields = {"prompt": "hello", "prompt_id": str(uuid.uuid4())}
    assert server.post(f"{path}/{uuid.uuid4()}/prompt", fields).status_code == 404


def test_an_answer_counts_once(server: Server) -> None:
    path = begin(server, [["ask", "request-1"], ["text", "thank you"]])
    folder = run_folder(server, path)
    until(lambda: "Allow Bash?" in server.get(path).text, "the page asks")
    address = f"/runs/{folder.name}/asks/request-1"
    assert server.post(address, {"decision": "perhaps"}).status_code == 422
    assert server.post(address, {"decision": "allow"}).status_code == 303
    again = server.post(address, {"decision": "deny"})
    assert again.status_code == 409
    assert "answered already" in again.text
    until(lambda: ">thank you</p>" in server.get(path).text, "Claude goes on")
    lines = (folder / "in.ndjson").read_text().splitlines()
    answers = [line for line in lines if json.loads(line)["type"] == "control_response"]
    assert len(answers) == 1


def test_words_in_the_composer_survive_answers_stop_and_options_without_javascript(
    server: Server,
) -> None:
    path = begin(server, [["ask", "request-1"], ["wait", "/nowhere"]])
    run = run_folder(server, path).name
    until(lambda: "Allow Bash?" in server.get(path).text, "Claude asks")
    doors: tuple[tuple[str, dict[str, str]], ...] = (
        (f"/runs/{run}/asks/request-1", {"decision": "deny"}),
        (f"/runs/{run}/asks/request-1", {"decision": "allow"}),  # refused, and the words stay
        (f"{path}/options", {"keep_running": "on", "was_keep_running": ""}),
        (f"{path}/seen", {"block": ""}),
        (f"/runs/{run}/stop", {}),
    )
    for number, (door, fields) in enumerate(doors):
        words = f"Half a thought\r\nof door {number}"
        answer = server.post(door, fields | fields_of_page(server, path, prompt=words))
        assert (door, answer.status_code) == (door, 409 if number == 1 else 303)
        assert draft_of(server, path) == f"Half a thought\nof door {number}"
        assert f"of door {number}</textarea>" in server.get(path).text


def test_an_older_page_without_javascript_replaces_no_newer_words(server: Server) -> None:
    path = begin(server, "hello")
    older = fields_of_page(server, path, prompt="")
    server.post(f"{path}/draft", {"prompt": "From the other phone", "prompt_id": "x", "by": "y"})
    server.post(f"{path}/seen", older)
    assert draft_of(server, path) == "From the other phone"
    server.post(f"{path}/seen", older | {"prompt": "And from here"})
    assert draft_of(server, path) == "From the other phone\n\nAnd from here"
    server.post(f"{path}/seen", fields_of_page(server, path, prompt=""))
    assert draft_of(server, path) == ""
    foreign = fields_of_page(server, path, prompt="x", session_id=str(uuid.uuid4()))
    server.post(f"{path}/seen", foreign)
    assert not (server.sandbox.state / "drafts" / foreign["session_id"]).exists()


def test_a_failed_prompt_that_another_page_sent_from_the_draft_is_not_sent_again(
    server: Server,
) -> None:
    path = begin(server, "hello")
    here, there, later = (str(uuid.uuid4()) for _ in range(3))
    words = "Water the garden"

    def send(form_id: str) -> str | None:
        fields = {"prompt": words, "prompt_id": form_id}
        answer = server.post(f"{path}/prompt", fields, headers={"HX-Request": "true"})
        assert answer.status_code == 200
        return answer.headers.get("X-Prompt-Id")

    # typed here, where Send does not get through; the other page has its draft, and sends it
    server.post(f"{path}/draft", {"prompt": words, "prompt_id": here, "by": here})
    sent_there = send(there)
    assert send(there) == send(here) == sent_there
    assert sent(run_folder(server, path)).count(words) == 1
    # the same words, meant once more
    assert send(later) != sent_there
    assert sent(run_folder(server, path)).count(words) == 2


def test_an_unknown_run_or_request_is_refused(server: Server) -> None:
    folder = run_folder(server, begin(server, "hello"))
    assert server.post(f"/runs/{uuid.uuid4().hex}/stop", {}).status_code == 404
    assert server.post("/runs/..%2f..%2fetc/stop", {}).status_code == 404
    decided = server.post(f"/runs/{folder.name}/asks/nothing", {"decision": "allow"})
    assert decided.status_code == 409


def test_stop_ends_the_run_and_a_second_stop_says_so(server: Server) -> None:
    path = begin(server, [["text", "on"], ["wait", "/nonexistent/gate"]])
    folder = run_folder(server, path)
    assert server.post(f"/runs/{folder.name}/stop", {}).status_code == 303
    until(lambda: json.loads((folder / "run.json").read_text())["end"], "the run has ended")
    end = json.loads((folder / "run.json").read_text())["end"]
    assert (end["outcome"], end["cause"]) == ("cancelled", "Stopped by you.")
    refused = server.post(f"/runs/{folder.name}/stop", {})
    assert refused.status_code == 409
    assert "ended" in refused.text


def test_failed_run_shows_its_exit_status_and_stderr(server: Server) -> None:
    path = begin(server, [["stderr", "cannot <find> the thing"], ["exit", 3]])
    until(lambda: "exit status 3" in server.get(path).text, "the page shows the failure")
    assert "cannot &lt;find&gt; the thing" in server.get(path).text


def test_stderr_of_a_run_that_lives_shows_as_a_notice(server: Server) -> None:
    path = begin(server, [["stderr", "a warning"], ["wait", "/nonexistent/gate"]])
    until(lambda: ">a warning</pre>" in server.get(path).text, "the page shows stderr")


def test_a_session_that_ended_goes_on_with_its_next_prompt(server: Server, tmp_path: Path) -> None:
    path = begin(server, [["text", "one"], ["exit", 0]])
    folder = run_folder(server, path)
    until(lambda: json.loads((folder / "run.json").read_text())["end"], "the run has ended")
    fields = {"prompt": "two", "prompt_id": str(uuid.uuid4())}
    assert server.post(f"{path}/prompt", fields).status_code == 303
    until(lambda: ">two</p>" in server.get(path).text, "the second run answers")
    assert ">one</p>" in server.get(path).text


def test_the_running_sessions_are_listed_with_their_state(server: Server) -> None:
    path = begin(server, [["ask", "request-2"]])
    until(lambda: "Waiting for your answer" in server.get("/runs").text, "it is listed")
    assert path in server.get("/runs").text


def test_long_output_is_truncated_and_served_whole_at_its_address(server: Server) -> None:
    use = {"type": "tool_use", "id": "toolu_long", "name": "Bash", "input": {"command": "x"}}
    call = {"type": "assistant", "message": {"id": "m1", "content": [use]}}
    output = {"type": "tool_result", "tool_use_id": "toolu_long", "content": "y" * 50_000}
    result = {"type": "user", "uuid": "u1", "message": {"content": [output]}}
    lines = "".join(json.dumps(line) + "\n" for line in (call, result))
    path = begin(server, [["raw", lines]])
    until(lambda: "Show all" in server.get(path).text, "the card is cut")
    shown = "y" * 10_000
    assert f'<pre class="tool-output" tabindex="0">{shown}</pre>' in server.get(path).text
    whole = server.get(f"{path}/blocks/toolu_long")
    assert whole.text == "y" * 50_000
    assert whole.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_page_that_does_not_exist_says_so(server: Server) -> None:
    for path in ("/projects/nowhere", f"/projects/nowhere/sessions/{uuid.uuid4()}", "/nothing"):
        response = server.get(path)
        assert response.status_code == 404
        assert "Not found · opcode</title>" in response.text


def test_a_prompt_that_was_edited_is_another_one_although_the_form_is_the_same(
    server: Server,
) -> None:
    path = begin(server, "hello")
    fields = {"prompt": "first wording", "prompt_id": str(uuid.uuid4())}
    for prompt in ("first wording", "second wording", "second wording"):
        assert server.post(f"{path}/prompt", {**fields, "prompt": prompt}).status_code == 303
    assert sent(run_folder(server, path)) == ["hello", "first wording", "second wording"]


def test_refused_form_is_returned_with_its_text(server: Server) -> None:
    refused = server.post("/sessions", form(server, "a long <prompt>", folder="/nowhere"))
    assert refused.status_code == 422
    assert "a long &lt;prompt&gt;</textarea>" in refused.text
    assert "“/nowhere” is outside the folders" in refused.text
    assert 'name="folder" value=""' in refused.text


def test_a_prompt_that_a_dead_run_left_unread_may_be_sent_again(
    server: Server, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    path = begin(server, [["wait", str(gate)], ["exit", 3]])
    fields = {"prompt": "take me up", "prompt_id": str(uuid.uuid4())}
    server.post(f"{path}/prompt", fields)
    gate.touch()
    until(lambda: "exit status 3" in server.get(path).text, "the run has failed")
    server.post(f"{path}/prompt", fields)
    until(lambda: ">take me up</p>" in server.get(path).text, "another run answers")


@pytest.mark.parametrize(
    ("referrer", "back"),
    [
        ("{url}/projects/p/sessions/s?x=1", 'href="/projects/p/sessions/s"'),
        ("http://elsewhere.example/trap", None),
        ("{url}//elsewhere.example", None),
        ("", None),
    ],
)
def test_a_page_that_refuses_a_form_leads_back_to_the_page_of_the_form(
    server: Server, referrer: str, back: str | None
) -> None:
    headers = {"Referer": referrer.format(url=server.url)}
    response = server.post(f"/runs/{uuid.uuid4().hex}/stop", {}, headers=headers)
    assert response.status_code >= 400
    assert "To the start page" in response.text
    assert ("Back to the page" in response.text) == bool(back)
    assert back is None or back in response.text
