"""The storage page counts what takes space."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import gevent
import pytest

from opcode_htmx.engines.claude.files.history import project_id
from opcode_htmx.lib.concurrency.background import Background
from opcode_htmx.lib.formatting import format_bytes
from opcode_htmx.sessions.storage import survey
from tests.features.storage.store import Store, definitions


def test_the_page_says_what_takes_space(store: Store) -> None:
    barn = store.sandbox.project.with_name("barn")
    large = store.session("plough the field", 1, size=3_000_000)
    small = store.session("feed the hens", 2, barn, size=1_000)
    agents = small.with_suffix("") / "subagents"
    agents.mkdir(parents=True)
    (agents / "agent-1.jsonl").write_bytes(b"x" * 500_000)
    (small.with_suffix("") / "tool-results").mkdir()
    (small.with_suffix("") / "tool-results" / "1.txt").write_bytes(b"x" * 40_000)
    (store.sandbox.config_dir / "file-history").write_bytes(b"x" * 7_000_000)
    store.client.post(f"{store.address(large)}/draft", data={"prompt": "more", "by": "test"})
    page = store.page()
    found = definitions(page)
    sizes = large.stat().st_size + small.stat().st_size
    assert found["Sessions"] == format_bytes(sizes)
    assert found["Subagents of sessions"] == "500 KB"
    assert found["Large results of tools"] == "40 KB"
    assert float(found["Other files of Claude"].removesuffix(" MB")) >= 7.0
    assert "What was typed and chosen and not sent" in found
    largest = page.partition("Largest sessions")[2].partition("</section>")[0]
    titles = re.findall(r'class="row-title row-prompt" dir="auto" title="([^"]*)"', largest)
    assert titles == ["plough the field", "feed the hens"]
    assert "500 KB of subagents" in largest
    projects = page.partition('id="projects"')[2].partition("</section>")[0]
    assert re.findall(r'<summary class="row"><span class="row-title">(\w+)', projects) == [
        store.sandbox.project.name,
        "barn",
    ]
    assert f'href="/projects/{project_id(barn)}"' in projects


def test_the_page_is_useful_when_there_is_nothing(store: Store) -> None:
    page = store.page()
    assert "The trash is empty." in page
    assert "Largest sessions" not in page
    assert "Nothing would go" in store.plan()


def test_while_it_is_counted_the_page_says_so_and_loads_itself_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = Event()
    original = survey.session_files

    def slow(config_dir: Path, pace: survey.Pace) -> Iterator[survey.SessionFile]:
        go_on.wait(30)
        yield from original(config_dir, pace)

    monkeypatch.setattr(survey, "session_files", slow)
    monkeypatch.setattr("opcode_htmx.features.storage.routes.PATIENCE_SECONDS", 0.05)
    store.session("plough the field", 1)
    answer = store.client.get("/storage")
    assert "Counting…" in answer.text
    assert answer.headers["Refresh"] == "2"
    assert store.client.get("/healthz").status_code == 200  # nothing else waits for it
    go_on.set()
    page = store.page()
    assert "plough the field" in page


def test_counting_ends_after_a_while_and_says_that_it_is_a_part(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.session("plough the field", 1)
    monkeypatch.setattr(survey, "LONGEST_SECONDS", 0.0)
    assert "all sizes are at least these" in store.page()


def test_a_value_is_computed_once_for_all_who_wait_and_again_after_a_change() -> None:
    computed, signature, go_on = list[int](), [1], Event()

    def compute() -> int:
        go_on.wait(30)
        computed.append(len(computed) + 1)
        return computed[-1]

    value = Background(compute, lambda: signature[0])
    assert value.get(0.01) is None
    waiting = [gevent.spawn(value.get, 30) for _ in range(3)]
    gevent.sleep(0)
    go_on.set()
    gevent.joinall(waiting, raise_error=True)
    assert [each.get() for each in waiting] == [1, 1, 1]
    assert value.get(0) == 1
    signature[0] = 2
    assert value.get(30) == 2
