"""The profile of a session: in files, passed to each process, and never left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.runs.control.launcher import CannotStart
from opcode_htmx.runs.options.profiles import Profile, ProfileUnreadable, SessionProfiles
from tests.support.cli.supervision import BY, Supervision, idle, new_id, steps

SETTINGS = {True: '{"a": 1}', False: '{"a": 2}'}
LIMITED = Profile(SETTINGS, prompt="Prune.", without_servers=True, label="Pruner")


def test_a_profile_is_in_files_that_only_the_user_reads(tmp_path: Path) -> None:
    profiles, session = SessionProfiles(tmp_path / "profiles"), new_id()
    assert profiles.get(session, allow_bypass=False) is None
    profiles.set(session, LIMITED)
    found = profiles.get(session, allow_bypass=False)
    assert found is not None
    assert found.prompt is not None
    assert (found.settings.read_text(), found.prompt.read_text()) == ('{"a": 2}', "Prune.")
    other = profiles.get(session, allow_bypass=True)
    assert other is not None
    assert other.settings.read_text() == '{"a": 1}'
    assert profiles.label(session) == ("Pruner", "")
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "profiles" / session).iterdir()}
    assert modes == {0o600}
    fork = new_id()
    profiles.copy(session, fork)
    assert profiles.label(fork) == ("Pruner", "")


def test_a_profile_that_cannot_be_read_is_an_error_and_not_no_profile(tmp_path: Path) -> None:
    profiles, session = SessionProfiles(tmp_path), new_id()
    profiles.set(session, LIMITED)
    (tmp_path / session / "settings.json").write_text("{}")
    with pytest.raises(ProfileUnreadable):
        profiles.get(session, allow_bypass=True)
    assert profiles.get(session, allow_bypass=False)
    (tmp_path / session / "profile.json").write_text("{")
    with pytest.raises(ProfileUnreadable):
        profiles.get(session, allow_bypass=False)
    (tmp_path / session / "profile.json").unlink()
    with pytest.raises(ProfileUnreadable):
        SessionProfiles(tmp_path).get(session, allow_bypass=False)


def test_the_command_line_names_files_and_rules_bypass_out(tmp_path: Path) -> None:
    profiles, session = SessionProfiles(tmp_path), new_id()
    profiles.set(session, LIMITED)
    found = profiles.get(session, allow_bypass=False)
    built = argv.build(Path("claude"), session, resume=True, profile=found)
    assert built.count("--settings") == 1
    assert argv.option(built, "--settings") == str(tmp_path / session / "settings_no_bypass.json")
    assert argv.option(built, "--append-system-prompt-file").endswith("prompt.md")
    assert "--strict-mcp-config" in built
    assert not any("Prune" in each for each in built)
    content = {"permissions": {"deny": ["Bash"]}, "hooks": {}}
    text = json.loads(argv.profile_settings(content, allow_bypass=False))
    assert text["permissions"] == {"deny": ["Bash"], "disableBypassPermissionsMode": "disable"}
    assert json.loads(argv.profile_settings(content, allow_bypass=True)) == content


def test_each_process_of_a_session_gets_its_profile_or_does_not_start(
    supervision: Supervision,
) -> None:
    supervisor, session = supervision.supervisor, new_id()
    profiles = supervisor.options.profiles
    profiles.set(session, LIMITED)
    project = supervision.sandbox.project
    first = idle(supervisor.starts.prompt(session, project, new_id(), steps(("text", "a")), by=BY))
    assert "--append-system-prompt-file" in first.record.argv
    first.stop(by=BY)
    first.join(10)
    (supervision.sandbox.state / "profiles" / session / "profile.json").write_text("{")
    with pytest.raises(CannotStart, match="limits of this session cannot be read"):
        supervisor.starts.prompt(session, project, new_id(), "Go on.", by=BY)
