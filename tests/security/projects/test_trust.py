"""Trust in a project: its place in Claude's state, its scope, and when it has to be renewed."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.engine import ClaudeTrust
from opcode_htmx.engines.claude.trust.record import TrustRecord, project_key
from opcode_htmx.engines.trust import TrustNotRecorded
from opcode_htmx.runs.policies.project_trust import ProjectTrust, TrustNeeded
from tests.security.projects.trust.listed import write
from tests.security.projects.trust.test_bounds import git
from tests.support.environment import PATIENCE


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


ALLOWED_RULE = {
    "type": "addRules",
    "behavior": "allow",
    "destination": "localSettings",
    "rules": [{"toolName": "Bash", "ruleContent": "make"}],
}


@pytest.fixture
def project(home: Path) -> Path:
    folder = home / "work" / "orchard"
    write(folder / ".claude" / "settings.json", {"apiKeyHelper": "one"})
    return folder


@pytest.fixture
def record(home: Path) -> TrustRecord:
    home.mkdir(exist_ok=True)
    return TrustRecord(home / ".claude.json")


@pytest.fixture
def trust(home: Path) -> ProjectTrust:
    home.mkdir(exist_ok=True)
    files = ClaudeTrust(home / ".claude.json", home, home / ".claude")
    return ProjectTrust(home / "state" / "trust", files)


def texts(needed: TrustNeeded | None) -> list[str]:
    return [item.text for item in needed.items] if needed else []


def seen(needed: TrustNeeded | None) -> str:
    assert needed
    return needed.digest


def trust_at_the_computer(home: Path, folder: Path) -> None:
    entry = {"hasTrustDialogAccepted": True, "allowedTools": []}
    write(home / ".claude.json", {"projects": {str(folder): entry}, "theme": "dark"})


def test_untrusted_project_needs_a_decision(trust: ProjectTrust, project: Path) -> None:
    needed = trust.needed(project)
    assert texts(needed) == ["one"]
    with pytest.raises(TrustNeeded, match="nobody has trusted them yet") as refusal:
        trust.check(project, "the-session")
    assert refusal.value.session_id == "the-session"


def test_trust_is_noted_where_claude_notes_it_with_all_else_unchanged(
    trust: ProjectTrust, project: Path, home: Path
) -> None:
    before = {"theme": "dark", "projects": {"/other": {"x": [1]}}, "odd": "\u00e9\ud83d"}
    write(home / ".claude.json", json.dumps(before))
    (home / ".claude.json").chmod(0o640)
    trust.accept(project, seen(trust.needed(project)))
    assert trust.needed(project) is None
    after = json.loads((home / ".claude.json").read_bytes())
    assert after["projects"].pop(str(project)) == {"hasTrustDialogAccepted": True}
    assert after == before
    assert (home / ".claude.json").stat().st_mode & 0o777 == 0o640
    assert not (home / ".claude.json.lock").exists()


def test_trust_given_to_claude_applies_here(trust: ProjectTrust, project: Path, home: Path) -> None:
    trust_at_the_computer(home, project)
    assert trust.needed(project) is None


def test_added_items_need_new_trust_and_removed_ones_do_not(
    trust: ProjectTrust, project: Path, home: Path
) -> None:
    trust_at_the_computer(home, project)
    assert trust.needed(project) is None
    settings = project / ".claude" / "settings.json"
    write(settings, {"apiKeyHelper": "one", "env": {"A": "b"}})
    needed = trust.needed(project)
    assert texts(needed) == ["b"]
    assert "have changed since it was trusted" in str(needed)
    trust.accept(project, seen(needed))
    assert trust.needed(project) is None
    write(settings, {"env": {"A": "b"}})
    assert trust.needed(project) is None
    write(settings, {"env": {"A": "c"}})
    assert texts(trust.needed(project)) == ["c"]


def test_trust_in_a_project_does_not_cover_other_folders_and_worktrees(
    trust: ProjectTrust, project: Path, home: Path
) -> None:
    git("init", "-q", cwd=project)
    git("commit", "-q", "--allow-empty", "-m", "x", cwd=project)
    git("worktree", "add", "-q", str(home / "tree"), cwd=project)
    trust.accept(project, seen(trust.needed(project)))
    for folder in (project / "vendor", home / "tree"):
        write(folder / ".claude" / "settings.json", {"apiKeyHelper": "another"})
        assert texts(trust.needed(folder)) == ["another"]
    trust.accept(home / "tree", seen(trust.needed(home / "tree")))
    assert trust.needed(home / "tree") is None
    assert trust.needed(project) is None


def test_a_list_that_has_changed_since_it_was_seen_is_not_trusted(
    trust: ProjectTrust, project: Path, record: TrustRecord
) -> None:
    digest = seen(trust.needed(project))
    write(project / ".claude" / "settings.json", {"apiKeyHelper": "two"})
    with pytest.raises(TrustNeeded):
        trust.accept(project, digest)
    assert not record.trusted_as(project)
    assert texts(trust.needed(project)) == ["two"]


def test_a_folder_counts_as_trusted_up_to_the_root_of_its_repository_only(
    record: TrustRecord, project: Path, home: Path
) -> None:
    trust_at_the_computer(home, home / "work")
    below = project / "a"
    below.mkdir()
    assert record.trusted_as(project)
    assert record.trusted_as(below)
    git("init", "-q", cwd=project)
    assert not record.trusted_as(below)
    trust_at_the_computer(home, project)
    assert record.trusted_as(below)
    assert project_key(below) == str(project)


def test_worktree_shares_its_repositorys_trust_and_a_false_worktree_does_not(
    record: TrustRecord, project: Path, home: Path
) -> None:
    git("init", "-q", cwd=project)
    git("commit", "-q", "--allow-empty", "-m", "x", cwd=project)
    git("worktree", "add", "-q", str(home / "tree"), cwd=project)
    write(home / "liar" / ".git", (home / "tree" / ".git").read_text())
    trust_at_the_computer(home, project)
    assert record.trusted_as(home / "tree")
    assert not record.trusted_as(home / "liar")


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, '{"projects": 3}'])
def test_a_state_file_of_claudes_that_cannot_be_read_is_not_overwritten(
    trust: ProjectTrust, project: Path, home: Path, content: str
) -> None:
    write(home / ".claude.json", content)
    with pytest.raises(TrustNotRecorded, match="could not be changed"):
        trust.accept(project, seen(trust.needed(project)))
    assert (home / ".claude.json").read_text() == content


def test_the_lock_of_a_claude_is_waited_for(record: TrustRecord, project: Path, home: Path) -> None:
    lock = home / ".claude.json.lock"
    lock.mkdir()
    writer = threading.Thread(target=record.accept, args=(project,))
    writer.start()
    assert not record.trusted_as(project)
    lock.rmdir()
    writer.join(PATIENCE)
    assert record.trusted_as(project)


def test_a_lock_whose_holder_has_died_is_taken_over(
    record: TrustRecord, project: Path, home: Path
) -> None:
    lock = home / ".claude.json.lock"
    lock.mkdir()
    os.utime(lock, (time.time() - 60,) * 2)
    record.accept(project)
    assert record.trusted_as(project)


def test_a_rule_that_a_person_has_allowed_in_a_run_is_not_asked_about_again(
    trust: ProjectTrust, project: Path
) -> None:
    trust.accept(project)
    rules = [
        {"toolName": "Bash", "ruleContent": "echo (a)"},
        {"toolName": "WebSearch"},
    ]
    update = {
        "type": "addRules",
        "behavior": "allow",
        "rules": rules,
        "destination": "localSettings",
    }
    trust.allow(project, [update])
    allowed = ["Bash(echo \\(a\\))", "WebSearch"]
    local = project / ".claude" / "settings.local.json"
    write(local, {"permissions": {"allow": allowed}})
    assert trust.needed(project) is None
    write(local, {"permissions": {"allow": [*allowed, "Bash(rm:*)"]}})
    assert texts(trust.needed(project)) == ["Bash(rm:*)"]


def test_a_rule_that_a_person_has_allowed_counts_where_nothing_else_is_trusted(
    trust: ProjectTrust, project: Path
) -> None:
    settings = project / ".claude" / "settings.json"
    settings.unlink()
    rule = {"type": "addRules", "behavior": "allow", "rules": [{"toolName": "WebSearch"}]}
    trust.allow(project, [{**rule, "destination": "localSettings"}])
    write(project / ".claude" / "settings.local.json", {"permissions": {"allow": ["WebSearch"]}})
    assert trust.needed(project) is None
    write(settings, {"apiKeyHelper": "one"})
    assert texts(trust.needed(project)) == ["one"]


def test_a_rule_for_a_session_alone_is_not_noted(trust: ProjectTrust, project: Path) -> None:
    trust.accept(project)
    rule = {"type": "addRules", "behavior": "allow", "rules": [{"toolName": "Bash"}]}
    trust.allow(project, [{**rule, "destination": "session"}])
    write(project / ".claude" / "settings.local.json", {"permissions": {"allow": ["Bash"]}})
    assert texts(trust.needed(project)) == ["Bash"]


def test_trust_that_is_taken_back_is_asked_for_again_and_all_else_is_kept(
    trust: ProjectTrust, project: Path, home: Path
) -> None:
    content = {"theme": "dark", "projects": {"/other": {"hasTrustDialogAccepted": True}}}
    write(home / ".claude.json", content)
    trust.accept(project, seen(trust.needed(project)))
    trust.allow(project, [ALLOWED_RULE])
    assert trust.trusted() == ["/other", str(project)]
    trust.take_back(str(project))
    needed = trust.needed(project)
    assert texts(needed) == ["one"]
    assert trust.trusted() == ["/other"]
    after = json.loads((home / ".claude.json").read_bytes())
    assert after["projects"].pop(str(project)) == {"hasTrustDialogAccepted": False}
    assert after == content
    assert not (home / ".claude.json.lock").exists()
    write(project / ".claude" / "settings.local.json", {"permissions": {"allow": ["Bash(make)"]}})
    assert texts(trust.needed(project)) == ["one", "Bash(make)"]


def test_trust_in_an_unknown_project_cannot_be_taken_back(
    trust: ProjectTrust, project: Path, home: Path
) -> None:
    trust_at_the_computer(home, project)
    before = (home / ".claude.json").read_bytes()
    trust.take_back("/nowhere")
    assert (home / ".claude.json").read_bytes() == before
