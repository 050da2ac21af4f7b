"""The history that benchmarks generate is one that the readers of real ones understand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.data import many_sessions
from opcode_htmx.engines.claude.files import sessions, subagents
from opcode_htmx.engines.claude.files.lineage import Lineage

LINES = 200


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Claude's folder with two projects of 25 sessions, and the number of their lines."""
    folder = tmp_path_factory.mktemp("many")
    return folder, many_sessions.generate(folder, projects=2, sessions=25, lines=LINES)


def contents(config_dir: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(config_dir)): path.read_bytes()
        for path in config_dir.rglob("*")
        if path.is_file()
    }


def test_the_same_arguments_make_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        many_sessions.generate(tmp_path / name, projects=2, sessions=1, lines=LINES, seed=seed)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert not contents(tmp_path / "one").keys() & contents(tmp_path / "three").keys()


def test_it_has_what_years_of_real_sessions_have(generated: tuple[Path, int]) -> None:
    folder, total = generated
    files = {path: path.read_bytes() for path in folder.rglob("*.jsonl")}
    assert total == sum(content.count(b"\n") for content in files.values())
    roots = [path for path in files if path.parent.name != "subagents"]
    assert {files[path].count(b"\n") for path in roots} == {LINES}
    kinds, rewound, agents = set[object](), 0, 0
    for path in roots:
        lineage = Lineage()
        for line in files[path].splitlines():
            entry = json.loads(line)
            kinds |= {entry["type"], entry.get("subtype"), entry.get("gitBranch") and "branch"}
            lineage.add(entry)
        rewound += bool(lineage.left(lineage.leaf))
        agents += len(subagents.agents_by_call(subagents.folder_of(path)))
    expected = {"user", "assistant", "system", "attachment", "queue-operation", "last-prompt"}
    expected |= {"cost-state", "ai-title", "custom-title", "compact_boundary", "branch"}
    assert expected <= kinds
    assert rewound
    assert agents == len(files) - len(roots) > 0
    assert max(map(len, files.values())) > 300_000
    for text in ("日付", "列表", "اختبارًا", "파일", "👩‍💻"):
        assert any(text.encode() in content for content in files.values()), text


def test_projects_and_sessions_are_found_with_their_titles(generated: tuple[Path, int]) -> None:
    folder, _ = generated
    found = sessions.projects(folder)
    names = sorted(many_sessions.project_name(number) for number in range(2))
    assert sorted(str(project.path) for project in found) == [
        str(many_sessions.WORK / name) for name in names
    ]
    for project in found:
        listed = sessions.sessions(folder, project.id)
        assert len(listed) == 25
        assert all(each.first_prompt.startswith("Please ") for each in listed)
        assert any(each.name for each in listed)
