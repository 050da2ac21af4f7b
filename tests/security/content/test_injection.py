"""The injection corpus in a real browser: injected text is shown, and never executed.

A part of it runs in the suite: every channel with some vectors, and every vector through some
channels. `make attack` runs every vector through every channel.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, FilePayload, Page

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.engines.identifiers import INITIALIZE_ID
from tests.features.session_page.test_live_updates import begin
from tests.security.content.injected import (
    AFTER_RUNS,
    AROUND,
    HISTORY,
    MOST_IN_A_LIST,
    PAGE,
    ROUNDS,
    SCRIPTS,
    WHOLE,
    complaints,
    encoded,
    expectations,
    left_behind,
    live_plants,
    of_answer,
    of_session,
    plants,
    tab,
)
from tests.security.corpus.inspection import Expectation, inspect, unseen
from tests.security.corpus.pages.channels import CHANNELS as PAGES
from tests.security.corpus.pages.place import Place, file_name
from tests.security.corpus.transcript.lines import said, system, user
from tests.security.corpus.vectors import Plant, vectors
from tests.security.corpus.watch import watched
from tests.support.clients import api
from tests.support.environment import Sandbox, until, write_stand_in
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(7200 if WHOLE else 120)]


CLICK_SOME = """all => all.slice(0, 20).forEach(
    each => each.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true })))"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("injection")
    sandbox, claude = Sandbox(folder / "home").make(), write_stand_in(folder / "claude")
    server = Server(sandbox, claude, "http://127.0.0.1:9", OPCODE_ASK_AHEAD="0")
    try:
        yield server.start()
    finally:
        server.close()


def test_injected_history_is_shown_and_not_executed(server: Server, browser: Browser) -> None:
    sandbox, wrong = server.sandbox, list[str]()
    for planted in plants(HISTORY, 0, PAGE):
        first = {**user(0, "The first prompt"), "uuid": "first", "cwd": str(sandbox.project)}
        lines = [line for channel, plant in planted for line in channel.planted(plant)]
        path = api.session(sandbox.config_dir, sandbox.project, "")
        path.write_bytes(encoded([json.dumps(first), *lines]))
        session = f"/projects/{project_id(sandbox.project)}/sessions/{path.stem}"
        address, expected = f"{session}?from=first", expectations(planted)
        with tab(browser, server, wrong, without_policy=False) as page:
            page.goto(address)
            page.locator("body[data-link=online]").wait_for()
            wrong += of_session(page, server, address, expected)
            export = inspect(page, server.get(f"{session}/export.html").text, export=True)
            wrong += complaints(export, expected)
            for part in ("earlier?before=first", "search?q=canary"):
                wrong += complaints(inspect(page, server.get(f"{session}/{part}").text))
        with tab(browser, server, wrong, without_policy=True) as page:
            page.goto(address)
            page.locator("body[data-link=online]").wait_for()
            page.locator("summary").evaluate_all(CLICK_SOME)
    assert wrong == []


def test_injected_live_output_is_shown_and_not_executed(
    server: Server, browser: Browser, tmp_path: Path
) -> None:
    wrong: list[str] = []
    for number, planted in enumerate(live_plants()):
        gate, lines = tmp_path / f"gate-{number}", tmp_path / f"lines-{number}"
        written = [line for channel, plant in planted for line in channel.planted(plant)]
        lines.write_bytes(encoded(written))
        steps: list[list[object]] = [
            ["wait", str(gate)],
            ["copy", str(lines)],
            ["text", "All is planted."],
            ["wait", str(tmp_path / "never")],
        ]
        address = begin(server, steps)
        with tab(browser, server, wrong, without_policy=number % 2 == 1) as page:
            page.goto(address)
            page.locator("body[data-link=online]").wait_for()
            gate.touch()
            page.locator(".block-text", has_text="All is planted.").wait_for()
            # The page as it comes anew begins with its newest blocks
            wrong += of_session(page, server, address, [])
            wrong += unseen(inspect(page), expectations(planted))
            page.goto("/runs")
            wrong += complaints(inspect(page))
    assert wrong == []


@pytest.fixture(scope="module")
def reader(server: Server, browser: Browser) -> Iterator[Page]:
    """A page of ours, which reads others as a browser without scripts does."""
    wrong: list[str] = []
    with tab(browser, server, wrong, without_policy=False) as page:
        page.goto("/login")
        yield page
    assert wrong == []


@pytest.mark.parametrize("channel", PAGES)
def test_injected_text_is_not_executed_on_other_pages(
    server: Server, reader: Page, tmp_path: Path, channel: str
) -> None:
    first = AFTER_RUNS + list(PAGES).index(channel) * ROUNDS
    wrong = []
    for planted in plants([channel], first, MOST_IN_A_LIST):
        vectors_ = [plant for _, plant in planted]
        for shown in PAGES[channel](Place(server, tmp_path), vectors_):
            wrong += of_answer(reader, shown)
    assert wrong == []


def test_run_metadata_is_shown_and_not_executed(
    server: Server, browser: Browser, tmp_path: Path
) -> None:
    """Tasks, capabilities, stderr, queued prompts, and prompts left at the end."""
    wrong: list[str] = []
    for planted in plants(["task", "kind", "stderr", "queue", "model", "command"], AROUND, 48):
        by_channel: dict[str, list[Plant]] = {}
        for name, plant in planted:
            by_channel.setdefault(name, []).append(plant)
        tasks = [
            {"task_id": f"{plant.number}", "task_type": kind.line, "description": plant.line}
            for plant, kind in zip(by_channel["task"], by_channel["kind"], strict=True)
        ]
        offer = {
            "models": [
                {"value": plant.line, "displayName": plant.line, "description": plant.line}
                for plant in by_channel["model"]
            ],
            "commands": [
                {"name": plant.line, "description": plant.line, "argumentHint": plant.line}
                for plant in by_channel["command"]
            ],
        }
        response = {"subtype": "success", "request_id": INITIALIZE_ID, "response": offer}
        init = {
            "session_id": "",
            "model": by_channel["model"][0].line,
            "permissionMode": "<canary>",
        }
        number = planted[0][1].number
        gate, end = tmp_path / f"gate-{number}", tmp_path / f"end-{number}"
        stderr: list[list[object]] = [
            ["stderr", " ".join(plant.line.split())] for plant in by_channel["stderr"]
        ]
        steps: list[list[object]] = [
            ["wait", str(gate)],
            ["say", {"type": "control_response", "response": response}],
            ["say", system(0, "init", **init)],
            ["say", system(0, "background_tasks_changed", tasks=tasks)],
            *stderr,
            ["text", "All is planted."],
            ["wait", str(end)],
            ["exit", 3],
        ]
        address = begin(server, steps)
        shown = [
            Expectation(plant, name, (plant.begin,))
            for name in ("task", "kind", "stderr", "queue", "model")
            for plant in by_channel[name]
        ]
        with tab(browser, server, wrong, without_policy=True) as page:
            page.goto(address)
            page.locator("body[data-link=online]").wait_for()
            gate.touch()
            page.locator(".block-text", has_text="All is planted.").wait_for()
            for plant in by_channel["queue"]:
                form = {"prompt": plant.line, "prompt_id": str(uuid.uuid4())}
                Place(server, tmp_path).post(f"{address}/prompt", form)
            page.locator("#queue li").nth(len(by_channel["queue"]) - 1).wait_for()
            wrong += of_session(page, server, address, shown)
            prompt = page.get_by_role("textbox", name="Prompt")
            prompt.fill("/")
            page.locator("#completions li").first.wait_for()
            offered = [Expectation(p, "command", (p.begin,)) for p in by_channel["command"]]
            wrong += complaints(inspect(page), offered)
            prompt.fill("")
            end.touch()
            page.locator(".block-error").wait_for()
            left = [each for each in shown if each.channel in ("stderr", "queue")]
            wrong += of_session(page, server, address, left[-5:])
            with left_behind(server, address, by_channel["kind"]):
                until(lambda: 'left-command"' in server.get("/runs").text, "it is found")
                page.goto("/runs")
                wrong += complaints(inspect(page))
                left_one = page.locator(".left-command").first.inner_text()
                assert by_channel["kind"][0].begin in left_one
    assert wrong == []


def test_scripts_insert_no_injected_text_as_markup(
    server: Server, browser: Browser, tmp_path: Path
) -> None:
    """Content placed by scripts: completions, share texts, files, drafts, earlier blocks."""
    wrong: list[str] = []
    planted = next(plants(["scripts"], SCRIPTS, ROUNDS))
    place = Place(server, tmp_path)
    answers = [said(plant.number, {"type": "text", "text": plant.block}) for _, plant in planted]
    address = place.session("/work/scripts", *answers * 2)
    project = server.sandbox.project / "scripts"
    project.mkdir()
    for _, plant in planted:
        (project / file_name(plant).replace("\n", " ")).write_text("x")
    with tab(browser, server, wrong, without_policy=True) as page:
        page.goto(f"{address}?from=p")
        page.locator("body[data-link=online]").wait_for()
        for more in page.locator("#transcript .more").all()[-ROUNDS:][:20]:
            more.dispatch_event("click")
            page.locator("dialog[open] #share").wait_for()
            wrong += complaints(inspect(page))
            page.locator("dialog[open] button", has_text="Close").click()
        for _, plant in planted[:20]:
            name = " ".join(file_name(plant).split())
            file: FilePayload = {"name": name, "mimeType": "text/html", "buffer": b"x"}
            page.locator("#files").set_input_files([file])
            page.locator("#attached", has_text=plant.begin).wait_for()
            form = {"prompt": plant.line, "prompt_id": str(uuid.uuid4()), "by": "another page"}
            place.post(f"{address}/draft", form)
            page.wait_for_function(
                "b => document.getElementById('prompt').value.includes(b)", arg=plant.begin
            )
        wrong += complaints(inspect(page))
        page.goto(f"/new?folder={quote(str(project))}")
        prompt = page.get_by_role("textbox", name="Prompt")
        for _, plant in planted[:20]:
            prompt.fill(f"@{plant.begin}")
            page.locator("#completions", has_text=plant.end).wait_for()
            wrong += complaints(inspect(page))
            prompt.press("Enter")
        for path in ("/", "/runs", f"/projects/{project_id(Path('/work/custom-title'))}"):
            page.goto(path)
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            wrong += complaints(inspect(page))
    assert wrong == []


# --- the tests of the tests -----------------------------------------------------------------

SHELL = "".join(
    f'<p id="{each}"></p>' for each in ("transcript", "cursor", "live", "end", "flash", "answer")
)
"""The ids of a session's page."""
OBEYED = {"sentinel", "html", "svg", "htmx", "clobber", "style", "mutation"}
"""Kinds of vectors that are elements and attributes, so that a page that obeys them has more."""
ONLY_WORDS = {
    *("<b>canary", "<h1>canary</h1>", "<table><tr><td>canary", "<li>canary", "<br/><hr/>canary"),
    *("<dl><dt>canary<dd>canary", "</p></div></article></section></main><p>canary"),
    *("expression(canary())", "};*{background:url(//canary.invalid/)}", " x-canary=1 "),
    *("url(javascript:canary())", "-moz-binding:url(//canary.invalid/x)"),
    "<div data-order=0 id=b-x>canary</div>",
}
"""Those of them that become words, and elements as our own pages have them."""


def test_inspection_finds_executed_injections(server: Server, browser: Browser) -> None:
    missed = set()
    with browser.new_context(base_url=server.url) as context:
        page = context.new_page()
        page.goto("/login")
        for vector in vectors():
            forms = (
                f"{SHELL}<main>{vector.text}</main>",
                f'<main><p title="{vector.text}">x</p></main>',
                f"<main><p title='{vector.text}'>x</p></main>",
            )
            if vector.kind in OBEYED and not any(inspect(page, html).wrong for html in forms):
                missed.add(vector.text)
        assert inspect(page, f"{SHELL}<p class='x'>words</p>").wrong == []
    assert missed == ONLY_WORDS


def test_watch_detects_a_canary(server: Server, browser: Browser) -> None:
    inserted = "document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=canary()>')"
    for without_policy, heard in ((True, "the canary was called"), (False, "error Executing")):
        context = browser.new_context(base_url=server.url, bypass_csp=without_policy)
        with context, watched(context, server.url) as (page, watch):
            page.goto("/login")
            page.evaluate(inserted)
            while not any(each.startswith(heard) for each in watch.heard):
                page.wait_for_timeout(20)
