"""One's earlier prompts: those of the project first, the newest first, each once, within bounds."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opcode_htmx.features.saved_prompts import earlier_prompts as source
from opcode_htmx.features.saved_prompts.earlier_prompts import EarlierPrompts, Found
from opcode_htmx.sessions.index.indexer import Indexer
from opcode_htmx.sessions.index.reader import IndexReader
from tests.support.clients import api

ORCHARD, HARBOUR = Path("/work/orchard"), Path("/work/harbour")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "projects").mkdir()
    return tmp_path


def session(config: Path, folder: Path, *lines: str) -> Path:
    return api.session(config, folder, "".join(lines))


def entry(**fields: Any) -> str:
    common = {"type": "user", "cwd": str(ORCHARD), "timestamp": api.stamp(api.NOON)}
    return api.line({**common, **fields})


def earlier(config: Path, folder: Path | None, query: str, most: int) -> Found:
    index = IndexReader(config / "sessions.sqlite", config / "projects")
    return EarlierPrompts(config, index).find(folder, query, most)


def found(config: Path, query: str = "", most: int = 10) -> tuple[list[str], list[str]]:
    here, elsewhere = earlier(config, ORCHARD, query, most)
    return [each.text for each in here], [each.text for each in elsewhere]


def test_those_of_the_project_come_first_and_the_newest_of_each(config: Path) -> None:
    noon = api.NOON
    prompts = [api.prompt("old", ORCHARD, noon), api.prompt("new", ORCHARD, noon + 9)]
    session(config, ORCHARD, *prompts)
    session(config, ORCHARD, api.prompt("between", ORCHARD, noon + 5))
    session(config, HARBOUR, api.prompt("elsewhere", HARBOUR, noon + 20))
    assert found(config) == (["new", "between", "old"], ["elsewhere"])
    here, _ = earlier(config, None, "", 10)
    assert here == []


def test_a_text_is_there_once_where_it_was_written_last(config: Path) -> None:
    session(config, HARBOUR, api.prompt("Run the tests", HARBOUR, api.NOON + 9))
    session(config, ORCHARD, api.prompt("Run the tests", ORCHARD), api.prompt("Go on", ORCHARD))
    here, elsewhere = found(config)
    assert sorted(here) == ["Go on", "Run the tests"]
    assert elsewhere == []


def test_only_what_a_person_wrote_is_a_prompt(config: Path) -> None:
    result = [{"type": "tool_result", "tool_use_id": "t", "content": "printed"}]
    reminder = "<system-reminder>Do not</system-reminder>"
    command = "<command-message>review is running</command-message><command-name>/review"
    waiting = {"type": "queued_command", "prompt": "It waited", "source_uuid": "q"}
    session(
        config,
        ORCHARD,
        entry(message={"role": "user", "content": result}),
        entry(message={"role": "user", "content": "of a subagent"}, isSidechain=True),
        entry(message={"role": "user", "content": reminder}, isMeta=True),
        entry(message={"role": "user", "content": "[Request interrupted by user]"}),
        entry(type="assistant", message={"role": "assistant", "content": "an answer"}),
        entry(message={"role": "user", "content": f"{command}</command-name>"}),
        entry(message={"role": "user", "content": 'Say "type":"user" and "tool_result"'}),
        entry(message={"role": "user", "content": [{"type": "text", "text": "Look\nat it"}]}),
        entry(type="attachment", attachment=waiting),
    )
    expected = {"/review", 'Say "type":"user" and "tool_result"', "Look\nat it", "It waited"}
    assert set(found(config)[0]) == expected


def test_a_quarter_of_the_list_is_for_other_projects(config: Path) -> None:
    session(config, ORCHARD, *(api.prompt(f"here {n}", ORCHARD, n) for n in range(20)))
    session(config, HARBOUR, *(api.prompt(f"there {n}", HARBOUR, n) for n in range(20)))
    here, elsewhere = found(config, most=8)
    assert here == [f"here {n}" for n in range(19, 13, -1)]
    assert elsewhere == ["there 19", "there 18"]


def test_a_search_finds_the_words_in_both(config: Path) -> None:
    session(config, ORCHARD, api.prompt("Prune the pears", ORCHARD), api.prompt("Dig", ORCHARD))
    session(config, HARBOUR, api.prompt("Paint the PEAR boat", HARBOUR))
    assert found(config, "pear the") == (["Prune the pears"], ["Paint the PEAR boat"])


def test_what_is_read_is_bounded(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "END", 4_000)
    monkeypatch.setattr(source, "FILES", 2)
    oldest = session(config, ORCHARD, api.prompt("in the oldest file", ORCHARD))
    os.utime(oldest, (1, 1))
    filler = api.line({"type": "assistant", "text": "x" * 4_000})
    session(config, ORCHARD, api.prompt("begin", ORCHARD), filler, api.prompt("end", ORCHARD))
    session(config, ORCHARD, *(api.prompt(f"number {n}", ORCHARD) for n in range(9)))
    here, _ = found(config, most=20)
    assert sorted(here) == ["end", *(f"number {n}" for n in range(9))]
    assert len(found(config, most=3)[0]) == 3


def test_a_search_finds_prompts_of_any_age_by_the_index(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = session(config, ORCHARD, api.prompt("Graft the old pear", ORCHARD))
    other = session(config, HARBOUR, api.prompt("Caulk the old boat", HARBOUR))
    replaced = session(config, HARBOUR, api.prompt("An old rope", HARBOUR, api.NOON + 9))
    with closing(Indexer(config / "sessions.sqlite", config)) as indexer:
        assert len(list(indexer.look())) == 3
    monkeypatch.setattr(source, "FILES", 0)
    assert found(config, "old") == (["Graft the old pear"], ["An old rope", "Caulk the old boat"])
    replaced.write_text(api.prompt("A new rope", HARBOUR))
    other.unlink()
    assert found(config, "old") == (["Graft the old pear"], [])
    assert found(config, "old", most=0) == ([], [])
    assert found(config, "") == ([], [])
    monkeypatch.setattr(source, "FILES", 9)
    assert found(config, "pear") == (["Graft the old pear"], [])
    assert old.exists()


def test_damaged_lines_and_files_hide_no_other(config: Path) -> None:
    broken = session(config, ORCHARD, api.prompt("good", ORCHARD))
    deep = '{"type":"user","message":' + "[" * 3_000
    lines = [deep, '{"type":"user"}', '["type":"user"]', "\x00", '{"type":"user","cwd":7}']
    surrogate = json.dumps("half \ud83d").encode()
    message = b'{"type":"user","cwd":"/work/orchard","message":{"role":"user","content":%s}}\n'
    broken.write_bytes(
        b"\xff\xfe\n"
        + "\n".join(lines).encode()
        + b"\n"
        + broken.read_bytes()
        + message % surrogate
    )
    folder = broken.parent
    (folder / "55555555-0000-4000-8000-000000000001.jsonl").mkdir()
    (folder / "notes.jsonl").write_text(api.prompt("no session", ORCHARD))
    (config / "projects" / "a-file").write_text("x")
    assert set(found(config)[0]) == {"good", "half ?"}
    assert earlier(config / "nowhere", ORCHARD, "", 5) == ([], [])
