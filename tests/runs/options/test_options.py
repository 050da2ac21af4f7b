"""The options of a session: stored, validated, passed on to Claude, and shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gevent
import pytest

from opcode_htmx.engines.claude.protocol import argv
from opcode_htmx.runs.options.store import Options, OptionStore
from opcode_htmx.sessions.options.form import OptionsPresenter
from tests.runs.options.choosing import choosing
from tests.support.cli.supervision import BY, Supervision, disk_that_waits, idle, new_id, until
from tests.support.environment import Sandbox

MODELS = {
    "models": [
        {
            "value": "default",
            "resolvedModel": "claude-opus-9",
            "displayName": "Default (recommended)",
            "description": "What is set",
            "supportedEffortLevels": ["low", "high"],
        },
        {
            "value": "opus",
            "resolvedModel": "claude-opus-9",
            "displayName": "Opus",
            "description": "Opus 9 · For the work of every day",
            "supportedEffortLevels": ["low", "high"],
        },
        {"value": "tiny", "resolvedModel": "claude-tiny-1", "displayName": "Tiny"},
    ]
}

# --- kept -----------------------------------------------------------------------------------


def test_choices_are_kept_for_each_session_by_itself_and_can_be_taken_back(tmp_path: Path) -> None:
    one, other = new_id(), new_id()
    OptionStore(tmp_path).change(one, model="opus", keep_running=False)
    store = OptionStore(tmp_path)
    assert store.get(one) == Options(model="opus", keep_running=False)
    assert store.get(other) == Options()
    store.change(one, model=None)
    assert OptionStore(tmp_path).get(one) == Options(keep_running=False)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_choices_that_are_made_at_once_are_all_kept(tmp_path: Path) -> None:
    session, folder = new_id(), tmp_path / "options"
    stores = [OptionStore(folder), OptionStore(folder)]  # as in two workers
    with disk_that_waits(folder) as go_on:
        changes = [
            gevent.spawn(stores[0].change, session, model="opus"),
            gevent.spawn(stores[0].change, session, effort="low"),
            gevent.spawn(stores[1].change, session, keep_running=False),
        ]
        until(lambda: list(folder.glob(".*-*")), "one of them waits for the disk")
        go_on.set()
        gevent.joinall(changes, raise_error=True)
    kept = OptionStore(folder).get(session)
    assert kept == Options(model="opus", effort="low", keep_running=False)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"model": 7, "keep_running": "no", "x": 1}'])
def test_a_file_that_cannot_be_read_counts_as_nothing_chosen(tmp_path: Path, content: str) -> None:
    session = new_id()
    (tmp_path / f"{session}.json").write_text(content)
    assert OptionStore(tmp_path).get(session) == Options()


def test_invalid_session_id_is_never_part_of_a_path(tmp_path: Path) -> None:
    store = OptionStore(tmp_path / "options")
    (tmp_path / "x.json").write_text('{"model": "opus"}')
    assert store.get("../x") == Options()
    with pytest.raises(ValueError, match="no session id"):
        store.change("../x", model="opus")


# --- passed on ------------------------------------------------------------------------------


def build(**options: Any) -> tuple[str, ...]:
    return argv.build(Path("/claude"), "s", resume=False, **options)


def test_unset_options_are_left_to_claude() -> None:
    arguments = build()
    assert not {"--model", "--effort", "--permission-mode"} & set(arguments)
    arguments = build(model="opus", effort="low", permission_mode="plan")
    options = ("--model", "--effort", "--permission-mode")
    assert [argv.option(arguments, name) for name in options] == ["opus", "low", "plan"]


def test_bypass_mode_is_ruled_out_in_claude_itself_unless_it_is_allowed() -> None:
    settings = json.loads(argv.option(build(), "--settings"))
    assert settings == {"permissions": {"disableBypassPermissionsMode": "disable"}}
    assert "--allow-dangerously-skip-permissions" not in build()
    assert "--allow-dangerously-skip-permissions" in build(allow_bypass=True)


def test_claude_settings_cannot_enable_forbidden_bypass_mode(
    sandbox: Sandbox, claude: Path
) -> None:
    settings = {"permissions": {"defaultMode": "bypassPermissions"}}
    (sandbox.config_dir / "settings.json").write_text(json.dumps(settings))
    supervision = Supervision(sandbox, claude)
    supervision.restart(environment={**sandbox.environment(), "IS_SANDBOX": "1"})
    try:
        run = supervision.prompt("Hello")
        until(lambda: run.state.permission_mode, "Claude says in which mode it is")
        assert run.state.permission_mode == "default"
    finally:
        supervision.close()


def test_a_run_that_an_earlier_server_let_bypass_asks_again(sandbox: Sandbox, claude: Path) -> None:
    supervision = Supervision(sandbox, claude)
    supervision.restart(
        environment={**sandbox.environment(), "IS_SANDBOX": "1"},
        allow_bypass=True,
        permission_mode="bypassPermissions",
    )
    try:
        before = supervision.prompt("Hello")
        until(lambda: before.state.permission_mode == "bypassPermissions", "it bypasses")
        supervision.restart(allow_bypass=False, permission_mode=None)
        run = supervision.supervisor.get(before.id)
        until(lambda: run.state.permission_mode == "default", "it asks again")
        assert supervision.supervisor.options.permission_mode(run.record.session_id) is None
    finally:
        supervision.close()


# --- shown ----------------------------------------------------------------------------------


def initialized(**more: object) -> str:
    answer = {**MODELS, "current_permission_mode": "default", **more}
    response = {"subtype": "success", "request_id": "opcode-initialize", "response": answer}
    return json.dumps({"type": "control_response", "response": response}) + "\n"


def test_before_claude_has_run_its_own_defaults_are_shown(supervision: Supervision) -> None:
    view = OptionsPresenter(choosing(supervision), 60).view(new_id())
    assert view.now == "Claude’s default model"
    assert not view.models_known
    assert [field.chosen for field in view.fields] == ["", "", ""]


def test_effective_options_are_shown_and_models_survive_run_and_restart(
    supervision: Supervision,
) -> None:
    init = {"type": "system", "subtype": "init", "model": "claude-opus-9"}
    said = initialized() + json.dumps(init) + "\n"
    run = supervision.prompt(json.dumps([["raw", said], ["text", "x"]]))
    idle(run)
    session = run.record.session_id
    chooser = OptionsPresenter(choosing(supervision), 60)
    view = chooser.view(session, [run])
    model, effort, mode = view.fields
    assert [(c.value, c.label) for c in model.choices] == [
        ("", "Claude’s default (Opus 9)"),
        ("opus", "Opus 9"),
        ("tiny", "Tiny"),
    ]
    assert [c.value for c in effort.choices] == ["", "low", "high"]
    assert [c.value for c in mode.choices] == ["default", "acceptEdits", "plan"]
    assert (mode.chosen, view.now) == ("default", "Opus 9 · asks first")
    run.stop(by=BY)
    assert run.join(30)
    view = chooser.view(session, [run])
    assert (view.fields[2].chosen, view.now) == ("", "Opus 9"), "the next mode is not known"
    supervision.restart()
    chooser = OptionsPresenter(choosing(supervision), 60)
    choosing(supervision).choose(session, model="opus", effort="low", keep_running=False)
    assert chooser.view(session).now == "Opus 9 · low effort · stops when you leave"


@pytest.mark.parametrize(("allowed", "offered"), [(True, True), (False, False)])
def test_bypass_is_offered_only_where_it_is_allowed(
    supervision: Supervision, allowed: bool, offered: bool
) -> None:
    supervision.restart(allow_bypass=allowed)
    session = new_id()
    choosing(supervision)._store.change(session, permission_mode="bypassPermissions")
    view = OptionsPresenter(choosing(supervision), 60).view(session)
    assert (view.bypass, view.bypass_offered) == (offered, offered)
    assert ("bypassPermissions" in {c.value for c in view.fields[2].choices}) == offered
    assert choosing(supervision).permission_mode(session) == (
        "bypassPermissions" if allowed else None
    )
