"""The history that benchmarks generate is one that the readers of real ones understand."""

from __future__ import annotations

import json
from pathlib import Path

from bench.data import many_sessions
from opcode_htmx.engines.claude.files import sessions, subagents
from opcode_htmx.engines.claude.files.lineage import Lineage

LINES = 200


def generate(config_dir: Path, sessions_each: int = 25) -> int:
    return many_sessions.generate(config_dir, projects=2, sessions=sessions_each, lines=LINES)


def contents(config_dir: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(config_dir)): path.read_bytes()
        for path in config_dir.rglob("*")
        if path.is_file()
    }


def test_the_same_arguments_make_the_same_files(tmp_path: Path) -> None:
    generate(tmp_path / "one", 3)
    generate(tmp_path / "two", 3)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    many_sessions.generate(tmp_path / "three", projects=2, sessions=3, lines=LINES, seed=2)
    assert not contents(tmp_path / "one").keys() & contents(tmp_path / "three").keys()


def test_it_has_what_years_of_real_sessions_have(tmp_path: Path) -> None:
    total = generate(tmp_path)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*.jsonl")}
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


def test_projects_and_sessions_are_found_with_their_titles(tmp_path: Path) -> None:
    generate(tmp_path)
    found = sessions.projects(tmp_path)
    names = sorted(many_sessions.project_name(number) for number in range(2))
    assert sorted(str(project.path) for project in found) == [
        str(many_sessions.WORK / name) for name in names
    ]
    for project in found:
        listed = sessions.sessions(tmp_path, project.id)
        assert len(listed) == 25
        assert all(each.first_prompt.startswith("Please ") for each in listed)
        assert any(each.name for each in listed)
