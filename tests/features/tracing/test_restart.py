"""A trace goes on where another server has taken the run over."""

from __future__ import annotations

from collections.abc import Callable

from tests.features.session_page.test_live_updates import begin
from tests.support.environment import Sandbox, until, write_stand_in
from tests.support.outside.collector import attributes_of, collector
from tests.support.server import Server


def test_a_restarted_server_goes_on_with_the_trace(
    sandbox: Sandbox, start_server: Callable[..., Server]
) -> None:
    go, claude = sandbox.home / "go", write_stand_in(sandbox.home / "claude")
    with collector() as traces:
        server = start_server(sandbox, claude, OPCODE_TRACING_ENDPOINT=traces.url)
        page = begin(server, [["text", "first"], ["wait", str(go)]])
        until(lambda: ">first</p>" in server.get(page).text, "the turn is open")
        server.kill()
        server.start()
        go.touch()
        turn = until(lambda: traces.named("turn"), "the turn is traced")[0]
        server.post("/runs/stop-all", {})
        root = until(lambda: traces.named("run"), "the run is traced")[0]
    run = next((sandbox.state / "runs").iterdir()).name
    assert {root.trace_id.hex(), turn.trace_id.hex()} == {run}
    assert turn.parent_span_id == root.span_id
    assert root.start_time_unix_nano <= turn.start_time_unix_nano
    assert attributes_of(root)["opcode.outcome"] == "cancelled"
