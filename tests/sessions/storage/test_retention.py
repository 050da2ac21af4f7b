"""Old run folders are removed once Claude's history holds their content."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from opcode_htmx.engines.claude.demo.messages_api import MessagesApi, Scene, Text, ToolUse
from opcode_htmx.engines.claude.files import history
from opcode_htmx.lib.concurrency.broadcast import Broadcast
from opcode_htmx.sessions.storage.retention import Retention
from opcode_htmx.sessions.storage.session_flags import SessionFlags
from opcode_htmx.transcript.blocks import Block
from opcode_htmx.transcript.conversation.conversation import Conversation
from opcode_htmx.transcript.conversation.cursor import Cursor
from tests.sessions.storage.old_runs import aged, collector, ended, note
from tests.support.cli.captured import fragments
from tests.support.cli.supervision import BY, Supervision, idle, new_id, steps, until
from tests.support.environment import Sandbox, state_dir

KEPT_BY_CLAUDE = ("prompt", "text", "thinking", "tool")


def test_a_run_that_is_old_and_in_claudes_history_is_cleared_away(supervision: Supervision) -> None:
    run = ended(supervision, "Hello")
    note(supervision, run)
    assert collector(supervision).collect() == 1
    assert list(supervision.runs_dir.iterdir()) == []
    assert supervision.supervisor.of_session(run.record.session_id) == []
    supervision.restart()
    assert supervision.supervisor.newest() == []


@pytest.mark.parametrize("days", [0, 29])
def test_a_run_that_is_not_old_stays(supervision: Supervision, days: float) -> None:
    note(supervision, ended(supervision, "Hello", days=days))
    assert collector(supervision).collect() == 0


def test_unlimited_retention_removes_nothing(supervision: Supervision) -> None:
    note(supervision, ended(supervision, "Hello", days=4000))
    assert collector(supervision, keep=0).collect() == 0


def test_a_run_that_lives_stays(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    assert collector(supervision, keep=0.001).collect() == 0
    assert run.live


def test_a_run_that_claude_has_not_noted_stays(supervision: Supervision) -> None:
    run = ended(supervision, "Hello")
    assert collector(supervision).collect() == 0
    path = note(supervision, run)
    path.write_text('{"type": "user", "uuid": "another"}\n' * 40)  # not what was said in it
    assert collector(supervision).collect() == 0
    path.write_text("")  # cut short by somebody
    assert collector(supervision).collect() == 0
    assert run.folder.path.exists()


def test_a_run_with_a_prompt_that_was_left_stays(supervision: Supervision) -> None:
    session, never = new_id(), supervision.sandbox.home / "never"
    run = supervision.prompt(steps(["text", "hm"], ["wait", str(never)]), session)
    until(lambda: run.state.turns == 0 and run.read_to > 0, "it works")
    supervision.prompt("left behind", session)
    run.stop(by=BY)
    assert run.join(20)
    run = aged(supervision, run, 40)
    note(supervision, run)
    assert collector(supervision).collect() == 0
    assert "left behind" in supervision.supervisor.get(run.id).state.waiting.values()


def test_viewed_run_is_kept_until_its_viewers_leave(supervision: Supervision) -> None:
    run = ended(supervision, "Hello")
    note(supervision, run)
    with supervision.supervisor.viewers.viewing(run.record.session_id):
        assert collector(supervision).collect() == 0
    assert collector(supervision).collect() == 1


def test_run_without_a_prompt_is_removed(supervision: Supervision) -> None:
    run = ended(supervision, "Hello")
    run.folder.input_log.write_text("")
    supervision.restart()
    assert collector(supervision).collect() == 1


def test_unreadable_run_folder_is_kept(
    supervision: Supervision, caplog: pytest.LogCaptureFixture
) -> None:
    run = ended(supervision, "Hello")
    note(supervision, run)
    run.folder.record_path.write_text('{"version": 99}')
    supervision.restart()
    assert caplog.text.count("cannot read run folder") == 1
    assert collector(supervision).collect() == 0
    assert caplog.text.count("cannot read run folder") == 1
    assert run.folder.output.exists()


def test_removal_interrupted_by_a_crash_is_finished(supervision: Supervision) -> None:
    run = ended(supervision, "Hello")
    run.folder.path.rename(run.folder.path.with_name(f"collected-{run.id}"))
    stale, fresh = (
        supervision.runs_dir / ".a.json-0123456789abcdef",
        supervision.runs_dir / ".b-0123456789abcdef",
    )
    other = supervision.runs_dir / ".bashrc"
    for path in (stale, fresh, other):
        path.write_text("half")
    for path in (stale, other):
        os.utime(path, (0, 0))
    supervision.restart()
    assert supervision.supervisor.newest() == []
    collector(supervision).collect()
    assert sorted(path.name for path in supervision.runs_dir.iterdir()) == [fresh.name, other.name]


def test_files_of_removed_sessions_are_deleted_and_others_kept(supervision: Supervision) -> None:
    run = idle(supervision.prompt("Hello"))
    there, gone, young, trashed = run.record.session_id, new_id(), new_id(), new_id()
    state = supervision.sandbox.state
    for folder in ("options", "chats"):
        (state / folder).mkdir(exist_ok=True)
        for session in (there, gone, young, trashed):
            (state / folder / f"{session}.json").write_text("{}")
    for session in (there, gone, young):
        (state / "attached" / session).mkdir(parents=True, exist_ok=True)
    (state / "trash" / ("a" * 32) / f"0-{trashed}.jsonl").parent.mkdir(parents=True)
    (state / "trash" / ("a" * 32) / f"0-{trashed}.jsonl").write_text("")
    for session in (there, gone, trashed):
        for path in (state / "options", state / "chats", state / "attached"):
            for each in path.glob(f"{session}*"):
                os.utime(each, (0, 0))
    collector(supervision).collect()
    for folder in ("options", "chats"):
        kept = {path.stem for path in (state / folder).iterdir()}
        assert kept == {there, young, trashed}
    assert {path.name for path in (state / "attached").iterdir()} == {there, young}


def test_page_after_removal_lacks_only_data_of_our_own_files(
    sandbox: Sandbox, claude: Path
) -> None:
    scenes = (
        Scene("one", "make", [ToolUse("Bash", {"command": "echo made"}), Text("I *made* it.")]),
        Scene("two", "", [Text("Yes.")]),
    )
    with MessagesApi(scenes) as api:
        supervision = Supervision(sandbox, claude, api.url)
        try:
            session = new_id()
            for text in ("make it", "well?"):
                run = idle(supervision.prompt(text, session))
            run.stop(by=BY)
            assert run.join(20)
            later = idle(supervision.prompt("once more", session))
            later.stop(by=BY)
            assert later.join(20)
            aged(supervision, run, 40)
            before = shown(supervision, session)
            assert collector(supervision).collect() == 0  # the later one is young
            aged(supervision, later, 31)
            assert collector(supervision).collect() == 2
            after = shown(supervision, session)
        finally:
            supervision.close()
    kept = [(block, html) for block, html in before if block.kind in KEPT_BY_CLAUDE]
    assert [(block.kind, block.id) for block, _ in after if block.kind in KEPT_BY_CLAUDE] == [
        (block.kind, block.id) for block, _ in kept
    ]
    lost = {block.kind for block, _ in before} - {block.kind for block, _ in after}
    assert lost <= {"ask", "summary"}
    assert [html for block, html in kept if block.kind == "text"] == [
        html for block, html in after if block.kind == "text"
    ]


def conversation(supervision: Supervision, session: str) -> Conversation:
    return Conversation(
        session,
        runs=lambda: supervision.supervisor.of_session(session),
        history_file=lambda: history.find(supervision.sandbox.config_dir, session),
        changed=Broadcast(),
    )


def shown(supervision: Supervision, session: str) -> list[tuple[Block, str]]:
    seen = conversation(supervision, session)
    seen.refresh()
    rendered = fragments()
    order = re.compile(r' data-order="[^"]*"')
    return [(block, order.sub("", str(rendered.block(block)))) for block in seen.blocks()]


def test_page_that_slept_through_the_removal_is_complete(supervision: Supervision) -> None:
    session = new_id()
    first = ended(supervision, "one", session)
    second = ended(supervision, "two", session)
    seen = conversation(supervision, session)
    seen.refresh()
    old = seen.cursor
    assert old.run == 3
    for run in (first, second):
        note(supervision, supervision.supervisor.get(run.id))
    assert collector(supervision).collect() == 2
    fresh = conversation(supervision, session)
    fresh.refresh()
    assert fresh.cursor.run < old.run
    changed = [change.block.id for change in fresh.changes_since(old)]
    assert changed == [change.block.id for change in fresh.changes_since(Cursor())]
    assert changed


def test_runs_folder_that_is_gone_is_no_error(supervision: Supervision) -> None:
    shutil.rmtree(supervision.sandbox.state / "runs", ignore_errors=True)
    assert collector(supervision).collect() == 0


def test_flags_of_a_session_without_history_and_runs_go_after_the_same_time(
    supervision: Supervision,
) -> None:
    sandbox = supervision.sandbox
    flags = SessionFlags(sandbox.state / "flags.json")
    run = idle(supervision.prompt(steps(["text", "here"])))
    known, in_trash, gone = run.record.session_id, new_id(), new_id()
    trash = sandbox.state / "trash" / ("0" * 32)
    trash.mkdir(parents=True)
    (trash / f"0-{in_trash}.jsonl").touch()
    flags.pin([known, in_trash, gone])
    retention = Retention(
        state_dir(sandbox.state),
        supervision.supervisor,
        lambda _: None,
        0.001,
        lambda _: None,
        flags,
    )
    retention.collect()
    assert set(flags.all()) == {known, in_trash, gone}  # missing from now on
    until(lambda: retention.collect() or gone not in flags.all(), "they are gone")
    assert set(flags.all()) == {known, in_trash}
