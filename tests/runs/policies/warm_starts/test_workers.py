"""Several workers, and servers one after the other, have one run that waits for a prompt."""

from __future__ import annotations

import gevent

from opcode_htmx.runs.model.record import Outcome
from tests.runs.policies.warm_starts.writer import Writer, has_left_nothing
from tests.support.cli.supervision import BY, idle, new_id, texts, until


def test_two_workers_start_one(writer: Writer) -> None:
    supervision, other = writer.supervision, writer.supervision.beside()
    both = [
        gevent.spawn(each.warm_starts.want, writer.session, supervision.sandbox.project, by=BY)
        for each in (supervision.supervisor, other)
    ]
    gevent.joinall(both, raise_error=True)
    for each in (supervision.supervisor, other):
        until(lambda each=each: not each.warm_starts.starting, "it is decided")  # type: ignore[misc]
        until(lambda each=each: len(each.unused()) == 1, "each worker knows one")  # type: ignore[misc]
    assert len(supervision.marked_processes()) == 1


def test_any_worker_sends_to_it_replaces_it_and_learns_of_its_end(writer: Writer) -> None:
    supervision, other = writer.supervision, writer.supervision.beside()
    project = supervision.sandbox.project
    run = writer.warm()
    sent = other.starts.prompt(writer.session, project, new_id(), "from the other", by=BY)
    assert sent.id == run.id
    assert writer.supervisor.of_session(writer.session)[-1] is run
    idle(run).stop(by=BY)
    assert run.join(20)
    run = writer.warm()
    until(lambda: other.unused_of(writer.session), "the other one knows it")
    other.options.choose(writer.session, model="opus")
    sent = other.starts.prompt(writer.session, project, new_id(), "again", by=BY)
    assert (sent.id == run.id, "opus" in sent.record.argv) == (False, True)


def test_prompt_and_the_end_at_the_same_time_lose_no_prompt(writer: Writer) -> None:
    other = writer.supervision.beside()
    project, session = writer.supervision.sandbox.project, writer.session
    for number in range(4):
        run = writer.warm()
        twin = until(lambda: other.unused_of(session), "the other worker knows it")
        assert twin is not None
        ends = (run, twin)[number % 2]
        sends = (other, writer.supervisor)[number // 2 % 2]
        end = gevent.spawn(ends.stop_unused, "Over.")
        sent = sends.starts.prompt(session, project, new_id(), f"number {number}", by=BY)
        end.join()
        assert texts(idle(sent)) == [f"number {number}"]
        sent.stop(by=BY)
        assert sent.join(20)
        until(lambda: not writer.supervision.marked_processes(), "nothing runs")
        until(lambda: not writer.supervisor.live(), "this worker knows")


def test_next_server_goes_on_with_it_or_ends_it(writer: Writer) -> None:
    supervision = writer.supervision
    run = writer.warm()
    pid = run.record.pid
    supervision.supervisor.registry.close()  # as a server that is killed
    after = supervision.beside()
    found = until(lambda: after.unused_of(writer.session), "the next one adopts it")
    assert found is not None
    assert (found.id, found.record.pid, found.owner is None) == (run.id, pid, False)
    after.registry.close()
    supervision.beside(warm_timeout=0.0)
    until(
        lambda: (
            not supervision.marked_processes() and len(list(supervision.runs_dir.iterdir())) == 1
        ),
        "one that may not have it ends it",
    )


def test_server_that_is_stopped_ends_it(writer: Writer) -> None:
    run = writer.warm()
    writer.supervisor.close()
    assert has_left_nothing(writer.supervision, run)


def test_run_with_a_prompt_that_outlives_its_server_is_kept(writer: Writer) -> None:
    run = writer.warm()
    idle(writer.sends())
    supervision = writer.supervision
    supervision.restart()
    found = supervision.supervisor.get(run.id)
    assert not found.is_unused
    found.stop(by=BY)
    assert found.join(20)
    assert found.record.end is not None
    assert found.record.end.outcome is Outcome.CANCELLED
    again = supervision.restart()
    assert [each.id for each in again.of_session(writer.session)][-1] == run.id
